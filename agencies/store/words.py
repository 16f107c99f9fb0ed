"""Words as the full-text search knows them: the same on every database, whatever its own rules for words are.

- Letters and digits only, case folded, accents away (Unicode NFKD, UAX 29 in spirit and not to the letter).
- Scripts that are written without blanks between words come apart letter by letter, so that any part of them is found.
- What is indexed and what is asked goes through here; a database only ever compares words of letters and digits.
"""

import re
import unicodedata
from collections.abc import Iterable

from pydantic_core import from_json

#: So many characters of a portion are indexed; PostgreSQL takes no more than 1 MB of words.
MAX_TEXT = 400_000

_WORD = re.compile(r"[^\W_]+")
#: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)
_LONGEST = 200

#: For `str.translate`: letters become small, and all but letters and digits a blank.
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


class _WithoutMarks(dict[int, int | None]):
    """For `str.translate`: marks go, all else stays. It looks each character up once."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code)).startswith("M") else code
        return self[code]


_without_marks = _WithoutMarks()


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return _spaced(text).split()


def indexed(content: object) -> str:
    """What is indexed of a portion's content (as JSON has it): every text and number, files apart, in words."""
    texts: list[str] = []
    _gather((content,), texts)
    return _spaced(" ".join(texts))[:MAX_TEXT]


def _spaced(text: str) -> str:
    """The words of a text, with one blank or more between them."""
    if text.isascii():  # most of it: the same, in a tenth of the time
        spaced = text.translate(_ASCII)
    else:
        plain = unicodedata.normalize("NFKD", text).casefold().translate(_without_marks)
        spaced = " ".join(_WORD.findall(_UNSPACED.sub(r" \1 ", plain)))
    return " ".join([word[:_LONGEST] for word in spaced.split()]) if _has_long(spaced) else spaced


def _has_long(spaced: str) -> bool:
    """Whether some word is too long. It stands over a place that `_LONGEST` divides, so only those are looked at."""
    at, size = _LONGEST, len(spaced)
    while at < size:
        end = spaced.find(" ", at)
        end = size if end < 0 else end
        if end - spaced.rfind(" ", 0, at) - 1 > _LONGEST and spaced[at] != " ":
            return True
        at = (end // _LONGEST + 1) * _LONGEST
    return False


def indexed_json(content: str) -> str:
    """The same, of a portion's content as it is stored."""
    return indexed(from_json(content))


def _gather(values: Iterable[object], texts: list[str]) -> None:
    """Texts and numbers among the values and in them, in order."""
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            file = "media_type" in value  # an exhibit: its bytes say nothing to a search
            _gather(
                [inner for key, inner in value.items() if key != "data"] if file else value.values(), texts
            )
        elif isinstance(value, list):
            _gather(value, texts)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            texts.append(str(value))

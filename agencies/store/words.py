"""Words as the full-text search knows them: the same on every database, whatever its own rules for words are.

- Letters and digits only, case folded, accents away (Unicode NFKD, UAX 29 in spirit and not to the letter).
- Scripts that are written without blanks between words come apart letter by letter, so that any part of them is found.
- What is indexed and what is asked goes through here; a database only ever compares words of letters and digits.
"""

import re
import unicodedata

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
    if text.isascii():  # most of it: the same, in a tenth of the time
        found = text.translate(_ASCII).split()
    else:
        plain = unicodedata.normalize("NFKD", text).casefold().translate(_without_marks)
        found = _WORD.findall(_UNSPACED.sub(r" \1 ", plain))
    if max(map(len, found), default=0) > _LONGEST:
        return [word[:_LONGEST] for word in found]
    return found


def indexed(content: object) -> str:
    """What is indexed of a portion's content (as JSON has it): every text and number, files apart, in words."""
    texts: list[str] = []
    _gather(content, texts)
    return " ".join(words(" ".join(texts)))[:MAX_TEXT]


def indexed_json(content: str) -> str:
    """The same, of a portion's content as it is stored."""
    return indexed(from_json(content))


def _gather(value: object, texts: list[str]) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict):
        file = "media_type" in value  # an exhibit: its bytes say nothing to a search
        for key, inner in value.items():
            if not (file and key == "data"):
                _gather(inner, texts)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, texts)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        texts.append(str(value))

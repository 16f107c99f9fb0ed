"""Words as the full-text search knows them: the same on every database, whatever its own rules for words are.

- Letters and digits only, case folded, accents away (Unicode NFKD, UAX 29 in spirit and not to the letter).
- Scripts that are written without blanks between words come apart letter by letter, so that any part of them is found.
- What is indexed and what is asked goes through here; a database only ever compares words of letters and digits.
"""

import json
import re
import unicodedata
from collections.abc import Iterator

#: So many characters of a portion are indexed; PostgreSQL takes no more than 1 MB of words.
MAX_TEXT = 400_000

_WORD = re.compile(r"[^\W_]+")
#: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
)
_LONGEST = 200


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
    return [word[:_LONGEST] for word in _WORD.findall(_UNSPACED.sub(r" \1 ", plain))]


def indexed(content: object) -> str:
    """What is indexed of a portion's content (as JSON has it): every text and number, files apart, in words."""
    found = " ".join(" ".join(words(text)) for text in _texts(content))
    return found[:MAX_TEXT]


def indexed_json(content: str) -> str:
    """The same, of a portion's content as it is stored."""
    return indexed(json.loads(content))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        file = "media_type" in value  # an exhibit: its bytes say nothing to a search
        for key, inner in value.items():
            if not (file and key == "data"):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)

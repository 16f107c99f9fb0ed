"""The reasons of a version's rules, read from the signed Cedar text as the broker's certificates tell them.

- Only annotations are read, and nothing is judged: a text that the broker could load reads the same here, and any
  other text comes to something, since the text is signed and its reader must not stop at it.
- No engine: Cedar's parser recurses without a bound, and who only wants the reasons needs no rules.

Source: the Cedar grammar, https://docs.cedarpolicy.com/policies/syntax-grammar.html
"""

import re
from collections.abc import Iterator, Mapping

from schemas.ids import RuleId

# A comment is no word, and what stands in a string or a comment is neither an annotation nor an end
_WORD = re.compile(r'//[^\n]*|("(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|\S)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f_]+)\}|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def reasons_of(policies: Mapping[str, str]) -> dict[RuleId, str]:
    """Each rule's reason by its id, of Cedar files (text by file name)."""
    return {RuleId(found["id"]): found["reason"] for found in _annotated(policies) if found.keys() >= _BOTH}


_BOTH = {"id", "reason"}


def _annotated(policies: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The annotations of each policy."""
    for file in sorted(policies):
        words = [match[1] for match in _WORD.finditer(policies[file]) if match[1]]
        found: dict[str, str] = {}
        for i, word in enumerate(words):
            if word == "@" and words[i + 2 : i + 3] == ["("] and i + 3 < len(words):
                found[words[i + 1]] = _ESCAPE.sub(_unescaped, words[i + 3][1:-1])
            elif word == ";":
                yield found
                found = {}


def _unescaped(match: re.Match[str]) -> str:
    byte, point, sign = match.groups()
    if sign is not None:
        return _PLAIN.get(sign, sign)
    try:
        return chr(int(byte or point.replace("_", ""), 16))
    except (ValueError, OverflowError):
        return match[0]  # no text that loads has it

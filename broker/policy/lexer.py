"""Cedar text cut into policies at `;`, each token with its place, since the engine's parse errors name none.

- Strings and `//` comments are whole tokens or none, so a `;` in them cuts nothing.
- No valid policy holds a `;` anywhere but at its end; cutting at every other one is therefore exact, and
  an unclosed brace spoils one policy and not the rest of the file.
- The lexer does not judge grammar; that is the engine's (`locate` finds where the engine stopped).
- A line ends with LF or CRLF. For Cedar a carriage return ends a comment as well: where one stands alone, what people
  read as a comment could be a rule, or a rule a comment. It is refused wherever it stands.
- The schema's text has the same tokens.

Source: the Cedar grammar, https://docs.cedarpolicy.com/policies/syntax-grammar.html
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from broker.policy.faults import Fault, PolicyError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+)
  | (?P<sign>::|==|!=|<=|>=|&&|\|\||[@(){}\[\],;:.<>=!+\-*/%?|])
    """,
    re.VERBOSE | re.DOTALL,
)
_LONE_CR = re.compile(r"\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Token:
    """A token; `start` and `end` are offsets into the file's text, line and column count from 1."""

    kind: str
    text: str
    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class PolicyText:
    """One policy as its author wrote it, `;` included."""

    file: str
    text: str
    tokens: tuple[Token, ...]
    lines: tuple[str, ...]

    @property
    def line(self) -> int:
        return self.tokens[0].line

    @property
    def rule(self) -> str | None:
        """The id as written, for messages about a policy that does not parse."""
        texts = [t.text for t in self.tokens]
        for at in range(len(texts) - 3):
            if texts[at : at + 3] == ["@", "id", "("] and self.tokens[at + 3].kind == "string":
                return texts[at + 3][1:-1]
        return None

    def fault(self, message: str, token: Token | None = None) -> Fault:
        """A fault of this policy, at a token of it or at its first line."""
        at = token or self.tokens[0]
        column = token.column if token else None
        return Fault(self.file, at.line, column, self.rule, message, self.lines[at.line - 1])


def tokens(file: str, text: str) -> Iterator[Token]:
    """The tokens of a Cedar policy or schema file, without space and comments.

    Raises: `PolicyError` for a string without end, a character that Cedar does not have, or a lone carriage return.
    """
    if stray := _LONE_CR.search(text):
        before = text[: stray.start()]
        line, column = before.count("\n") + 1, stray.start() - before.rfind("\n")
        what = "a carriage return without a line feed; lines end with LF or CRLF"
        source = text.split("\n")[line - 1].replace("\r", "\\r")
        raise PolicyError([Fault(file, line, column, None, what, source)])
    at, line, line_start = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "a string without its end" if text[at] == '"' else f"unexpected character {text[at]!r}"
            raise PolicyError(
                [Fault(file, line, at - line_start + 1, None, what, text.split("\n")[line - 1])]
            )
        kind, piece = str(match.lastgroup), match.group()
        if kind != "space":
            yield Token(kind, piece, at, match.end(), line, at - line_start + 1)
        at = match.end()
        if newlines := piece.count("\n"):
            line += newlines
            line_start = match.start() + piece.rindex("\n") + 1


def split(file: str, text: str) -> tuple[PolicyText, ...]:
    """The policies of a file, in order.

    Raises: `PolicyError` as `tokens` does, and for text after the last `;`.
    """
    lines = tuple(text.split("\n"))
    found: list[PolicyText] = []
    pending: list[Token] = []
    for token in tokens(file, text):
        pending.append(token)
        if token.text == ";":
            found.append(PolicyText(file, text[pending[0].start : token.end], tuple(pending), lines))
            pending = []
    if pending:
        rest = PolicyText(file, text[pending[0].start : pending[-1].end], tuple(pending), lines)
        raise PolicyError([rest.fault("the policy does not end with ';'", pending[-1])])
    return tuple(found)


def locate(policy: PolicyText, message: str, complaint: Callable[[str], str | None]) -> Token | None:
    """The token at which the engine stops reading, or None if its complaint is about no single token.

    `complaint(text)` is the engine's message for a text, None if it has none. The engine names the culprit's
    text but not its place. A prefix closed by `;` draws the same complaint exactly when the culprit is in it:
    before, the prefix is complete, or `;` itself is what was not expected (a prefix left open does not tell).
    """
    if not message.startswith("unexpected"):
        quoted = re.findall(r"`([^`]+)`", message) or re.findall(r": (\S+)$", message)
        return next((t for t in policy.tokens if t.text in quoted), None)
    if message == "unexpected token `;`":
        return policy.tokens[-1]
    start = policy.tokens[0].start
    low, high = 0, len(policy.tokens)  # INVARIANT: the culprit is not among the first `low`, but among `high`
    while high - low > 1:
        middle = (low + high) // 2
        if complaint(policy.text[: policy.tokens[middle - 1].end - start] + " ;") == message:
            high = middle
        else:
            low = middle
    return policy.tokens[high - 1]

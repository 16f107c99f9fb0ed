"""The schema that types the rules, read closed: exactly the declarations that the subset knows.

- Enum entity types are closed lists of codes; strings never stand for codes (an enum refuses a typing error).
- `Agency` in `Community`, `Community`, `Portion`; one action, `receive`, with a context.
- Attributes: `Bool`, `Long`, `String`, `datetime`, entity types, and sets of these; `name?` is optional.
- Everything else that Cedar's schema language has is refused with its line, so that each reader of the rules
  (engine, ruling key, proof) sees the same few types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cedarpy

from broker.policy.faults import Fault, PolicyError
from broker.policy.lexer import Token, tokens

PLAIN = frozenset({"Bool", "Long", "String", "datetime"})


@dataclass(frozen=True, slots=True)
class Type:
    """A plain type, an entity type, or a set of one of these."""

    name: str
    is_set: bool = False

    def __str__(self) -> str:
        return f"Set<{self.name}>" if self.is_set else self.name


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an entity type or of the context, and where it is declared."""

    type: Type
    optional: bool
    line: int


@dataclass(frozen=True)
class Schema:
    """What rules may speak of. `attributes` has one mapping for each of principal, resource and context."""

    file: str
    text: str
    enums: Mapping[str, tuple[str, ...]]
    enum_lines: Mapping[str, int]
    attributes: Mapping[str, Mapping[str, Attribute]]
    handle: cedarpy.Schema = field(repr=False)

    def type_of(self, variable: str, attribute: str) -> Attribute | None:
        """The declaration of `variable.attribute`, None if there is none."""
        return self.attributes[variable].get(attribute)


class _Reader:
    """A cursor over the tokens; each `take` says what it expected when it does not find it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.split("\n")
        self.tokens = list(tokens(file, text))
        self.at = 0
        if not self.tokens:
            raise PolicyError([Fault(file, 1, None, None, "the schema is empty")])

    def error(self, message: str, token: Token | None = None) -> PolicyError:
        at = token or self.tokens[min(self.at, len(self.tokens) - 1)]
        return PolicyError([Fault(self.file, at.line, at.column, None, message, self.lines[at.line - 1])])

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else "end"

    def take(self, expected: str) -> Token:
        """The next token, which must be `expected`: a text, or `<kind>` in angle brackets."""
        matches = (
            self.kind() == expected[1:-1]
            if len(expected) > 2 and expected[0] == "<"
            else self.peek() == expected
        )
        if not matches or self.kind() == "end":
            found = f"'{self.peek()}'" if self.peek() else "the end of the file"
            raise self.error(f"expected {expected}, found {found}")
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self, text: str) -> bool:
        if self.peek() != text:
            return False
        self.at += 1
        return True

    def names(self) -> list[str]:
        """One name, or several in brackets."""
        if not self.skip("["):
            return [self.take("<name>").text]
        found = [self.take("<name>").text]
        while self.skip(","):
            found.append(self.take("<name>").text)
        self.take("]")
        return found

    def attributes(self) -> dict[str, tuple[Attribute, Token]]:
        """`{ name: type, name?: Set<type>, .. }`"""
        self.take("{")
        found: dict[str, tuple[Attribute, Token]] = {}
        while not self.skip("}"):
            name = self.take("<name>")
            optional = self.skip("?")
            self.take(":")
            token = self.take("<name>")
            is_set = token.text == "Set"
            if is_set:
                self.take("<")
                token = self.take("<name>")
                self.take(">")
            if name.text in found:
                raise self.error(f"attribute '{name.text}' is declared twice", name)
            found[name.text] = (Attribute(Type(token.text, is_set), optional, name.line), token)
            if self.peek() != "}":
                self.take(",")
        return found


def parse_schema(text: str, file: str = "schema.cedarschema") -> Schema:
    """Read a schema of the subset and have Cedar parse the same text.

    Raises: `PolicyError`.
    """
    reader = _Reader(file, text)
    enums: dict[str, tuple[str, ...]] = {}
    enum_lines: dict[str, int] = {}
    entities: dict[str, dict[str, tuple[Attribute, Token]]] = {}
    context: dict[str, tuple[Attribute, Token]] | None = None
    while reader.kind() != "end":
        start = reader.take("<name>")
        if start.text == "entity":
            name = reader.take("<name>")
            if name.text in entities or name.text in enums:
                raise reader.error(f"entity type '{name.text}' is declared twice", name)
            if reader.skip("enum"):
                enums[name.text] = _enum(reader)
                enum_lines[name.text] = name.line
            else:
                entities[name.text] = _entity(reader, name)
        elif start.text == "action":
            if context is not None:
                raise reader.error("the only action is 'receive', declared once", start)
            context = _action(reader)
        else:
            raise reader.error(f"only 'entity' and 'action' are declared here, found '{start.text}'", start)
        reader.take(";")
    for needed in ("Agency", "Community", "Portion"):
        if needed not in entities:
            raise reader.error(f"entity type '{needed}' is missing")
    if context is None:
        raise reader.error("the action 'receive' is missing")

    known = PLAIN | enums.keys() | {"Agency", "Community"}
    sections = {"principal": entities["Agency"], "resource": entities["Portion"], "context": context}
    for section in sections.values():
        for attribute, token in section.values():
            if attribute.type.name not in known:
                raise reader.error(f"type '{attribute.type.name}' is none that rules may use", token)
    at = sections["context"].get("at")
    if at is None or at[0].type != Type("datetime") or at[0].optional:
        raise reader.error("the context needs 'at: datetime'", at[1] if at else None)
    try:
        handle = cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PolicyError(
            [Fault(file, 1, None, None, f"Cedar refuses the schema: {_one_line(error)}")]
        ) from error
    attributes = {
        variable: {name: attribute for name, (attribute, _) in section.items()}
        for variable, section in sections.items()
    }
    return Schema(file, text, enums, enum_lines, attributes, handle)


def _enum(reader: _Reader) -> tuple[str, ...]:
    reader.take("[")
    values = [reader.take("<string>").text[1:-1]]
    while reader.skip(","):
        if reader.peek() == "]":
            break
        values.append(reader.take("<string>").text[1:-1])
    reader.take("]")
    return tuple(values)


def _entity(reader: _Reader, name: Token) -> dict[str, tuple[Attribute, Token]]:
    """The rest of `entity Name [in [..]] [= {..}];`. Only agencies have parents, and only communities."""
    parents = {"Agency": ["Community"], "Community": [], "Portion": []}
    if name.text not in parents:
        raise reader.error("entity types are Agency, Community, Portion and enums of codes", name)
    found = reader.names() if reader.skip("in") else []
    if found != parents[name.text]:
        raise reader.error(f"'{name.text}' must be in {parents[name.text] or 'nothing'}", name)
    reader.skip("=")
    attributes = reader.attributes() if reader.peek() == "{" else {}
    if name.text == "Community" and attributes:
        raise reader.error("a community has no attributes", name)
    return attributes


def _action(reader: _Reader) -> dict[str, tuple[Attribute, Token]]:
    """The rest of `action receive appliesTo { principal: Agency, resource: Portion, context: {..} };`."""
    reader.take("receive")
    reader.take("appliesTo")
    reader.take("{")
    for key, expected in (("principal", ["Agency"]), ("resource", ["Portion"])):
        reader.take(key)
        reader.take(":")
        token = reader.tokens[min(reader.at, len(reader.tokens) - 1)]
        if reader.names() != expected:
            raise reader.error(f"the {key} of 'receive' is {expected[0]}", token)
        reader.take(",")
    reader.take("context")
    reader.take(":")
    context = reader.attributes()
    reader.skip(",")
    reader.take("}")
    return context


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

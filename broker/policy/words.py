"""A rule's condition in plain English, read from the same syntax tree that `subset` checks.

- A closed match, as there: every construct of the subset has words, and what has none is refused, never skipped.
- A condition becomes a tree of `Says`, `All` and `One`. A negation is carried inward to what is said, so that no
  reader has to work out "not all of"; `if` becomes its two cases. Nothing else is rewritten.
- Each `Says` knows which variables it speaks of: the recipient, the portion, the instant.

It does not lay out pages; `deploy.arrangements.document` does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cedarpy import pst

from broker.policy.subset import OutsideSubset, datetime_literal_ms


@dataclass(frozen=True, slots=True)
class Says:
    """One thing said. `of`: the variables it speaks of (`principal`, `resource`, `context`)."""

    text: str
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Phrase", ...]


@dataclass(frozen=True, slots=True)
class One:
    """At least one part holds."""

    parts: tuple["Phrase", ...]


Phrase = Says | All | One


class Truth(NamedTuple):
    """A Bool attribute, said to hold and not to hold."""

    holds: str
    fails: str


class Thing(NamedTuple):
    """An attribute that is one thing."""

    noun: str


class Things(NamedTuple):
    """A set attribute; `one` says that it has a member, without the article."""

    noun: str
    one: str


Attribute = Truth | Thing | Things

RECIPIENT: Final[Mapping[str, Attribute]] = {
    "role": Thing("the recipient's role"),
    "states": Things("the recipient's own states", "state of the recipient is stated"),
    "coordinating": Truth(
        "the recipient is a coordinating agency", "the recipient is no coordinating agency"
    ),
    "exposed_states": Things(
        "the states that see what the recipient holds", "state that sees what the recipient holds is stated"
    ),
    "exposed_known": Truth(
        "it is stated which states see what the recipient holds",
        "it is not stated which states see what the recipient holds",
    ),
    "suspended": Truth("the recipient is suspended", "the recipient is not suspended"),
}

PORTION: Final[Mapping[str, Attribute]] = {
    "originator": Thing("the originator"),
    "originator_role": Thing("the originator's role"),
    "originator_states": Things("the originator's states", "state of the originator is stated"),
    "kind": Thing("the kind of record"),
    "name": Thing("the portion"),
    "bears_persons": Truth("the portion bears persons", "the portion bears no persons"),
    "protected": Truth("the portion bears a protected person", "the portion bears no protected person"),
    "protection_cleared": Truth("protection was cleared explicitly", "protection was not cleared explicitly"),
    "grounds": Things("the grounds of protection", "ground of protection is stated"),
    "subjects": Things("the categories of the persons", "category of persons is stated"),
    "origins": Things("the states of origin", "state of origin is stated"),
    "origins_known": Truth("the portion leaves no origin open", "the portion leaves an origin open"),
    "record_protected": Truth("the record holds a protected person", "the record holds no protected person"),
    "record_origins": Things(
        "the states of origin of the record's protected persons",
        "state of origin of the record's protected persons is stated",
    ),
    "record_origins_known": Truth(
        "the record leaves the origin of no protected person open",
        "the record leaves the origin of a protected person open",
    ),
    "tlp": Thing("the TLP level"),
    "handling_codes": Things("the handling codes", "handling code is stated"),
    "source": Thing("the grade of the source"),
    "information": Thing("the grade of the information"),
    "purposes": Things("the purposes", "purpose is stated"),
    "special": Things(
        "the special categories of personal data", "special category of personal data is stated"
    ),
    "caveats": Things("the caveats", "caveat is stated"),
    "retain_until": Thing("the retention date"),
    "to_agencies": Things("the agencies addressed by name", "agency is addressed by name"),
    "to_communities": Things("the communities addressed", "community is addressed"),
    "to_officers_of": Things("the home agencies of the officers addressed", "officer is addressed by name"),
}

MOMENT: Final[Mapping[str, Attribute]] = {"at": Thing("the time of admission")}

_ATTRIBUTES: Final = {"principal": RECIPIENT, "resource": PORTION, "context": MOMENT}

#: `principal in resource.x`
AMONG: Final[Mapping[str, Truth]] = {
    "to_agencies": Truth("the recipient is addressed by name", "the recipient is not addressed by name"),
    "to_communities": Truth(
        "the recipient is a member of an addressed community",
        "the recipient is a member of no addressed community",
    ),
    "to_officers_of": Truth(
        "an officer of the recipient is addressed by name", "no officer of the recipient is addressed by name"
    ),
}

_PORTION_NAMES: Final = {
    **{name: f"the {name}" for name in ("base", "sources", "persons", "referral")},
    "financial": "the financial portion",
    "removal": "the removal report",
}

#: Codes that are words; all others (`H2`, `orcon`, `XA`, ids) are said as they are written.
_SPOKEN: Final = {"AgencyRole", "Kind", "Purpose", "SubjectCategory", "SpecialCategory", "ProtectionGround"}

_ORDERS: Final = {
    "less": ("is before", "is less than"),
    "less_eq": ("is at or before", "is at most"),
    "greater": ("is after", "is more than"),
    "greater_eq": ("is at or after", "is at least"),
}
_REVERSED: Final = {"less": "greater_eq", "less_eq": "greater", "greater": "less_eq", "greater_eq": "less"}
_TRUTHS: Final = {"and", "or", "eq", "not_eq", "contains", "contains_all", "contains_any", "in", *_ORDERS}


def phrase(expr: pst.Expr, holds: bool = True) -> Phrase:
    """What a condition says, or what it says if it does not hold. Raises: `OutsideSubset`."""
    match expr:
        case pst.UnaryOp(op="not", arg=arg):
            return phrase(arg, not holds)
        case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
            return _joined((op == "and") is holds, (phrase(left, holds), phrase(right, holds)))
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            met = _joined(True, (phrase(cond), phrase(then_expr, holds)))
            unmet = _joined(True, (phrase(cond, False), phrase(else_expr, holds)))
            return _joined(False, (met, unmet))
        case _:
            return Says(_says(expr, holds), frozenset(_variables(expr)))


def scope(template: pst.Template) -> Phrase | None:
    """What the rule's head says of the recipient; None if it is about every agency. Raises: `OutsideSubset`."""
    of = frozenset({"principal"})
    match template.principal:
        case pst.ScopeAny() | pst.ScopeIs():
            return None
        case pst.ScopeEq(entity=pst.EntityUid() as uid):
            return Says(f"the recipient is {_code(uid)}", of)
        case pst.ScopeIn(entity=pst.EntityUid() as uid):
            return Says(_within((uid,), True), of)
        case other:
            raise OutsideSubset(f"no words for the scope {type(other).__name__}")


def conditions(template: pst.Template) -> tuple[tuple[Phrase, ...], tuple[Phrase, ...]]:
    """What must hold, each part of it; and the exceptions, each of which suffices. Raises: `OutsideSubset`."""
    head = scope(template)
    must: list[Phrase] = [] if head is None else [head]
    exceptions: list[Phrase] = []
    for clause in template.clauses:
        found = phrase(clause.expr)
        if isinstance(clause, pst.When):
            must += found.parts if isinstance(found, All) else [found]
        else:
            exceptions += found.parts if isinstance(found, One) else [found]
    return tuple(must), tuple(exceptions)


def said(what: Phrase) -> str:
    """A phrase in one line; what belongs together stands in brackets."""
    match what:
        case Says(text=text):
            return text
        case All(parts=parts):
            return " and ".join(f"({said(p)})" if isinstance(p, One) else said(p) for p in parts)
        case One(parts=parts):
            return " or ".join(f"({said(p)})" if isinstance(p, All) else said(p) for p in parts)


def speaks_of(what: Phrase) -> frozenset[str]:
    """The variables that a phrase speaks of."""
    if isinstance(what, Says):
        return what.of
    return frozenset().union(*(speaks_of(part) for part in what.parts))


def _joined(every: bool, parts: Iterable[Phrase]) -> Phrase:
    kind = All if every else One
    flat: list[Phrase] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else [part]
    return kind(tuple(flat))


def _says(expr: pst.Expr, holds: bool) -> str:
    last = "or" if holds else "nor"
    match expr:
        case pst.BoolLit(value=value):
            return "this always holds" if value is holds else "this never holds"
        case pst.GetAttr() if isinstance(found := _attribute(expr), Truth):
            return found.holds if holds else found.fails
        case pst.HasAttr(base=pst.Var(name="principal" | "resource" as variable), attrs=(attr,)):
            found = _attribute(pst.GetAttr(pst.Var(variable), attr))
            recorded = f"whether {found.holds}" if isinstance(found, Truth) else found.noun
            return f"{recorded} {'is' if holds else 'is not'} on record"
        case pst.UnaryOp(op="is_empty", arg=pst.GetAttr() as arg) if isinstance(
            found := _attribute(arg), Things
        ):
            return f"no {found.one}" if holds else f"{'an' if found.one[0] in 'aeiou' else 'a'} {found.one}"
        case pst.UnaryOp(op="is_empty", arg=arg):
            return f"{_noun(arg)} {'has no member' if holds else 'has a member'}"
        case pst.BinaryOp(op="eq" | "not_eq" as op, left=left, right=right):
            if _literal(left) and not _literal(right):
                left, right = right, left
            return f"{_noun(left)} {'is' if (op == 'eq') is holds else 'is not'} {_noun(right)}"
        case pst.BinaryOp(op="less" | "less_eq" | "greater" | "greater_eq" as op, left=left, right=right):
            order = _ORDERS[op if holds else _REVERSED[op]]
            return f"{_noun(left)} {order[0 if _instant(left) else 1]} {_noun(right)}"
        case pst.BinaryOp(op="contains", left=pst.Set(elements=elements), right=right):
            return f"{_noun(right)} is {_list(elements, last)}"
        case pst.BinaryOp(op="contains", left=left, right=right):
            return f"{_noun(left)} {'include' if holds else 'do not include'} {_noun(right)}"
        case pst.BinaryOp(op="contains_any", left=pst.Set() as left, right=right) if not _literal(right):
            return _says(pst.BinaryOp("contains_any", right, left), holds)
        case pst.BinaryOp(op="contains_any", left=left, right=pst.Set(elements=elements)):
            verb = "include" if holds or len(elements) > 1 else "do not include"
            return f"{_noun(left)} {verb} {_list(elements, 'or' if len(elements) == 1 else last)}"
        case pst.BinaryOp(op="contains_any", left=left, right=right):
            return f"{'one' if holds else 'none'} of {_noun(right)} is among {_noun(left)}"
        case pst.BinaryOp(op="contains_all", left=pst.Set(elements=elements), right=right):
            return f"{_noun(right)} go {'no ' if holds else ''}further than {_list(elements, 'and')}"
        case pst.BinaryOp(op="contains_all", left=left, right=right):
            return f"{_noun(left)} {'include' if holds else 'do not include'} all of {_noun(right)}"
        case pst.BinaryOp(op="in", left=pst.Var(name="principal"), right=right):
            return _in(right, holds)
        case _:
            raise OutsideSubset(f"no words for {type(expr).__name__}")


def _in(right: pst.Expr, holds: bool) -> str:
    match right:
        case pst.GetAttr(base=pst.Var(name="resource"), attr=attr) if attr in AMONG:
            return AMONG[attr].holds if holds else AMONG[attr].fails
        case pst.EntityLit(value=uid):
            return _within((uid,), holds)
        case pst.Set(elements=elements):
            return _within(tuple(e.value for e in elements if isinstance(e, pst.EntityLit)), holds)
        case _:
            raise OutsideSubset(f"no words for 'principal in' {type(right).__name__}")


def _within(uids: tuple[pst.EntityUid, ...], holds: bool) -> str:
    """The recipient as a member of communities, or as one of the agencies."""
    relation = "a member of " if str(uids[0].type) == "Community" else ""
    return f"the recipient is {_words([relation + _code(uid) for uid in uids], 'or' if holds else 'nor')}"


def _noun(expr: pst.Expr) -> str:
    """A term: what it stands for."""
    match expr:
        case pst.Var(name="principal"):
            return "the recipient"
        case pst.GetAttr() if not isinstance(found := _attribute(expr), Truth):
            return found.noun
        case pst.EntityLit(value=uid):
            return _code(uid)
        case pst.StringLit(value=text):
            return f"“{text}”"
        case pst.LongLit(value=number):
            return str(number)
        case pst.BoolLit(value=value):
            return "true" if value else "false"
        case pst.UnaryOp(op="datetime"):
            at = datetime(1970, 1, 1) + timedelta(milliseconds=datetime_literal_ms(expr))  # noqa: DTZ001 - said as UTC
            return f"{at.isoformat(' ', 'milliseconds').removesuffix('.000')} UTC"
        case pst.Set(elements=elements):
            return _list(elements, "and")
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr) if not _truth(then_expr):
            return f"({_noun(then_expr)} if {said(phrase(cond))}, otherwise {_noun(else_expr)})"
        case _ if _truth(expr):
            return f"whether ({said(phrase(expr))})"
        case _:
            raise OutsideSubset(f"no words for {type(expr).__name__}")


def _attribute(expr: pst.GetAttr) -> Attribute:
    match expr:
        case pst.GetAttr(base=pst.Var(name="principal" | "resource" | "context" as name), attr=attr):
            if attr in _ATTRIBUTES[name]:
                return _ATTRIBUTES[name][attr]
    raise OutsideSubset(f"no words for the attribute '.{expr.attr}'")


def _truth(expr: pst.Expr) -> bool:
    """Whether the term is a Bool."""
    match expr:
        case pst.BoolLit() | pst.HasAttr() | pst.UnaryOp(op="not" | "is_empty"):
            return True
        case pst.BinaryOp(op=op):
            return op in _TRUTHS
        case pst.IfThenElse(then_expr=then_expr):
            return _truth(then_expr)
        case _:
            return isinstance(expr, pst.GetAttr) and isinstance(_attribute(expr), Truth)


def _instant(expr: pst.Expr) -> bool:
    """Whether the term is an instant, of those that can be compared by order: instants and numbers."""
    match expr:
        case pst.UnaryOp(op="datetime") | pst.GetAttr(attr="at" | "retain_until"):
            return True
        case _:
            return isinstance(expr, pst.IfThenElse) and _instant(expr.then_expr)


def _literal(expr: pst.Expr) -> bool:
    match expr:
        case pst.BoolLit() | pst.LongLit() | pst.StringLit() | pst.EntityLit() | pst.Set():
            return True
        case _:
            return isinstance(expr, pst.UnaryOp) and expr.op == "datetime"


def _variables(expr: pst.Expr) -> Iterator[str]:
    match expr:
        case pst.Var(name=name):
            yield name
        case pst.GetAttr(base=base) | pst.HasAttr(base=base):
            yield from _variables(base)
        case pst.UnaryOp(arg=arg):
            yield from _variables(arg)
        case pst.BinaryOp(left=left, right=right):
            yield from _variables(left)
            yield from _variables(right)
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            for part in (cond, then_expr, else_expr):
                yield from _variables(part)
        case pst.Set(elements=elements):
            for element in elements:
                yield from _variables(element)
        case pst.BoolLit() | pst.LongLit() | pst.StringLit() | pst.EntityLit():
            pass
        case _:
            raise OutsideSubset(f"no words for {type(expr).__name__}")


def _list(elements: tuple[pst.Expr, ...], last: str) -> str:
    return _words([_noun(element) for element in elements], last)


def _words(words: list[str], last: str) -> str:
    """`a, b or c`; with `nor`: `neither a, b nor c`, or `not a`."""
    if last == "nor":
        return f"not {words[0]}" if len(words) == 1 else f"neither {_words(words, ' nor')}"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last.strip()} {words[-1]}"


def _code(uid: pst.EntityUid) -> str:
    kind = str(uid.type)
    if kind == "PortionName":
        return _PORTION_NAMES[uid.id]
    return uid.id.replace("_", " ") if kind in _SPOKEN else uid.id

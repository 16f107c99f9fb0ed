"""A rule of the subset as a formula of z3: true exactly where Cedar says that the rule is satisfied.

- A closed match, as in `subset`: what is not matched is refused, never skipped.
- A code or an id is a bit vector with one bit set (its place in its list), a set of them one with any bits: so
  `contains`, `containsAny` and `in` are each one `&`. Numbers and instants are signed 64-bit vectors, as in Cedar.
- No errors are possible in the subset (`subset` says why), so satisfied and not satisfied are all there is.
- A set of plain values is written out and never an attribute; it is kept as its members, and unfolded where it is
  asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import z3
from cedarpy import pst

from broker.policy.subset import OutsideSubset, datetime_literal_ms

Formula = Any
"""A z3 expression; the library has no types of its own."""

WIDTH: Final = 64

TRUE: Final[Formula] = z3.BoolVal(True)


@dataclass(frozen=True)
class Listed:
    """A closed list of codes or ids, each with its bit."""

    names: tuple[str, ...]
    bits: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", {name: 1 << i for i, name in enumerate(self.names)})

    @property
    def width(self) -> int:
        return len(self.names)

    def constant(self, names: Sequence[str]) -> Formula:
        """The code, or the set of codes, as a value. Raises: `KeyError` for a name that is not listed."""
        return z3.BitVecVal(sum(self.bits[name] for name in set(names)), self.width)

    def variable(self, name: str) -> Formula:
        return z3.BitVec(name, self.width)

    def one(self, value: Formula) -> Formula:
        """Exactly one bit is set: the value is a code."""
        return z3.And(value != 0, value & (value - 1) == 0)

    def read(self, number: int) -> frozenset[str]:
        """The names that stand for a number's bits."""
        return frozenset(name for name, bit in self.bits.items() if number & bit)


@dataclass(frozen=True)
class Terms:
    """What the variables of a request are. `attributes` and `present` go by (variable, attribute).

    `present` has the optional attributes that may be missing; any other is there.
    """

    lists: Mapping[str, Listed]
    principal: Formula
    ancestors: Formula
    at: Formula
    attributes: Mapping[tuple[str, str], Formula]
    present: Mapping[tuple[str, str], Formula] = field(default_factory=dict)
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(`resource`, attribute) -> the entity type of the ids in it, for attributes that the principal may be in."""


@dataclass(frozen=True)
class _Plain:
    """A set of plain values written out: under each guard its members."""

    choices: tuple[tuple[Formula, tuple[Formula, ...]], ...]


class Logic:
    """Says rules as formulas over one set of terms."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._texts: dict[str, int] = {}

    def text(self, value: str) -> int:
        """The number that stands for a text: texts are only compared for equality."""
        return self._texts.setdefault(value, len(self._texts))

    def satisfied(self, template: pst.Template) -> Formula:
        """Where the rule is satisfied. Raises: `OutsideSubset`."""
        parts = [self._scope(template)]
        for clause in template.clauses:
            holds = self.term(clause.expr)
            parts.append(holds if isinstance(clause, pst.When) else z3.Not(holds))
        return z3.And(*parts)

    def _scope(self, template: pst.Template) -> Formula:
        match template.principal:
            case pst.ScopeAny() | pst.ScopeIs():
                return TRUE
            case pst.ScopeEq(entity=pst.EntityUid() as uid):
                return self._is(uid)
            case pst.ScopeIn(entity=pst.EntityUid() as uid):
                return self._within((uid,))
            case other:
                raise OutsideSubset(f"no formula for the scope {type(other).__name__}")

    def term(self, expr: pst.Expr) -> Any:
        """A condition as a formula, any other term as its value. Raises: `OutsideSubset`."""
        terms = self._terms
        match expr:
            case pst.BoolLit(value=value):
                return z3.BoolVal(value)
            case pst.LongLit(value=number):
                return z3.BitVecVal(number, WIDTH)
            case pst.StringLit(value=text):
                return z3.BitVecVal(self.text(text), WIDTH)
            case pst.EntityLit(value=uid):
                return self._listed(str(uid.type)).constant([uid.id])
            case pst.UnaryOp(op="datetime"):
                return z3.BitVecVal(datetime_literal_ms(expr), WIDTH)
            case pst.Var(name="principal"):
                return terms.principal
            case pst.Set(elements=elements):
                return self._set(elements)
            case pst.GetAttr(base=pst.Var(name="context"), attr="at"):
                return terms.at
            case pst.GetAttr(base=pst.Var(name="principal" | "resource" as name), attr=attr) if (
                name,
                attr,
            ) in terms.attributes:
                return terms.attributes[name, attr]
            case pst.HasAttr(base=pst.Var(name="principal" | "resource" as name), attrs=(attr,)):
                return terms.present.get((name, attr), TRUE)
            case pst.UnaryOp(op="not", arg=arg):
                return z3.Not(self.term(arg))
            case pst.UnaryOp(op="is_empty", arg=arg):
                found = self.term(arg)
                return z3.BoolVal(False) if isinstance(found, _Plain) else found == 0
            case pst.BinaryOp(op="and", left=left, right=right):
                return z3.And(self.term(left), self.term(right))
            case pst.BinaryOp(op="or", left=left, right=right):
                return z3.Or(self.term(left), self.term(right))
            case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
                return _either(self.term(cond), self.term(then_expr), self.term(else_expr))
            case pst.BinaryOp(op="eq", left=left, right=right):
                return self.term(left) == self.term(right)
            case pst.BinaryOp(op="not_eq", left=left, right=right):
                return self.term(left) != self.term(right)
            case pst.BinaryOp(op="less", left=left, right=right):
                return self.term(left) < self.term(right)
            case pst.BinaryOp(op="less_eq", left=left, right=right):
                return self.term(left) <= self.term(right)
            case pst.BinaryOp(op="greater", left=left, right=right):
                return self.term(left) > self.term(right)
            case pst.BinaryOp(op="greater_eq", left=left, right=right):
                return self.term(left) >= self.term(right)
            case pst.BinaryOp(op="contains", left=left, right=right):
                return _contains(self.term(left), self.term(right))
            case pst.BinaryOp(op="contains_all", left=left, right=right):
                return _contains_all(self.term(left), self.term(right))
            case pst.BinaryOp(op="contains_any", left=left, right=right):
                return _contains_any(self.term(left), self.term(right))
            case pst.BinaryOp(op="in", left=pst.Var(name="principal"), right=right):
                return self._in(right)
            case other:
                raise OutsideSubset(f"no formula for {type(other).__name__}")

    def _set(self, elements: tuple[pst.Expr, ...]) -> Any:
        uids = [element.value for element in elements if isinstance(element, pst.EntityLit)]
        if len(uids) == len(elements):
            return self._listed(str(uids[0].type)).constant([uid.id for uid in uids])
        return _Plain(((TRUE, tuple(self.term(element) for element in elements)),))

    def _listed(self, kind: str) -> Listed:
        listed = self._terms.lists.get(kind)
        if listed is None:
            raise OutsideSubset(f"no formula for an entity of type {kind}")
        return listed

    def _is(self, uid: pst.EntityUid) -> Formula:
        return self._terms.principal == self._listed(str(uid.type)).constant([uid.id])

    def _within(self, uids: Sequence[pst.EntityUid]) -> Formula:
        """The principal is one of the agencies, or in one of the communities. In Cedar each entity is in itself."""
        kind = str(uids[0].type)
        members = self._listed(kind).constant([uid.id for uid in uids])
        return self._among(kind, members)

    def _among(self, kind: str, members: Formula) -> Formula:
        return (self._terms.principal if kind == "Agency" else self._terms.ancestors) & members != 0

    def _in(self, right: pst.Expr) -> Formula:
        match right:
            case pst.EntityLit(value=uid):
                return self._within((uid,))
            case pst.Set(elements=elements):
                return self._within([e.value for e in elements if isinstance(e, pst.EntityLit)])
            case pst.GetAttr(base=pst.Var(name="principal" | "resource" as name), attr=attr):
                return self._among(self._terms.types[name, attr], self.term(right))
            case other:
                raise OutsideSubset(f"no formula for 'principal in' {type(other).__name__}")


def _either(cond: Formula, then: Any, otherwise: Any) -> Any:
    if isinstance(then, _Plain) and isinstance(otherwise, _Plain):
        return _Plain(
            (
                *((z3.And(cond, guard), members) for guard, members in then.choices),
                *((z3.And(z3.Not(cond), guard), members) for guard, members in otherwise.choices),
            )
        )
    return z3.If(cond, then, otherwise)


def _contains(members: Any, value: Any) -> Formula:
    if not isinstance(members, _Plain):
        return members & value != 0
    return z3.Or(*(z3.And(guard, _one_of(value, found)) for guard, found in members.choices))


def _contains_all(members: Any, others: Any) -> Formula:
    if not isinstance(members, _Plain):
        return others & ~members == 0
    return _unfolded(members, others, lambda found, wanted: z3.And(*(_one_of(w, found) for w in wanted)))


def _contains_any(members: Any, others: Any) -> Formula:
    if not isinstance(members, _Plain):
        return members & others != 0
    return _unfolded(members, others, lambda found, wanted: z3.Or(*(_one_of(w, found) for w in wanted)))


def _unfolded(members: _Plain, others: _Plain, holds: Any) -> Formula:
    return z3.Or(
        *(
            z3.And(guard, guard_of_other, holds(found, wanted))
            for guard, found in members.choices
            for guard_of_other, wanted in others.choices
        )
    )


def _one_of(value: Formula, members: Sequence[Formula]) -> Formula:
    return z3.Or(*(value == member for member in members))

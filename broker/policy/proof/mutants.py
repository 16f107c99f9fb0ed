"""Rules with one thing wrong: what a slip of the pen, or of judgement, would make of them.

- The rule is gone; it permits where it forbade, or forbids where it permitted; its scope is wider.
- A clause is gone, or holds the other way round; of a condition one part is gone, or holds the other way round.
- A bound takes in one more or one less; all becomes any; a written-out set has a member less.

Each is a tree that could be loaded as it stands, but for the duties that only a text has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cedarpy import pst

from broker.policy.loader import Rule
from broker.policy.words import phrase, said
from schemas.verdicts import Effect

_TURNED: dict[str, pst.BinaryOpName] = {
    "less": "less_eq",
    "less_eq": "less",
    "greater": "greater_eq",
    "greater_eq": "greater",
    "contains_all": "contains_any",
    "contains_any": "contains_all",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule as it is written, what is wrong with it in words, and the rule with that; None: it is gone."""

    rule: Rule
    wrong: str
    node: pst.Template | None

    @property
    def effect(self) -> Effect | None:
        """What the mutant does; None if it is gone."""
        return None if self.node is None else Effect(self.node.effect)


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Each different one of a rule, in the order of its text."""
    seen = {rule.node}
    yield Mutant(rule, "the rule is gone", None)
    for wrong, node in _mutated(rule.node):
        if node not in seen:
            seen.add(node)
            yield Mutant(rule, wrong, node)


def _mutated(node: pst.Template) -> Iterator[tuple[str, pst.Template]]:
    turned: pst.Effect = "forbid" if node.effect == "permit" else "permit"
    yield f"it {turned}s", replace(node, effect=turned)
    if isinstance(node.principal, pst.ScopeEq | pst.ScopeIn):
        yield "it is about every agency", replace(node, principal=pst.ScopeAny())
    for at, clause in enumerate(node.clauses):
        before, after = node.clauses[:at], node.clauses[at + 1 :]
        other = pst.Unless if isinstance(clause, pst.When) else pst.When
        name, name_of_other = ("when", "unless") if other is pst.Unless else ("unless", "when")
        yield f"the '{name}' is gone", replace(node, clauses=before + after)
        yield f"'{name_of_other}' for '{name}'", replace(node, clauses=(*before, other(clause.expr), *after))
        for wrong, expr in _exprs(clause.expr):
            yield wrong, replace(node, clauses=(*before, replace(clause, expr=expr), *after))


def _exprs(expr: pst.Expr) -> Iterator[tuple[str, pst.Expr]]:
    """A condition with one thing wrong in it."""
    match expr:
        case pst.BinaryOp(op="and" | "or" as op, left=left, right=right):
            yield f"without: {_words(right)}", left
            yield f"without: {_words(left)}", right
            for wrong, part in _exprs(left):
                yield wrong, pst.BinaryOp(op, part, right)
            for wrong, part in _exprs(right):
                yield wrong, pst.BinaryOp(op, left, part)
        case pst.UnaryOp(op="not", arg=arg):
            yield f"the other way round: {_words(expr)}", arg
            if isinstance(arg, pst.BinaryOp) and arg.op in ("and", "or"):
                for wrong, part in _exprs(arg):
                    yield wrong, pst.UnaryOp("not", part)
            else:
                for wrong, part in _atoms(arg):
                    yield wrong, pst.UnaryOp("not", part)
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            yield f"both cases swapped: {_words(expr)}", pst.IfThenElse(cond, else_expr, then_expr)
            for wrong, part in _exprs(cond):
                yield wrong, pst.IfThenElse(part, then_expr, else_expr)
            for wrong, part in _exprs(then_expr):
                yield wrong, pst.IfThenElse(cond, part, else_expr)
            for wrong, part in _exprs(else_expr):
                yield wrong, pst.IfThenElse(cond, then_expr, part)
        case _:
            yield f"the other way round: {_words(expr)}", pst.UnaryOp("not", expr)
            yield from _atoms(expr)


def _atoms(expr: pst.Expr) -> Iterator[tuple[str, pst.Expr]]:
    match expr:
        case pst.BinaryOp(op=op, left=left, right=right):
            if op in _TURNED:
                other = pst.BinaryOp(_TURNED[op], left, right)
                yield f"{_words(other)}, for: {_words(expr)}", other
            for wrong, members in _sets(left):
                yield wrong, pst.BinaryOp(op, members, right)
            for wrong, members in _sets(right):
                yield wrong, pst.BinaryOp(op, left, members)
        case _:
            return


def _sets(expr: pst.Expr) -> Iterator[tuple[str, pst.Expr]]:
    if isinstance(expr, pst.Set) and len(expr.elements) > 1:
        for at, element in enumerate(expr.elements):
            rest = expr.elements[:at] + expr.elements[at + 1 :]
            name = element.value if isinstance(element, pst.EntityLit) else element
            yield f"{name} missing in a set", pst.Set(rest)


def _words(expr: pst.Expr) -> str:
    return said(phrase(expr))

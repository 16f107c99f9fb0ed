"""What the permits still ask of a portion: each part of their conditions, asked of Cedar as a rule of its own.

- A rule's head is a part; so is each term that `&&` joins under `when`, and the contrary of each that `||` joins under
  `unless`. A permit permits exactly where all of its parts hold.
- All parts are permits of one policy without a forbid: Cedar then names each that holds, in one answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cedarpy import pst

from broker.policy.loader import Policy, Rule, known_ids, policy_set
from broker.policy.reads import Reads, union
from broker.policy.subset import Checker
from broker.policy.words import phrase, said, scope
from schemas.directory import Directory
from schemas.ids import RuleId
from schemas.verdicts import Effect, Verdict

_ANYBODY: Final = pst.ScopeAny()


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a permit asks, in plain words, and what it reads."""

    permit: RuleId
    words: str
    reads: Reads


@dataclass(frozen=True)
class Parts:
    """The parts of every permit by their own ids, and the policy that tells which of them hold."""

    parts: Mapping[RuleId, Part]
    policy: Policy

    def lacking(self, verdict: Verdict) -> dict[RuleId, tuple[Part, ...]]:
        """For each permit the parts that do not hold, by a verdict on `policy`; all, if it could not be asked."""
        found: dict[RuleId, tuple[Part, ...]] = {part.permit: () for part in self.parts.values()}
        for name, part in self.parts.items():
            if name not in verdict.rules:
                found[part.permit] += (part,)
        return found


def parts_of(policy: Policy, directory: Directory) -> Parts:
    """The permits of a policy, taken apart."""
    parts: dict[RuleId, Part] = {}
    rules: dict[RuleId, Rule] = {}
    known = known_ids(directory)
    for rule in policy.rules.values():
        if rule.effect is not Effect.PERMIT:
            continue
        for i, (words, node) in enumerate(_taken_apart(rule.node)):
            name = RuleId(f"{rule.id}/{i}")
            reads = Checker(policy.schema, known).policy(node)
            parts[name] = Part(rule.id, words, reads)
            rules[name] = replace(rule, id=name, reads=reads, node=node)
    return Parts(
        parts,
        Policy(
            rules,
            union(*(rule.reads for rule in rules.values())),
            policy.schema,
            policy_set({str(name): rule.node for name, rule in rules.items()}),
        ),
    )


def _taken_apart(template: pst.Template) -> Iterator[tuple[str, pst.Template]]:
    head = scope(template)
    yield ("any agency" if head is None else said(head)), replace(template, clauses=())
    for clause in template.clauses:
        if isinstance(clause, pst.When):
            for term in _terms(clause.expr, "and"):
                yield said(phrase(term)), _alone(template, term)
        else:
            for term in _terms(clause.expr, "or"):
                yield said(phrase(term, False)), _alone(template, pst.UnaryOp("not", term))


def _alone(template: pst.Template, expr: pst.Expr) -> pst.Template:
    return replace(template, principal=_ANYBODY, clauses=(pst.When(expr),))


def _terms(expr: pst.Expr, op: str) -> Iterator[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == op:
        yield from _terms(expr.left, op)
        yield from _terms(expr.right, op)
    else:
        yield expr

"""What is suspicious in rules that load: a rule that can never hold, one that others make idle, a second lock.

- Whether a rule loads at all (ids, annotations, attributes, subset) is the loader's to say; this asks what it does.
- *Impossible*: no question satisfies the rule, or one of its conditions. A mistake, always.
- *Idle condition*: one that every question satisfies.
- *Idle permit*: whatever it permits is permitted by another, or forbidden, anyway. It may be meant as documentation; a
  reader believes that it opens something, and it opens nothing.
- *Second lock*: a forbid that never decides alone, since no permit reaches there or another forbid does. That is often
  meant, so it is a note and no fault: the lock holds when a permit is added one day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import z3
from cedarpy import pst

from broker.policy.loader import Policy, Rule
from broker.policy.proof.logic import Formula
from broker.policy.proof.solver import Literal, Named, Solver
from broker.policy.proof.world import World
from broker.policy.words import phrase, said
from schemas.directory import Directory
from schemas.ids import RuleId
from schemas.verdicts import Effect


class Smell(StrEnum):
    """What a rule is suspected of."""

    IMPOSSIBLE = "impossible"
    IMPOSSIBLE_CONDITION = "impossible_condition"
    IDLE_CONDITION = "idle_condition"
    IDLE_PERMIT = "idle_permit"
    SECOND_LOCK = "second_lock"

    @property
    def is_fault(self) -> bool:
        """Whether it is to be mended; a note otherwise."""
        return self not in (Smell.SECOND_LOCK, Smell.IDLE_CONDITION)


@dataclass(frozen=True, slots=True)
class Finding:
    """A suspicion about one rule, proved.

    `beside`: rules each of which makes it idle by itself; `condition`: the one that is meant, in words.
    """

    rule: Rule
    smell: Smell
    beside: tuple[RuleId, ...] = ()
    condition: str = ""

    @property
    def message(self) -> str:
        """What it means, in a sentence."""
        named = f": {', '.join(self.beside)}" if self.beside else ""
        match self.smell:
            case Smell.IMPOSSIBLE:
                return "no label and no agency can ever satisfy it"
            case Smell.IMPOSSIBLE_CONDITION:
                return f"a condition that never holds: {self.condition}"
            case Smell.IDLE_CONDITION:
                return f"a condition that always holds: {self.condition}"
            case Smell.IDLE_PERMIT:
                return f"it never opens anything: others permit the same, or forbid it{named}"
            case Smell.SECOND_LOCK:
                return f"a second lock: nothing is withheld by it alone{named}"


def lint(
    policy: Policy, directory: Directory, progress: Callable[[str], None] = lambda rule: None
) -> tuple[Finding, ...]:
    """What is suspicious, in the order of the files."""
    return tuple(_Linter(policy, directory).findings(progress))


class _Linter:
    def __init__(self, policy: Policy, directory: Directory) -> None:
        self._policy = policy
        world = World.of(directory, policy.reads)
        self._solver, self._logic = Solver(world), world.logic()
        self._named = Named.of(policy, self._solver)
        both = {**self._named.permits, **self._named.forbids}
        self._idle = {name: z3.Not(literal) for name, literal in both.items()}
        self._said: dict[pst.Expr, tuple[Smell, ...]] = {}

    def findings(self, progress: Callable[[str], None]) -> Iterator[Finding]:
        for rule in sorted(self._policy.rules.values(), key=lambda r: (r.file, r.line)):
            progress(rule.id)
            name = str(rule.id)
            is_permit = rule.effect is Effect.PERMIT
            this = (self._named.permits if is_permit else self._named.forbids)[name]
            if self._solver.possible(this) is None:
                yield Finding(rule, Smell.IMPOSSIBLE)
                continue
            yield from self._conditions(rule)
            alike = self._named.permits if is_permit else self._named.forbids
            alone = [this, self._named.open, *(self._idle[n] for n in alike if n != name)]
            if is_permit:
                alone += [self._idle[n] for n in self._named.forbids]
            else:
                alone.append(self._named.permitted)
            if self._solver.possible(*alone) is None:
                smell = Smell.IDLE_PERMIT if is_permit else Smell.SECOND_LOCK
                yield Finding(rule, smell, self._beside(name, this, is_permit))

    def _conditions(self, rule: Rule) -> Iterator[Finding]:
        for expr in dict.fromkeys(atom for clause in rule.node.clauses for atom in _atoms(clause.expr)):
            if expr not in self._said:  # many rules share a condition
                holds = self._solver.name(self._logic.term(expr))
                asked = ((holds, Smell.IMPOSSIBLE_CONDITION), (z3.Not(holds), Smell.IDLE_CONDITION))
                self._said[expr] = tuple(
                    smell for truth, smell in asked if self._solver.possible(truth) is None
                )
            for smell in self._said[expr]:
                yield Finding(rule, smell, condition=said(phrase(expr)))

    def _beside(self, name: str, this: Literal, is_permit: bool) -> tuple[RuleId, ...]:
        """Rules each of which suffices to make it idle, three at most."""
        found: list[RuleId] = []
        base = [this, self._named.open] if is_permit else [this, self._named.open, self._named.permitted]
        case = self._solver.possible(*base)
        if case is None:
            return ()
        candidates: dict[str, Formula] = {**self._named.forbids, **(self._named.permits if is_permit else {})}
        del candidates[name]
        while len(found) < 3:
            # A case in which it decides and another rule does not hold shows that this other one does not suffice:
            # each answer of the solver rules out many, and hardly any has to be asked about.
            candidates = {n: rule for n, rule in candidates.items() if _holds(case, rule)}
            if not candidates:
                break
            other = next(iter(candidates))
            against = self._solver.possible(*base, self._idle[other])
            if against is None:
                found.append(RuleId(other))
                del candidates[other]
            else:
                case = against
        return tuple(found)


def _holds(case: z3.ModelRef, literal: Literal) -> bool:
    return bool(z3.is_true(case.eval(literal, model_completion=True)))


def _atoms(expr: pst.Expr) -> Iterator[pst.Expr]:
    """The conditions that a condition is made of."""
    match expr:
        case pst.BinaryOp(op="and" | "or", left=left, right=right):
            yield from _atoms(left)
            yield from _atoms(right)
        case pst.UnaryOp(op="not", arg=arg):
            yield from _atoms(arg)
        case pst.IfThenElse(cond=cond, then_expr=then_expr, else_expr=else_expr):
            for part in (cond, then_expr, else_expr):
                yield from _atoms(part)
        case pst.BoolLit():
            return  # written out, so meant
        case _:
            yield expr

"""Proofs: that the protection gate and every invariant hold, for every label, directory entry and membership.

- A proof is that the opposite cannot be: z3 finds no question in `world` that breaks the promise.
- Where it finds one, that is made concrete and decided by Cedar before it is shown.
- The gate is proved of what is released in the end, and of the rules alone as well: where these would open what the
  gate keeps shut, the gate is all that stands between, and the reader is told so with an example.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import z3

from broker.policy.foreseeing import Foreseen
from broker.policy.loader import Policy
from broker.policy.proof.invariants import Invariant, Promise
from broker.policy.proof.solver import Solver
from broker.policy.proof.witness import Disagreement, Witness, Witnesses
from broker.policy.proof.world import Said, World
from broker.policy.reads import union
from schemas.directory import Directory
from schemas.verdicts import Withheld

GATE: Final = "protection-gate"
GATE_SAYS: Final = (
    "Nothing that bears a protected person reaches an agency exposed to that person's state of origin."
)


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A concrete question that breaks a promise, and what Cedar and the gate decide of it."""

    witness: Witness
    decided: Foreseen


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a promise holds. `against`: one case of the contrary, None for a `sometimes` that nothing fulfils."""

    id: str
    says: str
    holds: bool
    against: Counterexample | None = None
    example: Counterexample | None = None
    """Of a `sometimes` that holds: one release that fulfils it."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Every promise with its proof. `gate_alone`: what the rules would release and only the gate withholds."""

    proofs: tuple[Proof, ...]
    gate_alone: Counterexample | None

    @property
    def hold(self) -> bool:
        return all(proof.holds for proof in self.proofs)


def prove(
    policy: Policy,
    directory: Directory,
    invariants: Mapping[str, Invariant],
    at_ms: int,
    progress: Callable[[str], None] = lambda promise: None,
) -> Proved:
    """Prove the gate and the invariants of a policy. `directory` and `at_ms` say what a reader knows, and no more.

    Raises: `Disagreement` if Cedar decides a counterexample otherwise than the solver.
    """
    return _Prover(policy, directory, invariants.values(), at_ms).prove(invariants.values(), progress)


class _Prover:
    def __init__(
        self, policy: Policy, directory: Directory, invariants: Iterable[Invariant], at_ms: int
    ) -> None:
        self._policy, self._directory = policy, directory
        world = World.of(directory, union(policy.reads, *(i.condition.reads for i in invariants)))
        self._world, self._said = world, Said.of(policy.rules.values(), world)
        self._solver = Solver(world)
        self._witnesses = Witnesses(self._solver, directory, at_ms)
        name = self._solver.name
        self._addressed, self._barred = name(world.addressed), name(world.barred)
        self._allowed = name(z3.And(self._said.permitted, z3.Not(self._said.forbidden)))
        self._released = name(self._said.releases(world))

    def prove(self, invariants: Iterable[Invariant], progress: Callable[[str], None]) -> Proved:
        progress(GATE)
        against = self._found((self._released, self._barred), released=True)
        proofs = [Proof(GATE, GATE_SAYS, against is None, against)]
        alone = self._found((self._allowed, self._addressed, self._barred), released=False)
        for invariant in invariants:
            progress(invariant.id)
            proofs.append(self._proof(invariant))
        return Proved(tuple(proofs), alone)

    def _proof(self, invariant: Invariant) -> Proof:
        holds = self._solver.name(self._world.logic().term(invariant.condition.expr))
        match invariant.promise:
            case Promise.NEVER:
                found = self._found((self._released, holds), released=True)
                return Proof(invariant.id, invariant.says, found is None, found)
            case Promise.ALWAYS:
                missed = (z3.Not(self._released), self._addressed, z3.Not(self._barred), holds)
                found = self._found(missed, released=False)
                return Proof(invariant.id, invariant.says, found is None, found)
            case Promise.SOMETIMES:
                found = self._found((self._released, holds), released=True)
                return Proof(invariant.id, invariant.says, found is not None, example=found)

    def _found(self, literals: tuple[object, ...], released: bool) -> Counterexample | None:
        witness = self._witnesses.witness(*literals)
        if witness is None:
            return None
        decided = witness.decided(self._policy, self._directory)
        if (decided.withheld is None) is not released or decided.withheld is Withheld.NOT_ADDRESSED:
            raise Disagreement(
                f"the proof says {'released' if released else 'withheld'}, Cedar and the gate decide "
                f"{decided.withheld or 'released'}: {witness.document()}"
            )
        return Counterexample(witness, decided)

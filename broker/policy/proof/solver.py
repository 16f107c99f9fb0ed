"""A solver over one world: each thing said of it gets a name, and a question is which names hold together.

Named once, a formula costs nothing when it is asked again, and what the solver learnt for one question serves the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import z3

from broker.policy.loader import Policy
from broker.policy.proof.logic import Formula
from broker.policy.proof.world import Said, World

Literal = Formula
"""A named formula, or its negation."""


class Undecided(Exception):
    """The solver gave up. Over finite lists it does not; this is for a solver that is told to end."""

    retriable = False


class Solver:
    """What holds in a world. Not for use by several threads at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._solver = z3.SolverFor("QF_FD")
        self._solver.add(world.holds)
        self._names = 0
        self.asked = 0

    def name(self, formula: Formula) -> Literal:
        """A name for the formula."""
        self._names += 1
        literal = z3.Bool(f"name {self._names}")
        self._solver.add(literal == formula)
        return literal

    def add(self, formula: Formula) -> None:
        """What holds from now on."""
        self._solver.add(formula)

    def possible(self, *literals: Literal) -> z3.ModelRef | None:
        """A model in which all of them hold; None is a proof that there is none. Raises: `Undecided`."""
        self.asked += 1
        found = self._solver.check(*literals)
        if found == z3.sat:
            return self._solver.model()
        if found == z3.unsat:
            return None
        raise Undecided(f"the solver did not decide: {self._solver.reason_unknown()}")

    def nearest(
        self, model: z3.ModelRef, literals: Iterable[Literal], wishes: Iterable[Literal]
    ) -> z3.ModelRef:
        """The model with as many of the wishes as hold together, those before going first."""
        kept = list(literals)
        for wish in wishes:
            if z3.is_true(model.eval(wish, model_completion=True)):
                kept.append(wish)
                continue
            found = self.possible(*kept, wish)
            if found is not None:
                model = found
                kept.append(wish)
        return model


@dataclass(frozen=True)
class Named:
    """One policy's rules in a solver, each by its id; `permitted`: one of them permits.

    `open`: the recipient is addressed and the gate is open, so that the rules decide. `released`: all of it together.
    """

    permits: Mapping[str, Literal]
    forbids: Mapping[str, Literal]
    permitted: Literal
    open: Literal
    released: Literal
    releases: Formula
    """What `released` names, for whoever says it of other values."""

    @classmethod
    def of(cls, policy: Policy, solver: Solver) -> "Named":
        world = solver.world
        said = Said.of(policy.rules.values(), world)
        releases = said.releases(world)
        return cls(
            {name: solver.name(formula) for name, formula in said.permits.items()},
            {name: solver.name(formula) for name, formula in said.forbids.items()},
            solver.name(said.permitted),
            solver.name(z3.And(world.addressed, z3.Not(world.barred))),
            solver.name(releases),
            releases,
        )

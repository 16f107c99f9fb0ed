"""What one policy releases and another does not, over everything that could be asked; or the proof that nothing is.

- A *class of flow* is a record kind, a portion, the recipient's role, and the deciding rules before and after. Each is
  shown by one concrete record, decided by Cedar under both policies.
- Classes are found by asking the solver for one more that is in none of those found. First come those that differ in
  the rules that decide or in the recipient's role, so that the first few show the breadth; then the rest.
- Rules range over any directory entry, so a changed directory changes nothing for them. What it changes for an agency
  of its own is asked apart: each agency as it is before, under the old rules, and as it is after, under the new ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import z3

from broker.policy.entities import AGENCY
from broker.policy.foreseeing import Foreseen
from broker.policy.loader import Policy
from broker.policy.proof.logic import Formula
from broker.policy.proof.solver import Literal, Named, Solver
from broker.policy.proof.witness import Disagreement, Witness, Witnesses, equal
from broker.policy.proof.world import World
from broker.policy.roster import Roster
from schemas.codes import AgencyRole, Kind, PortionName
from schemas.directory import Agency, Directory
from schemas.ids import AgencyId

MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Side:
    """A policy with the directory that it stands beside."""

    policy: Policy
    directory: Directory


@dataclass(frozen=True, slots=True)
class Flow:
    """A class of flow that changes, and a record of it. `agency`: the one whose entry changes, where that is why."""

    kind: Kind
    portion: PortionName
    role: AgencyRole
    before: Foreseen
    after: Foreseen
    witness: Witness
    agency: AgencyId | None = None

    @property
    def gained(self) -> bool:
        return self.after.withheld is None


@dataclass(frozen=True, slots=True)
class Changes:
    """The classes that change. `whole`: there are no others, which is proved; False: it stopped at a limit."""

    flows: tuple[Flow, ...]
    whole: bool


def changes(
    before: Side,
    after: Side,
    at_ms: int,
    most: int = MOST,
    progress: Callable[[str], None] = lambda found: None,
) -> Changes:
    """What changes, at most so many classes. None and `whole`: both policies are proved equal.

    Raises: `Disagreement` if Cedar decides a witness otherwise than the solver.
    """
    found: list[Flow] = []
    search = _Search(before, after, at_ms)
    for flow in search.flows():
        if len(found) == most:
            return Changes(tuple(found), False)
        found.append(flow)
        progress(f"{flow.kind} {flow.portion}")
    return Changes(tuple(found), True)


class _Search:
    def __init__(self, before: Side, after: Side, at_ms: int) -> None:
        self._before, self._after, self._at_ms = before, after, at_ms
        self._rosters = [
            Roster(side.directory, at_ms, frozenset(), frozenset(AGENCY)) for side in (before, after)
        ]
        self._changed = _changed(*self._rosters)
        reads = before.policy.reads | after.policy.reads
        self._world = World.of(after.directory, reads, self._changed)
        self._solver = Solver(self._world)
        self._old = Named.of(before.policy, self._solver)
        self._new = Named.of(after.policy, self._solver)
        self._witnesses = Witnesses(self._solver, after.directory, at_ms)

    def flows(self) -> Iterator[Flow]:
        changed = self._solver.name(self._old.released != self._new.released)
        yield from self._of_rules(changed)
        yield from self._of_entries()

    def _of_rules(self, changed: Literal) -> Iterator[Flow]:
        seen: list[list[Literal]] = []
        for broad in (True, False):
            # INVARIANT: `apart` says of each class so far that what is asked for is in none of them.
            apart = self._solver.name(z3.And(*(z3.Not(z3.And(*self._told(cls, broad))) for cls in seen)))
            while (model := self._solver.possible(changed, apart)) is not None:
                cls = self._class(model)
                seen.append(cls)
                apart = self._solver.name(z3.And(apart, z3.Not(z3.And(*self._told(cls, broad)))))
                witness = self._witnesses.witness(changed, *cls)
                assert witness is not None
                yield self._flow(witness, witness)

    def _class(self, model: z3.ModelRef) -> list[Literal]:
        """Kind, portion, then the rest of a class."""
        exact = [
            self._world.resource("kind"),
            self._world.resource("name"),
            self._world.recipient("role"),
        ]
        named = [self._solver.name(v == model.eval(v, model_completion=True)) for v in exact]
        return [*named, *_deciding(self._old, model), *_deciding(self._new, model)]

    @staticmethod
    def _told(cls: Sequence[Literal], broad: bool) -> Sequence[Literal]:
        return cls[2:] if broad else cls

    def _flow(self, old: Witness, new: Witness, agency: AgencyId | None = None) -> Flow:
        before = old.decided(self._before.policy, self._before.directory)
        after = new.decided(self._after.policy, self._after.directory)
        if (before.withheld is None) is (after.withheld is None):
            raise Disagreement(
                f"the formulas say that it changes, Cedar and the gate decide {before} and {after}: {new.document()}"
            )
        return Flow(new.kind, new.name, new.recipient.role, before, after, new, agency)

    def _of_entries(self) -> Iterator[Flow]:
        """What changes for an agency whose entry or memberships change: one flow for each kind and portion."""
        old, new = self._before.directory, self._after.directory
        rosters = self._rosters
        for agency in self._changed:
            then, now = (
                self._world.recipient_of(roster, directory, agency, self._at_ms)
                for roster, directory in zip(rosters, (old, new), strict=True)
            )
            recipient_before = {
                "recipient": _supposed(old.agency(agency), rosters[0]),
                "communities": frozenset(rosters[0].everyone[agency].communities),
                "suspended": old.suspended(agency, self._at_ms),
            }
            recipient_after = {"suspended": new.suspended(agency, self._at_ms)}
            yield from self._of_entry(
                agency, self._world.as_recipient(), then, now, recipient_before, recipient_after
            )
            then, now = (self._world.originator_of(directory.agency(agency)) for directory in (old, new))
            originator_before = {"originator": old.agency(agency)}
            yield from self._of_entry(agency, self._world.as_originator(), then, now, originator_before, {})

    def _of_entry(
        self,
        agency: AgencyId,
        variables: Mapping[str, Formula],
        then: Mapping[str, Formula],
        now: Mapping[str, Formula],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> Iterator[Flow]:
        """`variables` were as `then` and are as `now`; so were and are the witness's fields `before` and `after`."""
        if all(z3.eq(then[name], now[name]) for name in now):
            return
        here = self._solver.name(equal(variables, now))
        was = z3.substitute(self._old.releases, *((variables[name], then[name]) for name in then))
        changed = self._solver.name(was != self._new.released)
        apart: list[Literal] = []
        while (model := self._solver.possible(here, changed, *apart)) is not None:
            exact = (self._world.resource("kind"), self._world.resource("name"))
            this = self._solver.name(z3.And(*(value == model.eval(value) for value in exact)))
            apart.append(z3.Not(this))
            witness = self._witnesses.witness(here, changed, this)
            assert witness is not None
            yield self._flow(replace(witness, **before), replace(witness, **after), agency)


def _changed(old: Roster, new: Roster) -> list[AgencyId]:
    """Those of both whose entry or memberships rules can tell apart, by id."""
    both = sorted(old.everyone.keys() & new.everyone.keys())
    return [a for a in both if old.everyone[a].likeness != new.everyone[a].likeness]


def _supposed(entry: Agency, roster: Roster) -> Agency:
    """The entry with its exposure written out, as officers make it."""
    return entry.model_copy(update={"exposed_states": roster.everyone[entry.id].exposed})


def _deciding(rules: Named, model: z3.ModelRef) -> list[Literal]:
    """What makes the decision what it is in the model: the rules of its kind that hold, and that no others do."""
    forbids = [_as_in(model, literal) for literal in rules.forbids.values()]
    if any(_holds(model, literal) for literal in rules.forbids.values()):
        return forbids
    return forbids + [_as_in(model, literal) for literal in rules.permits.values()]


def _holds(model: z3.ModelRef, literal: Literal) -> bool:
    return bool(z3.is_true(model.eval(literal, model_completion=True)))


def _as_in(model: z3.ModelRef, literal: Literal) -> Literal:
    return literal if _holds(model, literal) else z3.Not(literal)

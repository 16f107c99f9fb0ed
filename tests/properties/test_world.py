"""The world of the proofs holds every real question, and says of it what gate, audience and engine say.

Records are drawn as for the engine's test. Each pair's values are asserted; then the world must have a model, and in it
who is addressed, who is barred and what is released are what the software decides.
"""

import os
from collections import Counter

import pytest
import z3

from broker.policy import Engine
from broker.policy.entities import AGENCY, PORTION, Portion, Standing
from broker.policy.foreseeing import Portion as Labelled
from broker.policy.foreseeing import foresee, refusal
from broker.policy.proof.logic import Listed
from broker.policy.proof.solver import Solver
from broker.policy.proof.world import Said, World
from schemas.audience import named_officers
from schemas.canonical import Domains
from schemas.directory import Directory
from schemas.gate import barred, surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Label
from schemas.records import KINDS
from schemas.verdicts import Withheld
from tests.properties.test_g7 import DIRECTORIES, G7, Draft, Drawer

PAIRS = int(os.environ.get("ENTENTE_PAIRS", "2000"))


class Asked:
    """A world over every state that a drawn record may name, and how a real pair stands in it."""

    def __init__(self) -> None:
        self.world = World.of(DIRECTORIES[0], G7.policy.reads, DIRECTORIES[1].agency_ids)
        self.solver = Solver(self.world)
        said = Said.of(G7.policy.rules.values(), self.world)
        self.releases = said.releases(self.world)

    def pair(
        self, directory: Directory, facts: Portion, label: Label, recipient: AgencyId, at_ms: int
    ) -> object:
        """All that is given of a pair; what follows from it is left to the world."""
        world, officers = self.world, named_officers(label, recipient)
        exposed = directory.exposed_states(recipient, at_ms, officers)
        standing = Standing(directory.agency(recipient), exposed, directory.suspended(recipient, at_ms))
        given = [
            world.terms.principal == world.lists["Agency"].constant([recipient]),
            world.terms.ancestors
            == world.lists["Community"].constant(directory.communities_of(recipient, at_ms)),
            world.terms.at == at_ms,
            world.days == label.handling.retain_until,
            world.officer_posted == z3.BoolVal(any(directory.posted(o, at_ms) for o in officers)),
        ]
        given += [
            self._is(world.recipient(name), kind, value(standing)) for name, (kind, value) in AGENCY.items()
        ]
        given += [
            self._is(world.resource(name), kind, value(facts))
            for name, (kind, value) in PORTION.items()
            if kind != "datetime"
        ]
        return z3.And(*given)

    def _is(self, variable: object, kind: str, value: object) -> object:
        if kind == "Bool":
            return variable == z3.BoolVal(value)
        listed: Listed = self.world.lists[kind.removeprefix("Set<").removesuffix(">")]
        names = value if isinstance(value, frozenset) else [value]
        return variable == listed.constant([str(name) for name in names])


def portions(draft: Draft) -> tuple[Labelled, ...]:
    return tuple(Labelled(s.name, s.label) for s in draft.sheets)  # type: ignore[arg-type]


def test_every_real_question_is_in_the_world_and_is_decided_there_as_it_is() -> None:
    drawer, asked = Drawer(20261201), Asked()
    engines = [Engine(Domains(G7.federation), G7.policy, d, Digest(b"\x02" * 32)) for d in DIRECTORIES]
    seen: Counter[tuple[bool, bool, bool]] = Counter()
    while seen.total() < PAIRS:
        draft = drawer.draft()
        engine, directory = engines[draft.version], DIRECTORIES[draft.version]
        if len(draft.sheets) > draft.asked:  # a record that no kind has: the world knows the kinds
            continue
        if refusal(engine, draft.originator, draft.kind, portions(draft), draft.at_ms):  # type: ignore[arg-type]
            continue
        whole = surroundings((s.bears_persons, s.label.handling) for s in draft.sheets)
        foreseen = foresee(engine, draft.originator, draft.kind, portions(draft), draft.at_ms)  # type: ignore[arg-type]
        for sheet, outcomes in zip(draft.sheets, foreseen, strict=True):
            handling, routing = sheet.label.handling, sheet.label.routing
            entry = directory.agency(draft.originator)
            facts = Portion(entry, draft.kind, sheet.name, sheet.bears_persons, handling, routing, whole)
            for one in outcomes.outcomes:
                pair = asked.pair(directory, facts, sheet.label, one.recipient, draft.at_ms)
                model = asked.solver.possible(asked.solver.name(pair))
                assert model is not None, (draft, one)
                exposed = directory.exposed_states(
                    one.recipient, draft.at_ms, named_officers(sheet.label, one.recipient)
                )
                addressed, shut, released = (
                    bool(z3.is_true(model.eval(formula, model_completion=True)))
                    for formula in (asked.world.addressed, asked.world.barred, asked.releases)
                )
                assert shut is barred(sheet.bears_persons, handling, exposed), (draft, one)
                assert released is (one.withheld is None), (draft, one)
                assert addressed or one.withheld in (Withheld.GATE, Withheld.NOT_ADDRESSED), (draft, one)
                seen[addressed, shut, released] += 1
    assert {released for _, _, released in seen} == {True, False}
    assert {shut for _, shut, _ in seen} == {True, False}
    assert {addressed for addressed, _, _ in seen} == {True, False}


@pytest.mark.parametrize("kind", ["State", "Agency", "Community"])
def test_enough_of_a_list_stand_in_the_world(kind: str) -> None:
    """Beside those that are written out there is one for each way in which one can be in the question's sets."""
    world = World.of(G7.directory, G7.policy.reads)
    named = {name for of, name in G7.policy.reads.literals if of == kind}
    sets = {"State": 5, "Agency": 2, "Community": 2}[kind]
    single = 2 if kind == "Agency" else 0
    assert len(set(world.lists[kind].names) - named) >= 2**sets + single - (kind == "State")


def test_the_kinds_of_the_world_are_those_that_records_have() -> None:
    world = World.of(G7.directory, G7.policy.reads)
    solver = Solver(world)
    for spec in KINDS.values():
        for name in {n for other in KINDS.values() for n in other.portions}:
            given = z3.And(
                world.resource("kind") == world.lists["Kind"].constant([spec.kind]),
                world.resource("name") == world.lists["PortionName"].constant([name]),
            )
            assert (solver.possible(solver.name(given)) is not None) is (name in spec.portions)

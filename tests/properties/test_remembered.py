"""What the broker remembers of labels changes no answer: a warm memory says what a fresh one says, at any instant.

Labels, kinds and originators vary; instants lie around every edge at which the directory, a retention date or a rule's
comparison with the instant turns.
"""

from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker.decide import Decider, Decision
from broker.labelling import Labelling, LabelReader, Labels, remembered
from broker.policy import Engine
from broker.versions import Version, make_version
from schemas.arrangement import Arrangement
from schemas.codes import (
    Caveat,
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory
from schemas.ids import AgencyId
from schemas.labels import Handling, Routing, handling_bytes, ordered, routing_bytes
from schemas.records import KINDS
from schemas.verdicts import Refused
from tests.support.federation import ceremony

DAY_MS = 86_400_000


@cache
def arrangement() -> Arrangement:
    return ceremony().arrangement


@cache
def warm() -> Version:
    """One version whose memories see every example."""
    return make_version(arrangement())


def edges(directory: Directory) -> list[int]:
    """Instants at which something in the directory turns, in milliseconds."""
    return sorted(
        t
        for interval in (
            *directory.officers,
            *directory.communities,
            *directory.suspensions,
            *(m for c in directory.communities for m in c.members),
        )
        for t in (interval.start_ms, interval.end_ms)
        if t is not None
    )


DIRECTORY = arrangement().directory
EDGES = edges(DIRECTORY)
DAYS = sorted({t // DAY_MS + near for t in EDGES for near in (-1, 0, 1)})
instants = st.builds(
    lambda at, near: at + near,
    st.sampled_from([*EDGES, *(day * DAY_MS for day in DAYS)]),
    st.sampled_from([-1, 0, 1]),
)


def some(values: Any, most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(list(values)), max_size=most).map(ordered)


handlings = st.builds(
    Handling,
    st.sampled_from(list(Tlp)),
    some(HandlingCode, 1),
    st.sampled_from(list(SourceGrade)),
    st.sampled_from(list(InformationGrade)),
    some(Purpose, 3),
    some(SubjectCategory, 2),
    st.just(()),
    some(Caveat, 2),
    some(ProtectionGround, 1),
    st.booleans(),
    some(State, 2),
    st.sampled_from(DAYS),
)
routings = st.builds(
    Routing,
    some(DIRECTORY.agency_ids, 4),
    some([c.id for c in DIRECTORY.communities], 1),
    some([o.id for o in DIRECTORY.officers], 1),
)


@st.composite
def records(draw: st.DrawFn) -> tuple[str, Labels, AgencyId]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    names = draw(st.lists(st.sampled_from(sorted(KINDS[kind].portions)), min_size=1, unique=True))
    labels = tuple((n, handling_bytes(draw(handlings)), routing_bytes(draw(routings))) for n in names)
    return kind, labels, draw(st.sampled_from(DIRECTORY.agency_ids))


def read(found: Labelling | Refused) -> object:
    if isinstance(found, Refused):
        return found
    return found.kind, found.names, found.portions, found.sealed_for, found.recipients, found.retain_until


def decided(found: Decision) -> object:
    ruled = [(r.ruling_digest, r.ruling_bytes, r.departed, r.released_to) for r in found.ruled]
    return found.due, found.active, ruled


@given(records(), st.lists(st.tuples(instants, instants), min_size=2, max_size=6))
def test_what_is_remembered_of_labels_changes_no_answer(
    record: tuple[str, Labels, AgencyId], times: list[tuple[int, int]]
) -> None:
    kind, labels, originator = record
    version = warm()
    for made_ms, admitted_ms in times:
        for other in KINDS:  # labels alike, and another kind
            version.labels.read(other, labels, originator, arrangement(), made_ms)
        mine = version.labels.read(kind, labels, originator, arrangement(), made_ms)
        fresh = LabelReader(arrangement()).read(kind, labels, originator, arrangement(), made_ms)
        assert read(mine) == read(fresh)
        if isinstance(mine, Refused) or isinstance(fresh, Refused):
            continue
        assert mine is version.labels.read(kind, labels, originator, arrangement(), made_ms)
        engine = Engine(arrangement().domains, version.engine.policy, DIRECTORY, arrangement().digest)
        again = Decider(engine, version.reasons).decide(fresh, originator, admitted_ms)
        assert decided(version.decider.decide(mine, originator, admitted_ms)) == decided(again)


def test_a_decision_is_remembered_no_longer_than_it_holds() -> None:
    day = 1_790_000_000_000 // DAY_MS  # within the intervals of the arrangement
    handling = Handling(
        Tlp.GREEN, (), SourceGrade.B, InformationGrade.TWO, (Purpose.DETECTION, Purpose.INVESTIGATION),
        (), (), (), (), False, (), day,
    )  # fmt: skip
    labels = (("base", handling_bytes(handling), routing_bytes(Routing(("fr-oltim",), (), ()))),)
    originator, version = AgencyId("gb-nca"), warm()
    found = version.labels.read("boat_supply", labels, originator, arrangement(), (day - 1) * DAY_MS)
    assert isinstance(found, Labelling)
    for at_ms, released in [(-1, True), (0, False), (-1, True), (1, False)] * 2:
        decision = version.decider.decide(found, originator, day * DAY_MS + at_ms)
        assert [due.recipient for due in decision.due] == ["fr-oltim"] * released


def test_a_label_that_is_too_long_to_remember_is_read_anew() -> None:
    handling = Handling(
        Tlp.GREEN,
        (),
        SourceGrade.A,
        InformationGrade.ONE,
        (),
        (),
        (),
        (),
        (),
        False,
        tuple(State)[:60],
        DAYS[0],
    )
    labels = tuple(
        (name, handling_bytes(handling), routing_bytes(Routing(tuple(map(AgencyId, names)), (), ())))
        for name in sorted(KINDS["boat_supply"].portions)
        for names in [[f"zz-{n:012}" for n in range(200)]]
    )
    reader = LabelReader(arrangement())
    made_ms, originator = EDGES[0], DIRECTORY.agency_ids[0]
    assert reader.read("boat_supply", labels, originator, arrangement(), made_ms) is (
        Refused.LABEL_NOT_IN_ARRANGEMENT
    )
    assert not reader._known._entries


def test_the_more_agencies_the_fewer_answers_are_remembered() -> None:
    assert [remembered(agencies) for agencies in (5, 16, 200, 2_000)] == [2048, 2048, 500, 64]

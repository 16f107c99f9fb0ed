"""What must hold of any history and any draft: remembering changes nothing, and each pair's fate is the engine's own.

Rules, labels and instants are drawn as in `test_policy`; drafts change rules and directory alike: teams that end,
agencies that are suspended, postings, ids that are gone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from broker.policy import Engine
from broker.policy.deciding import Labelled, others, rule_on
from broker.policy.fates import AsRecorded, Side, Under
from broker.policy.foreseeing import Portion, foresee, refusal
from broker.policy.history import Change, Changes, Replay
from broker.policy.recorded import LaneHistory, Recorded
from schemas.certifying import released_of
from schemas.codes import Kind, PortionName, State
from schemas.directory import Directory, Officer, Suspension
from schemas.ids import AgencyId, CommunityId, OfficerId
from schemas.labels import Label, Routing, ordered
from schemas.records import KINDS
from tests.properties.test_policy import (
    AUTUMN,
    DOMAINS,
    INSTANTS,
    LONG,
    RECIPIENTS,
    SMALL,
    SPRING,
    engine,
    handlings,
    load,
    policies,
    routings,
    rules,
    written,
)
from tests.support.histories import Writer

SUMMER = datetime(2026, 6, 1, tzinfo=UTC)
KIND_LIST = list(Kind)


def _changed(**fields: Any) -> Directory:
    return Directory(**{**{name: getattr(SMALL, name) for name in Directory.model_fields}, **fields})


TEAM, NETWORK = SMALL.communities
DIRECTORIES = [
    SMALL,
    _changed(communities=(TEAM.model_copy(update={"end": SUMMER}), NETWORK)),
    _changed(
        communities=(TEAM.model_copy(update={"members": (*TEAM.members, *NETWORK.members[:1])}), NETWORK)
    ),
    _changed(communities=(TEAM.model_copy(update={"id": CommunityId("renamed")}), NETWORK)),
    _changed(
        suspensions=(Suspension(agency=AgencyId("gb-a006"), start=SPRING, end=SUMMER, reason="a test"),)
    ),
    _changed(
        officers=(
            Officer(id=OfficerId("gb-a001/o1"), posted_to=State("XB"), end=AUTUMN),
            Officer(id=OfficerId("gb-a002/o2"), host=AgencyId("gb-a007"), start=SUMMER),
        )
    ),
]


@dataclass(frozen=True)
class Published:
    lane: AgencyId
    kind: Kind
    portions: tuple[Portion, ...]
    at_ms: int


@st.composite
def labels(draw: st.DrawFn) -> Label:
    """In canonical form, as what is sealed must be."""
    handling, routing = draw(handlings), draw(routings)
    sets = ("handling_codes", "purposes", "subjects", "special", "caveats", "grounds", "origins")
    return Label(
        replace(handling, **{name: ordered(getattr(handling, name)) for name in sets}),
        Routing(*(ordered(getattr(routing, name)) for name in ("agencies", "communities", "officers"))),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Published]:
    """Some records again and again, at instants around which something turns. In order of admission."""
    kinds = draw(st.lists(st.sampled_from(KIND_LIST), min_size=1, max_size=4))
    drawn = []
    for kind in kinds:
        names = draw(
            st.lists(st.sampled_from(sorted(KINDS[kind].portions)), min_size=1, max_size=3, unique=True)
        )
        portions = tuple(Portion(PortionName(name), draw(labels())) for name in names)
        drawn.append((draw(st.sampled_from(RECIPIENTS)), kind, portions))
    times = draw(
        st.lists(st.tuples(st.sampled_from(drawn), st.sampled_from(INSTANTS)), min_size=1, max_size=14)
    )
    return sorted((Published(*one, at_ms) for one, at_ms in times), key=lambda p: p.at_ms)


def admitted(by: Engine, published: Sequence[Published], sealed: Directory | None = None) -> Writer:
    """Ledgers with all of it that admission would take."""
    writer = Writer(DOMAINS, by, sealed)
    for p in published:
        if refusal(by, p.lane, p.kind, p.portions, p.at_ms) is None:
            writer.admit(p.lane, p.kind, p.portions, p.at_ms)
    return writer


def recorded(writer: Writer) -> list[Recorded]:
    """As it is read: all lanes, in order of admission."""
    found: list[Recorded] = []
    for lane in writer.lanes.values():
        found += LaneHistory(DOMAINS, lane.lane).read_all(lane.entries)
    return sorted(found, key=lambda r: r.leaf.at_ms)


def replayed(records: Sequence[Recorded], before: Side, after: Side, remembered: int = 1000) -> Changes:
    replay = Replay(before, after, remembered)
    for record in records:
        replay.take(record)
    changes = replay.changes()
    assert replay.decisions == changes.pairs_before
    return changes


@given(bodies=policies, published=histories())
@settings(LONG, max_examples=40)
def test_history_under_its_own_arrangement_changes_nothing(
    bodies: list[str], published: list[Published]
) -> None:
    policy = load(written(bodies))
    records = recorded(admitted(engine(policy), published))
    changes = replayed(records, AsRecorded(), Under(engine(policy)))
    assert changes.flows == {}
    assert changes.records == len(records)
    assert changes.pairs_before == sum(len(r.leaf.portions) * len(r.leaf.active) for r in records)
    assert changes.pairs_after == changes.pairs_before
    assert changes.released_after == changes.released_before
    assert changes.refused_after == 0


@given(
    bodies=policies,
    draft=policies,
    directory=st.sampled_from(DIRECTORIES),
    sealed=st.sampled_from(DIRECTORIES[:3]),
    published=histories(),
)
@settings(LONG, max_examples=50)
def test_remembering_changes_no_result(
    bodies: list[str], draft: list[str], directory: Directory, sealed: Directory, published: list[Published]
) -> None:
    old, new = load(written(bodies)), load(written(draft))
    records = recorded(admitted(engine(old), published, sealed))
    for anew in (False, True):

        def found(remembered: int, fresh: bool = anew) -> Changes:
            before = Under(engine(old), anew=True) if fresh else AsRecorded()
            return replayed(records, before, Under(engine(new, directory), anew=fresh), remembered)

        plain = found(0)
        for remembered in (1000, 2):
            changes = found(remembered)
            assert changes == plain
            assert [*changes.flows] == [*plain.flows]


@given(
    bodies=policies,
    draft=policies,
    directory=st.sampled_from(DIRECTORIES),
    sealed=st.sampled_from(DIRECTORIES[:3]),
    published=histories(),
)
@settings(LONG, max_examples=50)
def test_who_gains_and_who_loses_is_what_the_decider_says(
    bodies: list[str], draft: list[str], directory: Directory, sealed: Directory, published: list[Published]
) -> None:
    """Each record alone, by the functions with which the broker decides and previews."""
    old, new = load(written(bodies)), load(written(draft))
    records = recorded(admitted(engine(old), published, sealed))
    changes = replayed(records, AsRecorded(), Under(engine(new, directory)))
    expected: Counter[tuple[str, str, str, str, Change]] = Counter()
    for record in records:
        leaf, asked = record.leaf, engine(new, directory)
        had = released_of(leaf, record.rulings)
        refused = refusal(asked, record.lane, Kind(leaf.kind), record.portions, leaf.at_ms)
        gets = {} if refused else _released(record, asked)
        would = {} if refused else _foreseen(record, asked)
        for portion in leaf.portions:
            before = {a for a, names in had.items() if portion.name in names}
            after = gets.get(portion.name, set())
            unsealed = would.get(portion.name, set()) - after - before
            for change, agencies in (
                (Change.GAINED, after - before),
                (Change.LOST, before - after),
                (Change.NO_WRAP, unsealed),
            ):
                for agency in agencies:
                    expected[record.lane, leaf.kind, portion.name, agency, change] += 1
    counted: Counter[tuple[str, str, str, str, Change]] = Counter()
    for flow, one in changes.flows.items():
        assert one.count == sum(one.labels.values())
        if flow.change is not Change.REASON:
            counted[flow.originator, flow.kind, flow.portion, flow.recipient, flow.change] += one.count
    assert counted == expected


@given(bodies=policies, more=rules(effect="forbid"), published=histories())
@settings(LONG, max_examples=40)
def test_a_forbid_more_only_takes_away(bodies: list[str], more: str, published: list[Published]) -> None:
    policy, stricter = load(written(bodies)), load(written([*bodies, more]))
    records = recorded(admitted(engine(policy), published))
    changes = replayed(records, AsRecorded(), Under(engine(stricter)))
    assert changes.count(Change.GAINED) == changes.count(Change.NO_WRAP) == 0
    assert changes.released_before - changes.released_after == changes.count(Change.LOST)


def _released(record: Recorded, by: Engine) -> dict[str, set[AgencyId]]:
    """By portion, as admission would release the very record."""
    spec, leaf = KINDS[Kind(record.leaf.kind)], record.leaf
    labelled = [
        Labelled(p.name, p.label, spec.portions[p.name].bears_persons, frozenset(map(AgencyId, w.audience)))
        for p, w in zip(record.portions, leaf.portions, strict=True)
    ]
    active = others(by.directory, record.lane, leaf.at_ms)
    ruled = rule_on(leaf.kind, labelled, active, by, record.lane, leaf.at_ms)
    return {p.name: set(r.released_to) for p, r in zip(labelled, ruled, strict=True)}


def _foreseen(record: Recorded, by: Engine) -> dict[str, set[AgencyId]]:
    """By portion, as a preview says of a new record with these labels."""
    found = foresee(by, record.lane, Kind(record.leaf.kind), record.portions, record.leaf.at_ms)
    return {p.name: {o.recipient for o in p.outcomes if o.withheld is None} for p in found}

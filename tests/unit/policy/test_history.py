"""What a comparison remembers, by example: two records alike in all but one thing that decides are told apart."""

import dataclasses
from datetime import UTC, datetime

import msgspec
import pytest

from broker.policy import Engine, load_policy
from broker.policy.drafted import DraftedLabel
from broker.policy.entities import DAY_MS
from broker.policy.fates import AsRecorded, Under
from broker.policy.foreseeing import Portion
from broker.policy.history import Change, Replay, between
from broker.policy.recorded import LaneHistory, Recorded
from schemas.canonical import Domains
from schemas.codes import AgencyRole, Kind, PortionName, State
from schemas.directory import Agency, Community, Directory, Membership, instant_ms
from schemas.ids import AgencyId, CommunityId, Digest
from schemas.records import KINDS
from schemas.rulings import Ruling, ruling_bytes, ruling_digest
from schemas.verdicts import Effect, Verdict
from tests.support.histories import Writer
from tests.unit.policy.small import SCHEMA, rule

DOMAINS = Domains("history")
GB, FR, IT = (AgencyId(a) for a in ("gb-nca", "fr-oltim", "it-pds"))
NOON = instant_ms(datetime(2026, 6, 1, 12, tzinfo=UTC))
TURN = datetime(2026, 6, 2, tzinfo=UTC)
ALL = rule("true")
BASE = PortionName.BASE


def directory(team_ends: datetime | None = None) -> Directory:
    return Directory(
        agencies=tuple(
            Agency(id=a, name=a, role=AgencyRole.POLICE, states=frozenset({State(a[:2].upper())}))
            for a in (GB, FR, IT)
        ),
        communities=(
            Community(id=CommunityId("team"), name="Team", end=team_ends, members=(Membership(agency=FR),)),
        ),
    )


def engine(text: str, of: Directory) -> Engine:
    return Engine(DOMAINS, load_policy({"a.cedar": text}, SCHEMA, of), of, Digest(bytes(32)))


def recorded(
    *at_ms: int, to: tuple[str, ...] = (FR,), days: int = 365, of: Directory | None = None
) -> list[Recorded]:
    """The same base portion again and again, decided by a rule that permits everything."""
    here = of or directory()
    start = KINDS[Kind.BOAT_SUPPLY].portions[BASE].start
    label = DraftedLabel(to=to).label(start, here, NOON)
    kept = msgspec.structs.replace(label.handling, retain_until=NOON // DAY_MS + days)
    writer = Writer(DOMAINS, engine(ALL, here))
    for at in at_ms:
        writer.admit(
            GB, Kind.BOAT_SUPPLY, (Portion(BASE, msgspec.structs.replace(label, handling=kept)),), at
        )
    return list(LaneHistory(DOMAINS, GB).read_all(writer.lanes[GB].entries))


def altered(record: Recorded, **fields: object) -> Recorded:
    """The record with its portion written otherwise in the ledger."""
    (portion,) = record.leaf.portions
    changed = msgspec.structs.replace(portion, **fields)
    return dataclasses.replace(record, leaf=msgspec.structs.replace(record.leaf, portions=(changed,)))


def counts(records: list[Recorded], draft: Engine) -> dict[tuple[Change, AgencyId], int]:
    """What changes for whom, how often; with memory and without, which is to be the same."""
    found = []
    for remembered in (100, 0):
        replay = Replay(AsRecorded(), Under(draft), remembered)
        for record in records:
            replay.take(record)
        told: dict[tuple[Change, AgencyId], int] = {}
        for flow, counted in replay.changes().flows.items():
            key = (flow.change, flow.recipient)
            told[key] = told.get(key, 0) + counted.count
        found.append(told)
    assert found[0] == found[1]
    return found[0]


def test_alike_in_everything_they_are_compared_once_and_counted() -> None:
    replay = Replay(AsRecorded(), Under(engine(rule("false"), directory())))
    for record in recorded(NOON, NOON + 1, NOON + 2):
        replay.take(record)
    assert replay.compared == 1
    assert sum(counted.count for counted in replay.changes().flows.values()) == 3


@pytest.mark.parametrize("turned", [False, True], ids=["forbids from then on", "forbids until then"])
def test_an_instant_of_the_rules_parts_two_records(turned: bool) -> None:
    sign = "<" if turned else ">="
    forbids = rule(f'context.at {sign} datetime("2026-06-02")', "forbid").replace("the-rule", "from-then")
    draft = engine(ALL + forbids, directory())
    early, late = recorded(NOON, NOON + DAY_MS)
    assert counts([early, late], draft) == {(Change.LOST, FR): 1}
    assert counts([early, early], draft) == ({(Change.LOST, FR): 2} if turned else {})


def test_the_day_of_retention_parts_two_records() -> None:
    within, beyond = recorded(NOON, NOON + 3 * DAY_MS, days=2)
    # Beyond it the draft's admission refuses the record: nobody has it, and for that reason.
    assert counts([within, beyond], engine(ALL, directory())) == {
        (Change.LOST, FR): 1,
        (Change.REASON, IT): 1,
    }


def test_a_team_that_ends_parts_two_records() -> None:
    early, late = recorded(NOON, NOON + DAY_MS, to=("team",))
    assert counts([early, late], engine(ALL, directory(TURN))) == {(Change.LOST, FR): 1}


def test_for_whom_a_record_was_sealed_parts_it_from_its_like() -> None:
    first, second = recorded(NOON, NOON)
    unsealed = altered(second, audience=())
    assert counts([first, unsealed], engine(ALL, directory())) == {(Change.NO_WRAP, FR): 1}


def test_who_was_addressed_no_longer_parts_it_from_its_like() -> None:
    first, second = recorded(NOON, NOON)
    departed = altered(second, departed=(FR,))
    assert counts([first, departed], engine(ALL, directory())) == {(Change.GAINED, FR): 1}


def test_the_ruling_that_decided_parts_it_from_its_like() -> None:
    first, second = recorded(NOON, NOON)
    denied = ruling_bytes(
        Ruling(Digest(bytes(32)), tuple(Verdict(a, False, Effect.NONE, ()) for a in (FR, IT)))
    )
    named = ruling_digest(DOMAINS, denied)
    parsed = msgspec.msgpack.decode(denied, type=Ruling)
    other = dataclasses.replace(altered(second, ruling=named), rulings={**second.rulings, named: parsed})
    assert counts([first, other], engine(ALL, directory())) == {(Change.GAINED, FR): 1}


def test_between_two_arrangements_each_seals_anew() -> None:
    (record,) = recorded(NOON, to=("team",))
    replay = between(engine(ALL, directory(datetime(2026, 5, 1, tzinfo=UTC))), engine(ALL, directory()))
    replay.take(record)
    (flow,) = replay.changes().flows
    assert (flow.change, flow.recipient) == (Change.GAINED, FR)

"""A node follows its own ledger: versions are adopted, and what is missing of what we sealed is an alarm, kept once."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from agencies.comparing import Comparing
from agencies.kafka import Connection
from agencies.standing import LaneStanding, Signed
from agencies.store import Store
from agencies.store.tables import alarms
from broker.lane import fold
from broker.step import ledger_parcels
from schemas.arrangement import Arrangement
from schemas.clock import IDENTITY_CLOCK
from schemas.history import History, Standing
from schemas.ids import AgencyId
from tests.support import federation
from tests.support.drafts import plain
from tests.support.lanes import GrowingLane
from tests.support.members import members
from tests.support.reading import Ledger, run_until
from tests.vectors.scenes import FR

NCA = AgencyId("gb-nca")
NOWHERE = Connection("nowhere:1", ssl.create_default_context())


def ledger(first: int) -> list[bytes]:
    """Of a lane whose first record has this sequence, and the second one the next."""
    sealer = federation.sealer(NCA)
    value = federation.parcel(sealer, federation.drafts(NCA, 2), first)
    lane = federation.new_lane(NCA)
    folded = fold(lane, [federation.message(value, 0)], federation.versions())
    return list(ledger_parcels(folded))


@pytest.mark.parametrize(
    "first, told", [(1, []), (4, ["our numbers 1 to 3 never reached our lane (leaf 1)"])]
)
async def test_a_gap_in_our_sequence_is_one_alarm_however_often_the_ledger_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, told: list[str]
) -> None:
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        signed = Signed(NOWHERE, "arrangement", federation.ceremony().arrangement.digest)
        for _ in range(2):
            await follow(store, signed, Ledger(ledger(first)), monkeypatch)
            rows = await store.run(lambda c: list(c.execute(select(alarms.c.alarm, alarms.c.detail))))
            assert [tuple(row) for row in rows] == [("sequence_gap", detail) for detail in told]


async def test_a_restart_reads_from_the_last_activation_on_though_nothing_was_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is older than the comparison has no place of it: the next activation waits for none of that."""
    lane = GrowingLane(members(), NCA)
    lane.publish(plain(1, FR))
    before = len(lane.messages)
    second = lane.amend("amended").arrangement
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        signed = signed_of(second)
        adopted: list[Standing] = []
        await follow(store, signed, Ledger(lane.messages), monkeypatch, adopted.append)
        digests = [members().arrangement.digest, second.digest]
        assert [standing.arrangement.digest for standing in adopted] == digests
        adopted.clear()
        topic = Ledger(lane.messages)
        await follow(store, signed, topic, monkeypatch, adopted.append)
        assert topic.starts == [before]
        assert {standing.arrangement.digest for standing in adopted} == {second.digest}


async def test_versions_are_adopted_while_nothing_can_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps failing there is tried for ever, beside this."""
    failed = asyncio.Event()

    def fails(*_: object, **__: object) -> None:
        failed.set()
        raise ValueError("a name that the database refuses")

    monkeypatch.setattr("agencies.comparing.keep", fails)
    lane = GrowingLane(members(), NCA)
    lane.publish(plain(1, FR))
    second = lane.amend("amended").arrangement
    both = asyncio.Event()

    def adopt(standing: Standing) -> None:
        if standing.arrangement.digest == second.digest:
            both.set()

    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        signed = signed_of(second)
        monkeypatch.setattr("agencies.comparing.Reader", lambda _: Ledger(lane.messages))
        comparing = Comparing(store, NOWHERE, "ledger", signed, NCA, members().domains)
        await run_until(failed, comparing.run())
        task = asyncio.ensure_future(comparing.run())
        await follow(store, signed, Ledger(lane.messages), monkeypatch, adopt)
        assert (both.is_set(), task.done()) == (True, False)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_could_not_be_kept_is_read_again_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = GrowingLane(members(), NCA)
    lane.publish(plain(1, FR))
    before = len(lane.messages)
    second = lane.amend("amended").arrangement
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        adopted: list[Standing] = []

        def adopt(standing: Standing) -> None:
            adopted.append(standing)
            if len(adopted) == 2:
                raise OSError("the store is away")

        topic = Ledger(lane.messages)
        await follow(store, signed_of(second), topic, monkeypatch, adopt)
        assert topic.starts == [0, before]
        digests = [members().arrangement.digest, second.digest, second.digest]
        assert [standing.arrangement.digest for standing in adopted] == digests


def signed_of(*later: Arrangement) -> Signed:
    """What was signed, as if it were read."""
    genesis = members().arrangement
    signed = Signed(NOWHERE, "arrangement", genesis.digest)
    signed._history = history = History(genesis.digest)
    history.standings = [Standing(version, IDENTITY_CLOCK) for version in (genesis, *later)]
    return signed


async def follow(
    store: Store,
    signed: Signed,
    topic: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    adopt: Callable[[Standing], None] = lambda _: None,
) -> None:
    """A node's start: all of the ledger is read, then it stops."""
    monkeypatch.setattr("agencies.standing.Reader", lambda _: topic)
    standing = LaneStanding(store, NOWHERE, "ledger", signed, adopt)
    await standing.resume()
    await run_until(topic.taken_in, standing.run())

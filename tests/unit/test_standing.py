"""A node follows its own ledger: versions are adopted; what is missing, and which receipts differ, is told once."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from agencies.comparing import Comparing
from agencies.judging import Delivered
from agencies.kafka import Connection
from agencies.standing import LaneStanding, Signed
from agencies.store import Store
from agencies.store.tables import alarms, receipts, shown_place
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
from tests.vectors.scenes import FR

NCA = AgencyId("gb-nca")
NOWHERE = Connection("nowhere:1", ssl.create_default_context())


class Ledger:
    """Stands for the reader: a ledger's messages from where it was assigned, then nothing."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._next = 0
        self._idle = 0
        self.taken_in = asyncio.Event()
        self.starts: list[int] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, _topic: str, offsets: dict[int, int]) -> None:
        self._next = offsets[0]
        self.starts.append(self._next)

    async def position(self, _topic: str) -> int:
        return self._next

    async def poll(self) -> list[Delivered]:
        first, self._next = self._next, len(self._values)
        if first == self._next:
            self._idle += 1
            if self._idle > 2:  # what waited for the ledger's end was looked at again
                self.taken_in.set()
            await asyncio.sleep(0.01)
        return [Delivered(0, first + i, value, True) for i, value in enumerate(self._values[first:])]


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


async def test_a_receipt_that_differs_is_one_alarm_and_what_was_read_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.comparing._EVERY_S", 0.0)
    lane = GrowingLane(members(), NCA)
    lane.publish(plain(1, FR), plain(2, FR))

    async def written(*_: object) -> int:
        return len(lane.messages)

    monkeypatch.setattr("agencies.comparing.written", written)
    row = {"recipient": FR, "exceptions": "[]", "received_at_ms": 0}
    right = {"id": b"1", "after": 0, "upto": 2, "head": lane.chains[FR][1], **row}
    wrong = {"id": b"2", "after": 2, "upto": 3, "head": bytes(32), **row}
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        signed = Signed(NOWHERE, "arrangement", members().arrangement.digest)
        signed._history = history_of()
        await store.run(lambda c: c.execute(insert(receipts), [right, wrong]))
        adopted: list[Standing] = []
        for start in (0, len(lane.messages)):
            topic = Ledger(lane.messages)
            await follow(store, signed, topic, monkeypatch, adopted.append)
            assert topic.starts == [start]
            details = await store.run(lambda c: c.scalars(select(alarms.c.detail)).all())
            assert details == [
                "'fr-oltim' says that it stored numbers 3 to 3 of our lane: by our ledger 2 were delivered to it"
            ]
        assert [standing.arrangement.digest for standing in adopted] == [members().arrangement.digest] * 2


async def test_what_was_not_kept_is_read_again_and_no_older_version_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in the middle, and a restart, begin where comparing stands: before the last activation."""
    lane = GrowingLane(members(), NCA)
    lane.publish(plain(1, FR))
    second = lane.amend("amended").arrangement
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        signed = Signed(NOWHERE, "arrangement", members().arrangement.digest)
        signed._history = history_of(second)
        adopted: list[Standing] = []
        compare = Comparing.compare

        async def fails_once(self: Comparing, reader: Ledger) -> None:
            monkeypatch.setattr(Comparing, "compare", compare)
            raise OSError("the store is away")

        monkeypatch.setattr(Comparing, "compare", fails_once)
        topic = Ledger(lane.messages)
        await follow(store, signed, topic, monkeypatch, adopted.append)
        assert topic.starts == [0, 0]
        digests = [members().arrangement.digest, second.digest]
        assert [standing.arrangement.digest for standing in adopted] == digests
        await store.run(lambda c: c.execute(delete(shown_place)))
        adopted.clear()
        await follow(store, signed, Ledger(lane.messages), monkeypatch, adopted.append)
        assert [standing.arrangement.digest for standing in adopted] == [second.digest]


def history_of(*later: Arrangement) -> History:
    """What was signed, as if it were read."""
    genesis = members().arrangement
    history = History(genesis.digest)
    history.standings = [Standing(version, IDENTITY_CLOCK) for version in (genesis, *later)]
    return history


async def follow(
    store: Store,
    signed: Signed,
    topic: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    adopt: Callable[[Standing], None] = lambda _: None,
) -> None:
    """A node's start: all of the ledger is read, then it stops."""
    monkeypatch.setattr("agencies.standing.Reader", lambda _: topic)
    comparing = Comparing(store, NOWHERE, "ledger", NCA, members().domains)
    standing = LaneStanding(store, NOWHERE, "ledger", signed, adopt, comparing)
    await standing.resume()
    following = asyncio.ensure_future(standing.run())
    async with asyncio.timeout(60):
        await topic.taken_in.wait()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following

"""A node follows its own ledger: what it says is missing of what we sealed is an alarm, kept once."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from agencies.judging import Delivered
from agencies.kafka import Connection
from agencies.standing import LaneStanding, Signed
from agencies.store import Store
from agencies.store.tables import alarms
from broker.lane import fold
from broker.step import ledger_parcels
from schemas.ids import AgencyId
from tests.support import federation

NCA = AgencyId("gb-nca")
NOWHERE = Connection("nowhere:1", ssl.create_default_context())


class Ledger:
    """Stands for the reader: a ledger's messages, then nothing."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._given = False
        self.taken_in = asyncio.Event()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, _topic: str, _offsets: dict[int, int]) -> None: ...

    async def poll(self) -> list[Delivered]:
        if self._given:
            self.taken_in.set()
            await asyncio.sleep(0.01)
            return []
        self._given = True
        return [Delivered(0, offset, value, True) for offset, value in enumerate(self._values)]


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
            topic = Ledger(ledger(first))
            monkeypatch.setattr("agencies.standing.Reader", lambda _, topic=topic: topic)
            standing = LaneStanding(store, NOWHERE, "ledger", signed, lambda _: None)
            following = asyncio.ensure_future(standing.run())
            async with asyncio.timeout(60):
                await topic.taken_in.wait()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            rows = await store.run(lambda c: list(c.execute(select(alarms.c.alarm, alarms.c.detail))))
            assert [tuple(row) for row in rows] == [("sequence_gap", detail) for detail in told]

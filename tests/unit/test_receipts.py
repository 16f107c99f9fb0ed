"""Receipts on a real store: which interval is due, what could not be stored, and repeats that change nothing."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, update

from agencies.errors import PositionMoved
from agencies.inbox import Inbox, Judge, read_chains, read_positions
from agencies.kafka import Connection, Delivered
from agencies.receipts import due
from agencies.store import Store
from agencies.store.tables import alarms, chains, portions, quarantine, reception_log, records, seals
from schemas.controls import Receipt
from schemas.envelope import DeliveryEntry
from tests.support.forge import edit_delivery, flip
from tests.support.members import members
from tests.unit.test_judge import chain_of
from tests.vectors.scenes import FR, GB

M = members()
TOPIC = "deliver"


class Node:
    """An inbox that is given its messages by hand."""

    def __init__(self, store: Store, inbox: Inbox, judge: Judge, offsets: dict[int, int]) -> None:
        self.store = store
        self.judge = judge
        self._inbox = inbox
        self._offsets = offsets

    async def take(self, *values: bytes) -> None:
        at = self._offsets[0]
        messages = [Delivered(0, at + i, v, True) for i, v in enumerate(values)]
        await self._inbox._store_batch(messages, self._offsets)

    async def due(self) -> list[Receipt]:
        return await self.store.run(due)

    async def receipted(self, upto: int) -> None:
        await self.store.run(lambda c: c.execute(update(chains).values(receipted=upto)))

    async def count(self) -> tuple[int, int, int, int]:
        """Rows of records, reception log, quarantine, alarms."""
        tables = (records, reception_log, quarantine, alarms)
        found = await self.store.run(
            lambda c: [int(c.scalar(select(func.count()).select_from(t)) or 0) for t in tables]
        )
        return found[0], found[1], found[2], found[3]


@contextlib.asynccontextmanager
async def node(folder: Path) -> AsyncIterator[Node]:
    async with Store(f"sqlite:///{folder / 'node.db'}") as store:
        judge = M.judge(FR)
        judge.chains = await store.run(read_chains)
        inbox = Inbox(store, Connection("nowhere:1", ssl.create_default_context()), TOPIC, [0], judge)
        offsets = await store.run(lambda c: read_positions(c, TOPIC, [0]))
        yield Node(store, inbox, judge, offsets)


@pytest.fixture(scope="module")
def parcels() -> list[bytes]:
    return chain_of(M, 2, 1, 3, 1)


def broken(value: bytes, index: int) -> bytes:
    """The delivery's only portion does not open."""

    def touch(e: DeliveryEntry) -> DeliveryEntry:
        wrong = msgspec.structs.replace(e.portions[0], wrap=flip(e.portions[0].wrap, 300))
        return msgspec.structs.replace(e, portions=(wrong,))

    return edit_delivery(value, index, touch)


async def test_nothing_is_due_before_something_came(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        assert await n.due() == []


async def test_an_interval_is_due_from_the_last_receipt_to_the_head(
    tmp_path: Path, parcels: list[bytes]
) -> None:
    async with node(tmp_path) as n:
        await n.take(parcels[0], parcels[1])
        head = n.judge.head(GB)
        assert await n.due() == [Receipt(GB, 0, 3, head.digest, ())]
        await n.receipted(3)
        assert await n.due() == []
        await n.take(parcels[2])
        assert await n.due() == [Receipt(GB, 3, 6, n.judge.head(GB).digest, ())]
        assert await n.count() == (6, 6, 0, 0)


async def test_what_did_not_open_is_an_exception_with_its_reason(
    tmp_path: Path, parcels: list[bytes]
) -> None:
    async with node(tmp_path) as n:
        await n.take(parcels[0], parcels[1], broken(parcels[2], 1))
        (receipt,) = await n.due()
        assert (receipt.after, receipt.upto) == (0, 6)
        assert [(e.number, e.reason) for e in receipt.exceptions] == [(5, "bad_wrap")]
        await n.receipted(5)
        (receipt,) = await n.due()
        assert (receipt.after, receipt.upto, receipt.exceptions) == (5, 6, ())


async def test_numbers_that_never_came_are_exceptions(tmp_path: Path, parcels: list[bytes]) -> None:
    async with node(tmp_path) as n:
        await n.take(parcels[0], parcels[2])  # number 3 is missing
        (receipt,) = await n.due()
        assert [(e.number, e.reason) for e in receipt.exceptions] == [(3, "chain_break")]
        assert await n.count() == (5, 5, 0, 1)


async def test_a_repeat_changes_no_row(tmp_path: Path, parcels: list[bytes]) -> None:
    async with node(tmp_path) as n:
        await n.take(*parcels)
        before = await n.count()
        due_before = await n.due()
        await n.take(*parcels)
    async with node(tmp_path) as n:  # and after a restart neither
        await n.take(*parcels)
        assert await n.count() == before == (7, 7, 0, 0)
        assert await n.due() == due_before


async def test_a_batch_that_was_stored_by_another_is_not_stored_again(
    tmp_path: Path, parcels: list[bytes]
) -> None:
    async with node(tmp_path) as one, node(tmp_path) as other:
        await one.take(parcels[0])
        with pytest.raises(PositionMoved):
            await other.take(parcels[0])
        assert await one.count() == (2, 2, 0, 0)


async def test_content_and_evidence_are_kept_once(tmp_path: Path, parcels: list[bytes]) -> None:
    async with node(tmp_path) as n:
        await n.take(*parcels, b"garbage")
        content = await n.store.run(lambda c: c.scalars(select(portions.c.content)).all())
        assert len(content) == 7
        assert all("Twelve hulls" in text for text in content)
        # A window's seal and a step's seal over heads, for each of four parcels.
        assert await n.store.run(lambda c: c.scalar(select(func.count()).select_from(seals))) == 8
        reason = await n.store.run(lambda c: c.scalars(select(quarantine.c.reason)).all())
        assert reason == ["bad_magic"]

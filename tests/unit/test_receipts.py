"""Receipts on a real store: which interval is due, what could not be stored, and repeats that change nothing."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import func, insert, select, update

from agencies.errors import PositionMoved
from agencies.inbox import Inbox, read_certificates, read_chains, read_positions
from agencies.judging import Delivered, Judge
from agencies.kafka import Connection
from agencies.outbox import Outbox
from agencies.receipts import Receipts, due
from agencies.sealing import Control
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.tables import (
    alarms,
    chains,
    heads,
    outbox,
    portions,
    quarantine,
    reception_log,
    records,
    seals,
)
from broker.lane import fold
from schemas.clock import ManualClock, MappedClock
from schemas.controls import NO_HEAD, Receipt, ReceiptException, parse_receipt, receipt_bytes
from schemas.entropy import SeededEntropy
from schemas.envelope import ControlEntry, DeliveryEntry, parse_submission_entry
from schemas.frames import parse_parcel
from schemas.ledger import ControlNoted
from tests.support.drafts import record_id
from tests.support.federation import NOW_MS, leaves, message
from tests.support.forge import edit_delivery, flip
from tests.support.members import members
from tests.unit.test_judge import chain_of
from tests.vectors.scenes import FR, GB, IT

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
        judged = [(m, await self._inbox._judged(m, all_delivered=True)) for m in messages]
        await self._inbox.write(judged, self._offsets)
        await self._inbox.written()

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
        judge.remember(await store.run(read_certificates))
        nowhere = Connection("nowhere:1", ssl.create_default_context())
        signed = Signed(nowhere, "arrangement", M.arrangement.digest)
        inbox = Inbox(store, nowhere, TOPIC, [0], judge, signed)
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


# More exceptions than a receipt can list


async def _fill(n: Node, number: int, missing: Iterable[int], signed: Iterable[int] = ()) -> None:
    """A chain of IT with heads signed at some numbers, and every number in quarantine that is missing."""
    bad = {"topic": TOPIC, "partition": 0, "offset": 0, "reason": "bad_wrap", "bytes": b"", "at_ms": 0}
    log = {"record_id": b"", "manifest": b"", "stored": "[]", "received_at_ms": 0, "manifest_bytes": b""}
    lost = set(missing)

    def fill(c: SqlConnection) -> None:
        c.execute(insert(chains).values(lane=IT, number=number, digest=_digest(number), receipted=0))
        c.execute(insert(quarantine), [{**bad, "lane": IT, "number": i} for i in lost])
        kept = [
            {**log, "lane": IT, "number": i, "path": b"", "seal": b"", "certificate": b""}
            for i in range(1, number + 1)
            if i not in lost
        ]
        if kept:
            c.execute(insert(reception_log), kept)
        c.execute(
            insert(heads),
            [
                {"lane": IT, "number": i, "digest": _digest(i), "path": b"", "seal": b""}
                for i in (*signed, number)
            ],
        )

    await n.store.run(fill)


def _digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def _all_due(n: Node) -> list[Receipt]:
    found: list[Receipt] = []
    while due_now := await n.due():
        (receipt,) = due_now
        await n.receipted(receipt.upto)
        found.append(receipt)
    return found


@pytest.mark.parametrize(
    "number, missing, signed",
    [
        (6000, range(1, 6001), []),
        (6000, range(1, 6001), [1500, 3000]),
        (5000, range(2, 5001, 2), range(1, 5000)),
        (5000, range(2, 5001, 2), []),
        (1000, range(1, 1001), []),
        (1001, range(1, 1002), []),
        (9000, range(4000, 8000), [3999, 4500]),
    ],
    ids=["all", "some-heads", "each-second", "no-heads", "just-fits", "one-more", "in-the-middle"],
)
async def test_every_number_is_stored_or_listed_in_the_receipt_that_covers_it(
    tmp_path: Path, number: int, missing: Sequence[int], signed: Sequence[int]
) -> None:
    async with node(tmp_path) as n:
        await _fill(n, number, missing, signed)
        found = await _all_due(n)
    assert [r.after for r in found] == [0, *(r.upto for r in found[:-1])]
    assert found[-1].upto == number
    assert [e.number for r in found for e in r.exceptions] == list(missing)
    assert all(r.after < e.number <= r.upto for r in found for e in r.exceptions)
    for r in found:
        assert r.head == (_digest(r.upto) if r.upto in {*signed, number} else NO_HEAD)


async def test_a_receipt_that_must_end_early_ends_at_a_signed_head(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await _fill(n, 5000, range(2, 5001, 2), range(5, 5000, 5))
        first, second, *_ = await _all_due(n)
    assert (first.upto, first.head, len(first.exceptions)) == (2000, _digest(2000), 1000)
    assert (second.after, second.upto, second.head) == (2000, 4000, _digest(4000))


async def test_the_longest_receipt_is_carried(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await _fill(n, 6000, range(1, 6001))
        (receipt,) = await n.due()
    longest = tuple(ReceiptException(2**63 - 1, "x" * 40) for _ in receipt.exceptions)
    body = receipt_bytes(msgspec.structs.replace(receipt, lane="x" * 15, exceptions=longest))
    value = M.sealer(FR).seal_window([], [Control("receipt", record_id("r"), body)], 1)
    (leaf,) = leaves(fold(M.lane(FR), [message(value, 0)], M.versions))
    assert isinstance(leaf, ControlNoted)


async def test_the_rest_follows_without_another_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.receipts._EVERY_S", 0.001)
    async with node(tmp_path) as n:
        await _fill(n, 2500, range(1, 2501))
        box = Outbox(n.store, M.sealer(FR), MappedClock(ManualClock(NOW_MS)))
        sent = Receipts(n.store, box, ManualClock(NOW_MS), SeededEntropy(b"r"), asyncio.Event())
        loops = [asyncio.ensure_future(box.run()), asyncio.ensure_future(sent.run())]
        async with asyncio.timeout(10):
            while await n.due():
                await asyncio.sleep(0.01)
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        values = await n.store.run(lambda c: c.scalars(select(outbox.c.bytes)).all())
    entries = [parse_submission_entry(e) for v in values for e in parse_parcel(bytes(v)).entries]
    bodies = [parse_receipt(e.body) for e in entries if isinstance(e, ControlEntry)]
    assert [(r.after, r.upto) for r in bodies] == [(0, 1000), (1000, 2000), (2000, 2500)]


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

"""The outbox: drafts become sealed windows in SQL, and the relay sends their bytes until the log has them.

- Sequence numbers, the parcel's bytes and what was published are kept in one transaction, before anything is
  sent; the bytes never change, so a resend is identical.
- A window closes at the first of 20 ms, 256 leaves, 700 KB with its capsules. Records stand before controls in it.
- What is refused, a draft or a window, is told to each sender by its future; the loop goes on.
- An expired signing key seals nothing: what is handed in waits for the version that renews it.
- The queue is bounded in items and bytes: who drafts faster than the outbox takes, waits.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import bindparam, func, insert, select, update

from agencies.drafting import Draft, check
from agencies.errors import DraftRefused, Unsure
from agencies.kafka import Connection, Sender
from agencies.sealing import ClosedRecord, Control, Sealer, content_bytes
from agencies.store import Store
from agencies.store.search import text_row
from agencies.store.tables import chains, outbox, published, texts
from schemas.clock import MappedClock
from schemas.frames import MAX_RECORD, MAX_RELEASED
from schemas.ids import AgencyId, Digest
from schemas.logs import told
from schemas.merkle import BATCH_LEAVES
from schemas.stopping import stop_if_asked

log = logging.getLogger("entente.agencies.outbox")

_WINDOW_S = 0.020
_WINDOW_BYTES = 700_000
_QUEUE = 512
_QUEUE_BYTES = 16_000_000
_LOOK_S = 0.05
_AT_ONCE = 32  # parcels that are taken from the store together
_AT_ONCE_BYTES = 2_000_000
_ON_THE_WAY_MS = 5000  # how long a window may take into the log


@dataclass(frozen=True, slots=True)
class Receipted:
    """A receipt's control message, and the chain position that it makes known in the same transaction."""

    control: Control
    lane: str
    upto: int


@dataclass(frozen=True, slots=True)
class _Item:
    what: Draft | Receipted
    plan_index: int | None
    kept: "asyncio.Future[None]"
    size: int
    """Bytes of content, about."""

    def fail(self, error: Exception) -> None:
        """Tell the sender, unless it has given up waiting."""
        if not self.kept.done():
            self.kept.set_exception(error)


@dataclass(slots=True)
class _Window:
    """A window in the making. `first`: the sequence number of its first record."""

    first: int
    items: list[_Item] = field(default_factory=list)
    records: list[tuple[ClosedRecord, int | None]] = field(default_factory=list)
    receipts: list[Receipted] = field(default_factory=list)
    capsules: set[Digest] = field(default_factory=set)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.items) >= BATCH_LEAVES or self.size >= _WINDOW_BYTES

    def take(self, size: int, capsules: Mapping[Digest, int]) -> bool:
        """Make room for a part and the capsules that it brings. False, with nothing taken: it would not fit."""
        added = size + sum(n for digest, n in capsules.items() if digest not in self.capsules)
        if self.items and self.size + added > _WINDOW_BYTES:
            return False
        self.capsules.update(capsules)
        self.size += added
        return True

    def fail(self, error: Exception) -> None:
        for item in self.items:
            item.fail(error)


class Outbox:
    """Seals what is handed in, in order, and keeps it. `run` is its loop; `wake` is set when there is more to send."""

    def __init__(self, store: Store, sealer: Sealer, clock: MappedClock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_QUEUE)
        self._waiting = 0
        """Bytes in the queue."""
        self._room = asyncio.Event()
        self.wake = asyncio.Event()

    async def put(self, draft: Draft, plan_index: int | None = None) -> "asyncio.Future[None]":
        """Hand in a draft, waiting for room. The future is done once the record is sealed and kept.

        Raises: `DraftRefused`, here or by the future, which also tells why a whole window could not be kept.
        """
        check(draft, self._sealer.directory)
        return await self._put(draft, plan_index)

    async def put_receipt(self, receipted: Receipted) -> "asyncio.Future[None]":
        """Hand in a receipt; the future is done once it is sealed and kept."""
        return await self._put(receipted, None)

    async def _put(self, what: Draft | Receipted, plan_index: int | None) -> "asyncio.Future[None]":
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        size = _content_size(what)
        while (
            self._waiting and self._waiting + size > _QUEUE_BYTES
        ):  # one that is larger than all comes alone
            self._room.clear()
            await self._room.wait()
        self._waiting += size
        try:
            await self._queue.put(_Item(what, plan_index, kept, size))
        except BaseException:
            self._left(size)
            raise
        return kept

    def _left(self, size: int) -> None:
        self._waiting -= size
        self._room.set()

    async def run(self) -> None:
        """Seal windows for ever."""
        last = await self._store.run(last_sequence)
        held: _Item | None = None
        while True:
            window = _Window(last + 1)
            self._sealer.forget_oldest_keys()  # here no closed record is on its way
            self._add(window, held or self._taken(await self._queue.get()))
            held = None
            deadline = asyncio.get_running_loop().time() + _WINDOW_S
            while not window.full and held is None:
                item = await self._next(deadline)
                if item is None:
                    break
                if not self._add(window, item):
                    held = item
            await self._until_signing()
            if window.items and await self._keep(window):
                last += len(window.records)

    async def _until_signing(self) -> None:
        """Hold everything back while our signing key has expired, or will have before a window is in the log.

        The broker judges a key when it admits, and would refuse what arrives too late, receipts too.
        """
        if not self._may_sign():
            log.warning("the signing key has expired: nothing is sealed until a version renews it")
            while not self._may_sign():  # noqa: ASYNC110 - domain time has no event
                await asyncio.sleep(_LOOK_S)

    def _may_sign(self) -> bool:
        return self._sealer.may_sign(self._clock.ahead_ms(_ON_THE_WAY_MS))

    async def _next(self, deadline: float) -> _Item | None:
        if not self._queue.empty():
            return self._taken(self._queue.get_nowait())
        try:
            async with asyncio.timeout_at(deadline):
                return self._taken(await self._queue.get())
        except TimeoutError:
            return None

    def _taken(self, item: _Item) -> _Item:
        self._left(item.size)
        return item

    def _add(self, window: _Window, item: _Item) -> bool:
        """Close the item into the window. False: it must wait for the next one, this one would be too large."""
        if isinstance(item.what, Receipted):
            if not window.take(len(item.what.control.body) + 400, {}):
                return False
            window.receipts.append(item.what)
        else:
            try:
                record = self._closed(item.what, window.first + len(window.records))
            except Exception as error:  # what is wrong with one draft is told to its sender, not to the loop
                item.fail(error)
                return True
            if not window.take(record.size, self._sealer.unsent(record)):
                return False
            window.records.append((record, item.plan_index))
        window.items.append(item)
        return True

    def _closed(self, draft: Draft, sequence: int) -> ClosedRecord:
        """Raises: `DraftRefused` for one that is too large, whichever of its capsules were sent before."""
        record = self._sealer.close_record(draft, sequence)
        if record.alone > MAX_RECORD:
            raise DraftRefused(
                f"a record of {record.size} bytes, with capsules for its recipients {record.alone}, "
                f"is over the limit of {MAX_RECORD}"
            )
        if record.released > MAX_RELEASED:
            raise DraftRefused(
                f"a record of {record.size} bytes comes to {record.released} bytes in all its deliveries, over the "
                f"limit of {MAX_RELEASED}: address fewer agencies, or send less"
            )
        return record

    async def _keep(self, window: _Window) -> bool:
        """Seal and store one window, all of it or nothing. False: it cannot be sealed, and no number is used."""
        try:
            data = self._sealer.seal_window(
                [record for record, _ in window.records], [r.control for r in window.receipts], window.first
            )
        except Exception as error:
            log.error("a window of %d records is refused (%s)", len(window.records), told(error))
            window.fail(error)
            return False
        try:
            await self._insert(data, window)
        except BaseException as error:
            self._sealer.forget_keys()  # the capsules of this window never left
            if isinstance(error, Exception):
                window.fail(error)
            raise
        for item in window.items:
            if not item.kept.done():
                item.kept.set_result(None)
        self.wake.set()
        return True

    async def _insert(self, data: bytes, window: _Window) -> None:
        """Keep the window once, also if the store's server goes away in the commit."""
        while True:
            try:
                await self._store.run(
                    lambda c: _insert(c, self._sealer.agency, data, window.records, window.receipts),
                    once=True,
                )
                return
            except Unsure:
                if await self._store.run(lambda c: _is_kept(c, data)):
                    return


def _is_kept(connection: SqlConnection, data: bytes) -> bool:
    """Whether the newest parcel is this one."""
    newest = select(outbox.c.bytes).order_by(outbox.c.parcel.desc()).limit(1)
    kept = connection.scalar(newest)
    return kept is not None and bytes(kept) == data


def _content_size(what: Draft | Receipted) -> int:
    if isinstance(what, Receipted):
        return len(what.control.body)
    return sum(len(content_bytes(portion.content)) for portion in what.portions)


def last_sequence(connection: SqlConnection) -> int:
    """The last sequence number that the outbox has given away; 0 before the first."""
    return int(connection.scalar(select(func.max(published.c.sequence))) or 0)


def _insert(
    connection: SqlConnection,
    agency: AgencyId,
    data: bytes,
    records: Sequence[tuple[ClosedRecord, int | None]],
    receipts: Sequence[Receipted],
) -> None:
    sealed_at_ms = time.time_ns() // 1_000_000
    result = connection.execute(insert(outbox).values(bytes=data, sealed_at_ms=sealed_at_ms))
    parcel = result.inserted_primary_key[0]  # type: ignore[index]  # never None after an INSERT
    if records:
        contents = [
            {p.name: json.loads(content_bytes(p.content)) for p in record.draft.portions}
            for record, _ in records
        ]
        rows = [
            {
                "manifest": record.digest,
                "record_id": record.draft.record_id,
                "sequence": record.sequence,
                "revision": record.draft.revision,
                "kind": record.draft.kind,
                "created_s": record.draft.created_s,
                "parcel": parcel,
                "entry": entry,
                "plan_index": plan_index,
                "portions": json.dumps(content, ensure_ascii=False),
            }
            for entry, ((record, plan_index), content) in enumerate(zip(records, contents, strict=True))
        ]
        connection.execute(insert(published), rows)
        said = [
            text_row(agency, record.draft.record_id, record.digest, name, record.draft.kind, portion)
            for (record, _), content in zip(records, contents, strict=True)
            for name, portion in content.items()
        ]
        if said:
            connection.execute(insert(texts), said)
    for receipted in receipts:
        connection.execute(
            update(chains).where(chains.c.lane == receipted.lane).values(receipted=receipted.upto)
        )


class Relay:
    """Sends the outbox's parcels, the oldest unacknowledged first, the same bytes for ever.

    Those that wait go together in one request, in their order, and the next ones when these are in the log. What was
    sent and not yet noted is sent again after an outage, and admission drops it.
    """

    def __init__(self, store: Store, connection: Connection, topic: str, wake: asyncio.Event) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._wake = wake

    async def run(self) -> None:
        """Relay for ever; the same producer object recovers from every outage."""
        sender = Sender(self._connection)
        try:
            await sender.start()
            while True:
                stop_if_asked()
                self._wake.clear()
                unsent = await self._store.run(_oldest_unsent)
                if not unsent:
                    await self._wake.wait()
                    continue
                first = await self._send(sender, [data for _, data in unsent])
                offsets = {parcel: first + i for i, (parcel, _) in enumerate(unsent)}
                await self._store.run(partial(_acknowledged, offsets=offsets))
        finally:
            await sender.stop()

    async def _send(self, sender: Sender, parcels: Sequence[bytes]) -> int:
        while True:
            stop_if_asked()
            try:
                offset = await sender.send(self._topic, parcels)
                log.debug("%d parcels are in the log", len(parcels), extra={"offset": offset})
                return offset
            except Exception as error:  # any failure means: not known to be in the log, so send it again
                log.warning("resending a parcel (%s)", told(error))
                await asyncio.sleep(0.1)


def _oldest_unsent(connection: SqlConnection) -> list[tuple[int, bytes]]:
    """The oldest parcels that are not known to be in the log, as many as are taken at once."""
    sizes = connection.execute(
        select(outbox.c.parcel, func.length(outbox.c.bytes))
        .where(outbox.c.offset.is_(None))
        .order_by(outbox.c.parcel)
        .limit(_AT_ONCE)
    ).all()
    if not sizes:
        return []
    within = sum(total <= _AT_ONCE_BYTES for total in accumulate(int(size) for _, size in sizes))
    last = sizes[max(0, within - 1)].parcel  # one that is larger than all goes alone
    rows = connection.execute(
        select(outbox.c.parcel, outbox.c.bytes)
        .where(outbox.c.offset.is_(None), outbox.c.parcel <= last)
        .order_by(outbox.c.parcel)
    )
    return [(int(row.parcel), bytes(row.bytes)) for row in rows]


def _acknowledged(connection: SqlConnection, offsets: Mapping[int, int]) -> None:
    connection.execute(
        update(outbox).where(outbox.c.parcel == bindparam("number")).values(offset=bindparam("place")),
        [{"number": parcel, "place": offset} for parcel, offset in offsets.items()],
    )

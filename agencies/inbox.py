"""The inbox: deliveries are verified, opened and stored with the reader's position, in one SQL transaction.

- What cannot be stored now is read again from where SQL says we are; nothing in a message can block the stream.
- While a batch is written, the next one is read and judged: at most two are in memory, and they are written in order.
- Bytes are judged in `agencies.judging`, which is pure, in the order that `agencies.weaving` brings them in; rows are
  written in `agencies.store.reception`.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import select, update

from agencies.errors import PositionMoved
from agencies.judging import SEEN, Delivered, Judge, Judged, UnknownVersion
from agencies.kafka import Connection, Reader
from agencies.silence import ROUNDS, Silence
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.alarms import keep_alarm
from agencies.store.database import insert_new
from agencies.store.reception import Rows, rows_of, write_all
from agencies.store.tables import chains, positions, reception_log
from agencies.weaving import Weaver
from schemas.certificate import Head
from schemas.ids import AgencyId
from schemas.logs import told
from schemas.stopping import stop_if_asked
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.inbox")


class Inbox:
    """Reads the agency's deliver topic for ever and stores what `Judge` makes of it."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        topic: str,
        partitions: Sequence[int],
        judge: Judge,
        signed: Signed,
        silence: Silence | None = None,
    ) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._judge = judge
        self._signed = signed
        self._silence = silence
        self._writing: asyncio.Task[None] | None = None
        self.stored = asyncio.Event()

    def widen(self, partitions: int) -> None:
        """Read so many partitions from now on; one that was read is read on."""
        self._partitions = tuple(range(max(partitions, max(self._partitions) + 1)))

    async def run(self) -> None:
        """Poll, judge, store; a failed batch is read again from where SQL says we are."""
        reader = Reader(self._connection)
        try:
            await reader.start()
            offsets, weaver = await self._assign(reader)
            failed = False
            while True:
                stop_if_asked()
                try:
                    if failed or set(offsets) < set(self._partitions):
                        await self.written()
                        if failed:
                            self._judge.chains = await self._store.run(read_chains)
                        offsets, weaver = await self._assign(reader)
                        failed = False
                    judged = await weaver.take_in(await reader.poll())
                    if judged:
                        await self.write(judged, offsets)
                    else:  # what failed while nothing more comes is to be read again, too
                        await self.written()
                except PositionMoved:
                    raise
                except Exception as error:  # infrastructure: nothing was stored, so read it again
                    log.warning("inbox reads again (%s)", told(error))
                    failed = True
                    await asyncio.sleep(0.2)
        finally:
            await self._leave()
            await reader.stop()

    async def watch(self, silence: Silence) -> None:
        """Raise an alarm for every lane that falls silent, for ever."""
        while True:
            stop_if_asked()
            if fallen := silence.fallen(time.monotonic()):
                detail = f"no heads of {', '.join(fallen)} for {ROUNDS} rounds"
                log.warning("%s: %s", Alarm.SILENCE, detail)
                await self._store.run(partial(keep_alarm, alarm=Alarm.SILENCE, detail=detail))
            await asyncio.sleep(1.0)

    async def _check_begins(self, reader: Reader, offsets: dict[int, int]) -> None:
        """Go on where a partition begins, if that is later than where we are.

        What we acknowledged is trimmed there, so our store is an older copy: what is missing shows as a break in the
        chains, and only its originator can send it again.
        """
        for partition, offset in offsets.items():
            begins, _ = await reader.span(self._topic, partition)
            if offset < begins:
                log.critical(
                    "'%s' begins at %d and we are at %d: this store is an older copy",
                    self._topic,
                    begins,
                    offset,
                )
                await self._store.run(partial(_move, topic=self._topic, partition=partition, offset=begins))
                offsets[partition] = begins

    async def _assign(self, reader: Reader) -> tuple[dict[int, int], Weaver]:
        """Read every partition from where SQL says we are."""
        partitions = self._partitions
        offsets = await self._store.run(lambda c: read_positions(c, self._topic, partitions))
        await self._check_begins(reader, offsets)
        reader.assign(self._topic, offsets)
        return offsets, Weaver(reader, self._topic, tuple(offsets), self._judged)

    async def write(self, judged: Sequence[tuple[Delivered, Judged]], offsets: dict[int, int]) -> None:
        """Begin to write a batch, and move the offsets past it; what came before it is written first.

        Raises: what came in the way of the batch before; nothing of this one is written then.
        """
        heads_now = dict(self._judge.chains)
        # In a thread: rows of a full poll take longer than whoever else this process serves should wait.
        rows = await asyncio.to_thread(rows_of, self._judge.domains, self._topic, judged)
        await self.written()
        before = dict(offsets)
        for message, _ in judged:
            offsets[message.partition] = message.offset + 1
        lanes = [lane for _, j in judged for lane in j.told]
        self._writing = asyncio.create_task(self._write(rows, heads_now, before, dict(offsets), lanes))
        # It begins now, and not when judging the next batch first waits for something
        await asyncio.sleep(0)

    async def written(self) -> None:
        """Once everything that was begun is written. Raises: what came in its way."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _write(
        self,
        rows: Rows,
        heads_now: Mapping[AgencyId, Head],
        before: Mapping[int, int],
        after: Mapping[int, int],
        lanes: Sequence[AgencyId],
    ) -> None:
        await self._store.run(lambda c: write_all(c, rows, self._topic, heads_now, before, after), once=True)
        log.debug("stored %d rows of '%s'", len(rows), self._topic, extra={"offset": max(after.values())})
        if self._silence is not None:
            self._silence.told(lanes, time.monotonic())
        self.stored.set()

    async def _leave(self) -> None:
        """Leave what is being written to the store's own thread, which ends it; its error is nobody's any more."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])

    async def _judged(self, message: Delivered, all_delivered: bool) -> Judged:
        try:
            return self._judge.judge(message, all_read=False, all_delivered=all_delivered)
        except UnknownVersion:
            # A version is on its topic before any lane is decided under it, so reading on must find it.
            await self._signed.refresh()
            for arrangement in self._signed.versions.values():
                self._judge.learn(arrangement)
            return self._judge.judge(message, all_delivered=all_delivered)


def _move(connection: SqlConnection, topic: str, partition: int, offset: int) -> None:
    where = (positions.c.topic == topic) & (positions.c.partition == partition)
    connection.execute(update(positions).where(where).values(offset=offset))
    detail = f"what was acknowledged of '{topic}' up to {offset} is not in this store"
    keep_alarm(connection, Alarm.RESTORED_COPY, detail)


def read_positions(connection: SqlConnection, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """The next offset of each partition, 0 where nothing was read yet; rows are made at first sight."""
    connection.execute(
        insert_new(connection, positions),
        [{"topic": topic, "partition": p, "offset": 0} for p in partitions],
    )
    rows = connection.execute(
        select(positions.c.partition, positions.c.offset).where(positions.c.topic == topic)
    )
    return {int(r.partition): int(r.offset) for r in rows}


def read_certificates(connection: SqlConnection) -> list[bytes]:
    """The certificates taken in lately, the oldest first."""
    newest = select(reception_log.c.certificate).order_by(reception_log.c.id.desc()).limit(SEEN)
    return [bytes(row.certificate) for row in connection.execute(newest)][::-1]


def read_chains(connection: SqlConnection) -> dict[AgencyId, Head]:
    """Where each lane's chain stands."""
    rows = connection.execute(select(chains.c.lane, chains.c.number, chains.c.digest))
    return {AgencyId(r.lane): Head(int(r.number), bytes(r.digest)) for r in rows}

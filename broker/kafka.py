"""The broker's Kafka: transactional writes, read_committed readers, and how to survive both failing.

- Every send future is awaited before a commit: aiokafka commits although a batch failed (hazard H1).
- A producer in doubt is discarded, never stopped: `stop()` waits for brokers that may never come (H3).
- What a fetch brings is looked through before it is parsed: one batch made by hand could stop every lane.
- Nothing here waits without a limit, and nothing here knows what the bytes mean.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, ProducerFenced
from aiokafka.producer.sender import (
    BACKOFF_OVERRIDE,
    AddPartitionsToTxnHandler,
    CoordinationType,
    Sender,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.util import calc_crc32c

from broker.admission import SourceMessage
from schemas.batches import guard
from schemas.stopping import leave_after
from schemas.topics import MAX_MESSAGE_BYTES

log = logging.getLogger("entente.broker.kafka")

_MAX_BATCH = MAX_MESSAGE_BYTES - 50_000
_REQUEST_MS = 2500
_TRANSACTION_MS = 10_000
_AGAIN_S = 0.001


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the cluster. `tls`: mutual, with the broker's own certificate."""

    bootstrap: str
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Record:
    """One message to write. An empty value takes its key away, where a topic is compacted."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


async def up(connection: Connection) -> Connection:
    """The connection by the bootstrap server that is the first to answer a TLS handshake; waits for ever for one.

    aiokafka takes bootstrap servers in a random order, and waits out a whole request on each one that is frozen.
    """
    while True:
        tries = [asyncio.create_task(_answers(s, connection.tls)) for s in connection.bootstrap.split(",")]
        try:
            for first in asyncio.as_completed(tries):
                if server := await first:
                    return Connection(server, connection.tls)
        finally:
            for one in tries:
                one.cancel()
            await asyncio.wait(tries)
        await asyncio.sleep(0.1)


async def _answers(server: str, tls: ssl.SSLContext) -> str | None:
    """The server, if it answers within 2 s."""
    host, _, port = server.rpartition(":")
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, int(port), ssl=tls)
            writer.transport.abort()
            return server
    return None


class Producer:
    """One transactional producer. `start` fences every earlier owner of the id; `discard` is its only end."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=connection.bootstrap,
            security_protocol="SSL",
            ssl_context=connection.tls,
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_MS,
            request_timeout_ms=_REQUEST_MS,
            retry_backoff_ms=100,
            metadata_max_age_ms=3000,
            max_batch_size=_MAX_BATCH,
            max_request_size=_MAX_BATCH + 50_000,
        )
        _promptly(self._producer._sender)

    async def start(self) -> None:
        """InitProducerId: ends and fences what an earlier owner left open. Limit: 20 s."""
        await asyncio.wait_for(self._producer.start(), 20)

    async def transact(self, records: Sequence[Record]) -> None:
        """Write all records in one transaction, or raise; after an exception the producer must be discarded."""
        await self._producer.begin_transaction()
        try:
            futures = await self.send(records)
        except IllegalOperation as error:
            # Its sender heard that another has the id now, and ended the transaction before all was handed over.
            raise ProducerFenced from error
        results = await asyncio.gather(*futures, return_exceptions=True)
        for result in results:  # H1: a failed batch does not stop a commit, so look at each
            if isinstance(result, BaseException):
                raise result
        await self._producer.commit_transaction()

    async def send(self, records: Sequence[Record]) -> list["asyncio.Future[object]"]:
        """Put the records into the open transaction, one batch a partition where they fit."""
        by_partition: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)
        futures: list[asyncio.Future[object]] = []
        try:
            for (topic, partition), group in by_partition.items():
                batch = self._producer.create_batch()
                for record in group:
                    if batch.append(key=record.key, value=record.value or None, timestamp=None) is None:
                        batch.close()
                        futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                        batch = self._producer.create_batch()
                        if batch.append(key=record.key, value=record.value or None, timestamp=None) is None:
                            raise ValueError(
                                f"a message of {len(record.value or b'')} bytes fits into no batch"
                            )
                batch.close()
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        except BaseException:
            for future in futures:  # what becomes of them is nobody's matter any more
                future.add_done_callback(lambda f: f.cancelled() or f.exception())
            raise
        return futures

    async def discard(self) -> None:
        """Abandon the producer without a word to the cluster; the next owner's `start` ends what is open.

        aiokafka 0.14.0 has no public way (H3), hence the private names; pinned and tested.
        """
        producer = self._producer
        producer._closed = True
        sender = producer._sender
        task = getattr(sender, "_sender_task", None) or getattr(sender, "sender_task", None)
        for _ in range(3):
            if task is None or task.done():
                break
            task.cancel()
            await asyncio.wait([task], timeout=1)
        if task is not None and task.done() and not task.cancelled():
            task.exception()  # retrieved, so that nobody is told of it later
        with contextlib.suppress(Exception):
            producer._message_accumulator.fail_all(ConnectionError("producer was discarded"))
        await leave_after(2, producer.client.close())


class _Promptly(AddPartitionsToTxnHandler):  # type: ignore[misc]  # aiokafka's has no types
    """Asks for partitions; while the transaction before is not whole, again after a pause of its own."""

    def __init__(self, sender: Sender, partitions: Collection[TopicPartition], pause_s: float) -> None:
        super().__init__(sender, partitions)
        self._pause_s = pause_s

    def handle_response(self, resp: object) -> float | None:
        backoff: float | None = super().handle_response(resp)
        return self._pause_s if backoff == BACKOFF_OVERRIDE else backoff


def _promptly(sender: Sender) -> None:
    """Let a producer's sender begin the next transaction soon after the cluster is done with the one before.

    The cluster says that a transaction is committed some ms before its markers stand in every partition, and until they
    do it lets no other of the same id have partitions. aiokafka 0.14.0 sleeps 20 ms then, and has no public way to ask
    earlier, hence the private names; pinned and tested.
    """
    pause_s = _AGAIN_S

    async def add(partitions: Collection[TopicPartition]) -> bool:
        nonlocal pause_s
        coordinator = await sender._find_coordinator(
            CoordinationType.TRANSACTION, sender._txn_manager.transactional_id
        )
        added = bool(await _Promptly(sender, partitions, pause_s).do(coordinator))
        pause_s = _AGAIN_S if added else min(2 * pause_s, BACKOFF_OVERRIDE)
        return added

    sender._do_add_partitions_to_txn = add


class Reader:
    """A read_committed consumer of given partitions, which never commits offsets anywhere."""

    def __init__(self, connection: Connection, *, committed: bool = True, fetch_wait_ms: int = 100) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=connection.bootstrap,
            security_protocol="SSL",
            ssl_context=connection.tls,
            group_id=None,
            isolation_level="read_committed" if committed else "read_uncommitted",
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_MS,
            # Waited out once for each topic that the client has not heard of yet, one after the other.
            retry_backoff_ms=20,
            metadata_max_age_ms=3000,
            fetch_max_wait_ms=fetch_wait_ms,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        guard(self._consumer._client, FetchRequest, calc_crc32c)

    async def start(self) -> None:
        await asyncio.wait_for(self._consumer.start(), 20)

    def assign(self, positions: dict[tuple[str, int], int]) -> None:
        """Read the given partitions from the given offsets."""
        self._consumer.assign([TopicPartition(t, p) for t, p in positions])
        for (topic, partition), offset in positions.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    async def poll(self, wait_ms: int, most: int) -> dict[str, list[tuple[SourceMessage, bytes | None]]]:
        """Messages by topic, with their keys; empty after `wait_ms`."""
        data = await self._consumer.getmany(timeout_ms=wait_ms, max_records=most)
        return {
            partition.topic: [
                (
                    SourceMessage(m.offset, m.timestamp, m.value or b"", m.key is None and not m.headers),
                    m.key,
                )
                for m in messages
            ]
            for partition, messages in data.items()
        }

    def hold(self, topics: Collection[str]) -> None:
        """Read nothing of these topics until they are named no more; what was fetched ahead is fetched again."""
        for partition in self._consumer.assignment():
            if partition.topic in topics:
                self._consumer.pause(partition)
            else:
                self._consumer.resume(partition)

    async def ends(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """End offsets: the last stable one for a committed reader, else the high watermark."""
        wanted = [TopicPartition(t, p) for t, p in partitions]
        found = await asyncio.wait_for(self._consumer.end_offsets(wanted), 10)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def start_of(self, topic: str, partition: int) -> int:
        """The first offset that the partition still has."""
        tp = TopicPartition(topic, partition)
        found = await asyncio.wait_for(self._consumer.beginning_offsets([tp]), 10)
        return int(found[tp])

    async def position(self, topic: str, partition: int) -> int:
        return int(await asyncio.wait_for(self._consumer.position(TopicPartition(topic, partition)), 10))

    async def stop(self) -> None:
        """Close within 2 s or leave it: a frozen peer would hold it for 30 s (H6)."""
        await leave_after(2, self._consumer.stop())


async def first_offsets(
    connection: Connection, places: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """The first offset that each partition still has: 0 where nothing was trimmed."""
    reader = Reader(connection)
    await reader.start()
    try:
        return {place: await reader.start_of(*place) for place in places}
    finally:
        await reader.stop()


async def read_all(
    connection: Connection, topic: str, partition: int = 0, start: int | None = None
) -> AsyncIterator[tuple[SourceMessage, bytes | None]]:
    """Every committed message of a partition that is there now, from `start` or its beginning."""
    async for _, message, key in read_many(connection, {(topic, partition): start or 0}):
        yield message, key


async def read_many(
    connection: Connection, starts: Mapping[tuple[str, int], int]
) -> AsyncIterator[tuple[str, SourceMessage, bytes | None]]:
    """Every committed message that is there now in partitions of different topics, from an offset each.

    Yields topic, message and key; in order within a topic.
    """
    reader = Reader(connection, fetch_wait_ms=10)
    await reader.start()
    try:
        ends = await reader.ends(starts)
        reader.assign({place: max(await reader.start_of(*place), start) for place, start in starts.items()})
        unread = set(starts)
        while unread := {place for place in unread if await reader.position(*place) < ends[place]}:
            for topic, messages in (await reader.poll(200, 1000)).items():
                for message, key in messages:
                    yield topic, message, key
    finally:
        await reader.stop()

"""The node's Kafka: a relay that never gives up the oldest bytes, and a reader that is never rebuilt.

- The relay is not idempotent and has one request in flight: number n is sent only after n-1 is in the log, so
  the log is the outbox plus repeats, which admission drops (kafka-notes 9, "Relay").
- What a fetch brings is looked through before it is parsed: one batch made by hand could stop the reader.
- The reader keeps its place in the node's own SQL and never commits offsets to Kafka.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.util import calc_crc32c

from agencies.judging import Delivered
from schemas.batches import guard
from schemas.stopping import leave_after, stop_if_asked
from schemas.topics import MAX_MESSAGE_BYTES

log = logging.getLogger("entente.agencies.kafka")

_REQUEST_MS = 2500
_MAX_BATCH = MAX_MESSAGE_BYTES - 50_000


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the cluster. `tls`: mutual, with the agency's own certificate."""

    bootstrap: str
    tls: ssl.SSLContext


async def up(connection: Connection) -> None:
    """Return once a bootstrap server answers a TLS handshake."""
    while True:
        for server in connection.bootstrap.split(","):
            host, _, port = server.rpartition(":")
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    _, writer = await asyncio.open_connection(host, int(port), ssl=connection.tls)
                    writer.transport.abort()
                    return
        await asyncio.sleep(0.1)


async def _started(connection: Connection, client: AIOKafkaProducer | AIOKafkaConsumer) -> bool:
    """Whether the client has started; if not, it is let go of. A cluster may answer a handshake and nothing more."""
    await up(connection)
    try:
        await asyncio.wait_for(client.start(), 20)
    except (KafkaError, OSError, TimeoutError) as error:
        stop_if_asked()
        log.warning("the cluster is asked again (%s)", type(error).__name__)
        await leave_after(2, client.stop())
        return False
    return True


class Sender:
    """A producer for one topic, one request in flight."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = self._made()

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._connection.bootstrap,
            security_protocol="SSL",
            ssl_context=self._connection.tls,
            acks="all",
            enable_idempotence=False,
            request_timeout_ms=_REQUEST_MS,
            retry_backoff_ms=100,
            metadata_max_age_ms=3000,
            max_batch_size=_MAX_BATCH,
            max_request_size=_MAX_BATCH + 50_000,
        )

    async def start(self) -> None:
        """Return once the cluster has answered."""
        while not await _started(self._connection, self._producer):
            self._producer = self._made()

    async def send(self, topic: str, values: Sequence[bytes]) -> int:
        """Write messages in their order, all or none, and return the first one's offset; the others follow on it.

        Raises: anything; the caller sends the same bytes again.
        """
        batch = self._producer.create_batch()
        for value in values:
            if batch.append(key=None, value=value, timestamp=None) is None:
                raise ValueError(f"{len(values)} messages of {sum(map(len, values))} bytes fit into no batch")
        batch.close()
        sent = await asyncio.wait_for(self._producer.send_batch(batch, topic, partition=0), 5)
        return int((await asyncio.wait_for(sent, 5)).offset)

    async def stop(self) -> None:
        """Close within 2 s or leave it (H3)."""
        await leave_after(2, self._producer.stop())


class Reader:
    """A read_committed consumer of given partitions. Not `committed`: to ask how far they are written."""

    def __init__(self, connection: Connection, *, fetch_wait_ms: int = 500, committed: bool = True) -> None:
        self._connection = connection
        self._fetch_wait_ms = fetch_wait_ms
        self._isolation = "read_committed" if committed else "read_uncommitted"
        self._consumer = self._made()

    def _made(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._connection.bootstrap,
            security_protocol="SSL",
            ssl_context=self._connection.tls,
            group_id=None,
            isolation_level=self._isolation,
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=_REQUEST_MS,
            retry_backoff_ms=20,
            metadata_max_age_ms=3000,
            fetch_max_wait_ms=self._fetch_wait_ms,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        guard(consumer._client, FetchRequest, calc_crc32c)
        return consumer

    async def start(self) -> None:
        """Return once the cluster has answered."""
        while not await _started(self._connection, self._consumer):
            self._consumer = self._made()

    def assign(self, topic: str, offsets: dict[int, int]) -> None:
        """Read the topic's partitions from the given offsets."""
        self._consumer.assign([TopicPartition(topic, p) for p in offsets])
        for partition, offset in offsets.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    async def poll(self, most: int = 200) -> list[Delivered]:
        """Messages in the order of their partitions; empty after 200 ms."""
        data = await self._consumer.getmany(timeout_ms=200, max_records=most)
        return [
            Delivered(tp.partition, m.offset, m.value or b"", m.key is None and not m.headers)
            for tp, messages in data.items()
            for m in messages
        ]

    def rewind(self, topic: str, offsets: dict[int, int]) -> None:
        """Go back to where SQL says we are, after a batch that could not be stored."""
        for partition, offset in offsets.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    def hold(self, topic: str, partition: int, offset: int) -> None:
        """Read a partition no further for now; it goes on from the given offset once it is let go."""
        self._consumer.pause(TopicPartition(topic, partition))
        self._consumer.seek(TopicPartition(topic, partition), offset)

    def let_go(self, topic: str, partition: int) -> None:
        """Read on a partition that was held."""
        self._consumer.resume(TopicPartition(topic, partition))

    async def ends(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """The end of what is committed now, by partition."""
        wanted = [TopicPartition(topic, p) for p in partitions]
        found = await asyncio.wait_for(self._consumer.end_offsets(wanted), 10)
        return {tp.partition: int(offset) for tp, offset in found.items()}

    async def span(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """First offset there is, and the end of what is committed; asked again until the cluster answers."""
        tp = TopicPartition(topic, partition)
        while True:
            stop_if_asked()
            try:
                begin = await asyncio.wait_for(self._consumer.beginning_offsets([tp]), 10)
                end = await asyncio.wait_for(self._consumer.end_offsets([tp]), 10)
                return int(begin[tp]), int(end[tp])
            except (KafkaError, TimeoutError) as error:
                log.warning("where '%s' begins and ends is asked again (%s)", topic, type(error).__name__)
                await asyncio.sleep(0.2)

    async def position(self, topic: str, partition: int = 0) -> int:
        return int(await asyncio.wait_for(self._consumer.position(TopicPartition(topic, partition)), 10))

    async def stop(self) -> None:
        """Close within 2 s or leave it (H6)."""
        await leave_after(2, self._consumer.stop())


async def read_all(connection: Connection, topic: str, start: int = 0) -> AsyncIterator[Delivered]:
    """Every committed message of partition 0 that is there now, from `start`."""
    reader = Reader(connection)
    await reader.start()
    try:
        begin, end = await reader.span(topic)
        reader.assign(topic, {0: max(begin, start)})
        while await reader.position(topic) < end:
            for message in await reader.poll(1000):
                yield message
    finally:
        await reader.stop()


async def written(connection: Connection, topic: str) -> int:
    """The end of partition 0 as it is written now, with what no transaction has committed yet."""
    reader = Reader(connection, committed=False)
    await reader.start()
    try:
        return (await reader.span(topic))[1]
    finally:
        await reader.stop()

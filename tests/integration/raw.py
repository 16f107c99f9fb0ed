"""Single requests to a cluster, answered by their bare error codes.

The client libraries look before they leap: they ask for metadata, retry, and wait. What a right allows shows
only when the one request that needs it is sent by itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from aiokafka.conn import create_conn
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from schemas.transport import client_context

ALLOWED = 0
TOPIC_DENIED = 29
TRANSACTIONAL_ID_DENIED = 53


class RawClient:
    """One connection of one principal; use as `async with`."""

    def __init__(self, bootstrap: str, tls: Path) -> None:
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self._address = (host, int(port))
        self._context = client_context(tls)
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        self._connection = await create_conn(
            *self._address, ssl_context=self._context, security_protocol="SSL", request_timeout_ms=10_000
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def describe(self, topics: Sequence[str]) -> dict[str, int]:
        """Topic -> error code of a metadata call."""
        answer = await self._connection.send(MetadataRequest(list(topics), allow_auto_topic_creation=False))
        return {topic[1]: topic[0] for topic in answer.topics}

    async def end_offsets(self, topics: Sequence[str], isolation_level: int) -> dict[str, int]:
        """Topic -> error code of asking for the end of partition 0 (0 read uncommitted, 1 committed)."""
        answer = await self._connection.send(
            OffsetRequest(-1, isolation_level, [(t, [(0, -1)]) for t in topics])
        )
        return _first_codes(answer.topics)

    async def read(self, topics: Sequence[str]) -> dict[str, int]:
        """Topic -> error code of fetching partition 0 from its beginning, without waiting."""
        wanted = [(topic, [(0, 0, 1024)]) for topic in topics]
        return _first_codes((await self._connection.send(FetchRequest(0, 0, 1024 * 1024, 0, wanted))).topics)

    async def write(self, topics: Sequence[str]) -> dict[str, int]:
        """Topic -> error code of appending one message to partition 0."""
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1024)
        builder.append(0, 0, b"key", b"value", [])
        batch = bytes(builder.build())
        request = ProduceRequest(None, -1, 10_000, [(topic, [(0, batch)]) for topic in topics])
        return _first_codes((await self._connection.send(request)).topics)

    async def init_transactions(self, transactional_id: str) -> int:
        """The error code of becoming the owner of a transactional id."""
        answer = await self._connection.send(InitProducerIdRequest(transactional_id, 10_000))
        return int(answer.error_code)


def _first_codes(topics: Sequence[Any]) -> dict[str, int]:
    return {topic: partitions[0][1] for topic, partitions in topics}

"""Follows the ledgers into the projection: read, write rows and positions in one transaction, for ever.

- Where it goes on, only the database says; an outage of cluster or database is waited out, and read again from there.
- A ledger with a hole, or one that rests on a ruling that was never written, ends it: no row is made up.
"""

import asyncio
import logging

from broker.errors import BrokerError
from broker.kafka import Connection, Reader
from broker.projection.evidence import Projection
from broker.projection.writing import Moved
from schemas.stopping import stop_if_asked

log = logging.getLogger("entente.broker.projection")

_AGAIN_S = 0.5
_MOST = 500


class Follower:
    """Keeps a projection current. `behind`: messages not taken in when it last looked; None: it cannot look."""

    def __init__(self, projection: Projection, connection: Connection) -> None:
        self._projection = projection
        self._connection = connection
        self.behind: int | None = None

    async def run(self) -> None:
        """Follow for ever. Raises: `BrokerError` for a ledger that cannot be followed."""
        while True:
            stop_if_asked()
            reader = Reader(self._connection)
            try:
                await reader.start()
                await self._follow(reader)
            except Moved as error:
                log.warning("%s: read again", error)
            except BrokerError:
                raise
            except Exception as error:
                self.behind = None
                log.warning("following the ledgers: %s, again", type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
            finally:
                await reader.stop()

    async def catch_up(self) -> int:
        """Take in what is committed now, and return how many messages that were. Raises: what the clients raise."""
        reader = Reader(self._connection, fetch_wait_ms=10)
        await reader.start()
        try:
            positions = await self._projection.positions()
            places = {(topic, 0): at for topic, at in positions.items()}
            ends = await reader.ends(places)
            reader.assign(places)
            taken = 0
            while any([await reader.position(*place) < ends[place] for place in places]):
                taken += await self._take(reader)
            return taken
        finally:
            await reader.stop()

    async def _follow(self, reader: Reader) -> None:
        positions = await self._projection.positions()
        places = {(topic, 0): at for topic, at in positions.items()}
        reader.assign(places)
        while True:
            stop_if_asked()
            await self._take(reader)
            ends = await reader.ends(places)
            at = [await reader.position(*place) for place in places]
            self.behind = sum(max(0, end - n) for end, n in zip(ends.values(), at, strict=True))

    async def _take(self, reader: Reader) -> int:
        found = await reader.poll(200, _MOST)
        messages = [
            (topic, message.offset, message.value) for topic, some in found.items() for message, _ in some
        ]
        if messages:
            await self._projection.take(messages)
        return len(messages)

"""What holds in our own lane: of all that was signed, the version and the clock that our ledger says are active.

- `Signed` reads the topic `arrangement` from the pinned genesis; what does not verify is an alarm and changes nothing.
- `LaneStanding` follows our ledger. A new version is adopted when our lane has activated it, not when it was signed:
  so nothing is ever sealed under a version, or dated by a clock, that the broker does not decide under yet.
- Each activation is kept in SQL with its place in the ledger's topic; a restart goes on from the last one.
- A leaf that tells of a gap in our sequence is an alarm: our relay makes none, so what we sealed was lost on its way.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import select

from agencies.judging import Delivered
from agencies.kafka import Connection, Reader, read_all
from agencies.store import Store
from agencies.store.alarms import keep_alarm
from agencies.store.database import insert_new
from agencies.store.tables import activations, alarms
from schemas.arrangement import Arrangement, ArrangementError
from schemas.clock import ClockMap
from schemas.frames import parse_parcel
from schemas.history import History, Standing
from schemas.ids import Digest
from schemas.ledger import Activation, Gap, LeafEntry, parse_leaf, parse_ledger_entry
from schemas.logs import told
from schemas.stopping import stop_if_asked
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.standing")

_READ_LIMIT_S = 30.0

_encode = msgspec.msgpack.Encoder().encode
_clock = msgspec.msgpack.Decoder(ClockMap)


class Signed:
    """All that was signed, as far as it was read."""

    def __init__(self, connection: Connection, topic: str, genesis: Digest) -> None:
        self._connection = connection
        self._topic = topic
        self._next = 0
        self._history = History(genesis)
        self._reading = asyncio.Lock()

    @property
    def genesis(self) -> Standing:
        """Raises: `IndexError` before it was read."""
        return self._history.standings[0]

    @property
    def newest(self) -> Standing:
        """What was signed last. Raises: `IndexError` before anything was read."""
        return self._history.current

    @property
    def versions(self) -> dict[Digest, Arrangement]:
        """Every version that verifies, by digest."""
        return self._history.versions

    @property
    def partitions(self) -> int:
        """How many partitions a deliver topic has by what was signed. Raises: as `genesis`."""
        return self._history.partitions

    async def refresh(self) -> None:
        """Read on to the topic's end. Raises: `ArrangementError` if the genesis is absent or not the pinned one.

        `TimeoutError` if the cluster goes away meanwhile: whoever waits for a version reads again.
        """
        async with self._reading, asyncio.timeout(_READ_LIMIT_S):
            async for message in read_all(self._connection, self._topic, self._next):
                if refusal := self._history.hear(message.value):
                    log.critical("not believed, what was signed stays as it was: %s", refusal)
                self._next = message.offset + 1
        if not self._history.standings:
            raise ArrangementError("the arrangement topic holds no version")

    async def activated(self, version: Digest) -> Arrangement:
        """A version that our lane has activated, read on if need be. Raises: `ArrangementError` if nobody signed it."""
        if version not in self.versions:
            await self.refresh()
        arrangement = self.versions.get(version)
        if arrangement is None:
            raise ArrangementError(
                f"our lane has activated version {version.hex()[:16]}, which nobody signed"
            )
        return arrangement


class LaneStanding:
    """Follows our lane's activations. `adopt` is told of each one."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        topic: str,
        signed: Signed,
        adopt: Callable[[Standing], None],
    ) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._signed = signed
        self._adopt = adopt
        self._offset = 0

    async def resume(self) -> None:
        """Adopt what SQL knows to be active."""
        kept = await self._store.run(_last)
        if kept is not None:
            arrangement = await self._signed.activated(Digest(kept.arrangement))
            self._adopt(Standing(arrangement, _clock.decode(kept.clock)))
            self._offset = kept.ledger_offset  # again: another activation may stand in the same message

    async def run(self) -> None:
        """Follow the ledger for ever."""
        reader = Reader(self._connection)
        try:
            await reader.start()
            reader.assign(self._topic, {0: self._offset})
            while True:
                stop_if_asked()
                try:
                    for message in await reader.poll():
                        await self._read(message)
                        self._offset = message.offset + 1
                except ArrangementError:
                    raise
                except Exception as error:  # infrastructure: read it again
                    log.warning("ledger is read again (%s)", told(error))
                    await asyncio.sleep(0.2)
                    reader.rewind(self._topic, {0: self._offset})
        finally:
            await reader.stop()

    async def _read(self, message: Delivered) -> None:
        for data in parse_parcel(message.value).entries:
            entry = parse_ledger_entry(data)
            leaf = parse_leaf(entry.leaf) if isinstance(entry, LeafEntry) else None
            if isinstance(leaf, Activation):
                standing = Standing(await self._signed.activated(Digest(leaf.arrangement)), leaf.clock)
                await self._store.run(partial(_keep, leaf=leaf, ledger_offset=message.offset))
                self._adopt(standing)
            elif isinstance(leaf, Gap) and await self._store.run(partial(_alarm, leaf=leaf)):
                log.warning("%s: %s", Alarm.SEQUENCE_GAP, _detail(leaf))


class _Kept(NamedTuple):
    arrangement: bytes
    clock: bytes
    ledger_offset: int


def _last(connection: SqlConnection) -> _Kept | None:
    columns = (activations.c.arrangement, activations.c.clock, activations.c.ledger_offset)
    row = connection.execute(select(*columns).order_by(activations.c.number.desc()).limit(1)).first()
    return None if row is None else _Kept(bytes(row[0]), bytes(row[1]), int(row[2]))


def _detail(gap: Gap) -> str:
    return f"our numbers {gap.first} to {gap.next - 1} never reached our lane (leaf {gap.number})"


def _alarm(connection: SqlConnection, leaf: Gap) -> bool:
    """Keep the alarm, once: after a restart the ledger is read again from the last activation."""
    detail = _detail(leaf)
    same = (alarms.c.alarm == Alarm.SEQUENCE_GAP) & (alarms.c.detail == detail)
    if connection.scalar(select(alarms.c.id).where(same)) is not None:
        return False
    keep_alarm(connection, Alarm.SEQUENCE_GAP, detail)
    return True


def _keep(connection: SqlConnection, leaf: Activation, ledger_offset: int) -> None:
    connection.execute(
        insert_new(connection, activations),
        {
            "number": leaf.number,
            "arrangement": leaf.arrangement,
            "clock": _encode(leaf.clock),
            "ledger_offset": ledger_offset,
        },
    )

"""Comparing: what recipients say that they stored, held against what our own ledger shows delivered to them.

- A receipt contradicts the ledger if it reaches further than what the ledger shows delivered, or if its head is not
  the digest of that certificate by the ledger. Numbers that could not be stored contradict nothing.
- Who contradicts is not decided: the recipient, or a broker that tells it one thing and us another.
- A receipt can come before we have read our ledger as far. What it speaks of was written to the ledger before it, so
  it waits until all is read that was written when it was found waiting, committed or not: two partitions do not show
  one transaction's end at one instant.
- How far it is written is asked no more often than once in two seconds, whatever waits: each time is a new connection.
- What was taken in is kept with each round of comparing, no more than every two seconds: a restart reads that again.
- It reads the ledger for itself, from where it stands. Nothing waits for it: an older store's whole ledger is taken in
  while the node works, and what comes in its way keeps no version from being adopted.
- What does not parse is passed over, since it would never parse: what it lacks was not shown.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Connection as SqlConnection

from agencies.errors import PositionMoved
from agencies.judging import Delivered
from agencies.kafka import Connection, Reader, written
from agencies.shown import NOTHING_KEPT, News, Shown
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.receipted import Compared, compare
from agencies.store.showing import Place, keep, kept, resume
from schemas.arrangement import ArrangementError
from schemas.canonical import Domains
from schemas.frames import BadFrame, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import Activation, Leaf, LeafEntry, RulingEntry, parse_leaf, parse_ledger_entry
from schemas.logs import told
from schemas.stopping import stop_if_asked
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.comparing")

_EVERY_S = 2.0
_MOST_NEWS: Final = 5_000
"""Digests, rulings and records that are in memory before they are kept."""


class Reading(Protocol):
    """Whoever reads the ledger, and where."""

    async def position(self, topic: str) -> int: ...


class Comparing:
    """Takes in our ledger, and compares the receipts that the inbox has stored."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        topic: str,
        signed: Signed,
        lane: AgencyId,
        domains: Domains,
    ) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._signed = signed
        self._lane = lane
        self._domains = domains
        self._shown = Shown(lane, domains, {}, 0, None)
        self._kept = self._next = Place(0, 0, None)
        self._due = self._ask_due = 0.0
        self._waiting: frozenset[bytes] = frozenset()
        self._end: int | None = None
        """Where the ledger was written to when those were found waiting."""

    async def run(self) -> None:
        """Follow the ledger for ever. Raises: `PositionMoved`, `ArrangementError`."""
        reader = Reader(self._connection)
        try:
            await reader.start()
            failed = True
            while True:
                stop_if_asked()
                try:
                    if failed:
                        reader.assign(self._topic, {0: await self.resume()})
                        failed = False
                    await self.take(await reader.poll())
                    await self.compare(reader)
                except (ArrangementError, PositionMoved):
                    raise
                except Exception as error:  # infrastructure: go on from what was kept
                    log.warning("ledger is compared again (%s)", told(error))
                    failed = True
                    await asyncio.sleep(0.2)
        finally:
            await reader.stop()

    async def resume(self) -> int:
        """Go on from what SQL knows. Returns the offset from which the ledger must be read.

        Raises: `ArrangementError` if the version that was active there is one that nobody signed.
        """
        found = await self._store.run(partial(resume, topic=self._topic))
        active = found.place.version
        version = None if active is None else await self._signed.activated(active)
        self._shown = Shown(self._lane, self._domains, found.heads, found.place.leaves, version)
        self._kept = self._next = found.place
        self._waiting, self._end = frozenset(), None
        return found.place.offset

    async def take(self, messages: Sequence[Delivered]) -> None:
        """Take in what follows in the ledger. Raises: `ArrangementError` for a version that nobody signed."""
        if not messages:
            return
        # In a thread, also below: a certificate for each delivery takes longer than others here should wait.
        items = await asyncio.to_thread(_items, messages)
        named = {Digest(item.arrangement) for item in items if isinstance(item, Activation)}
        versions = {version: await self._signed.activated(version) for version in named}
        lacks = self._shown.lacks(items)
        known = await self._store.run(partial(kept, lacks=lacks)) if any(lacks) else NOTHING_KEPT
        await asyncio.to_thread(self._shown.take, items, versions, known)
        version = self._shown.version
        active = None if version is None else version.digest
        self._next = Place(messages[-1].offset + 1, self._shown.leaves, active)

    async def compare(self, reader: Reading) -> None:
        """Keep what was taken in and compare, if it is time; all that the reader has given must be taken in.

        Raises: `PositionMoved` if another process did. Whatever it raises, `resume` goes on from what was kept.
        """
        if time.monotonic() < self._due and len(self._shown.news) < _MOST_NEWS:
            return
        reached = self._end is not None and await reader.position(self._topic) >= self._end
        ripe = self._waiting if reached else frozenset()
        compared = await self._store.run(partial(self._settle, ripe=ripe), once=True)
        self._kept, self._shown.news = self._next, News()
        for detail in compared.told:
            log.warning("%s: %s", Alarm.RECEIPT_DIFFERS, detail)
        if reached:
            self._waiting, self._end = frozenset(), None
        if self._end is None and compared.waiting and time.monotonic() >= self._ask_due:
            self._ask_due = time.monotonic() + _EVERY_S
            self._waiting, self._end = compared.waiting, await written(self._connection, self._topic)
        self._due = time.monotonic() + (0.0 if compared.more else _EVERY_S)

    def _settle(self, connection: SqlConnection, ripe: frozenset[bytes]) -> Compared:
        keep(connection, self._topic, self._kept, self._next, self._shown.news, self._shown.heads)
        return compare(connection, self._shown.heads, ripe)


def _items(messages: Sequence[Delivered]) -> list[RulingEntry | Leaf]:
    """The rulings and leaves of ledger messages, in order."""
    items: list[RulingEntry | Leaf] = []
    for message in messages:
        entries: Sequence[bytes] = ()
        with contextlib.suppress(BadFrame):
            entries = parse_parcel(message.value).entries
        for data in entries:
            with contextlib.suppress(BadFrame):
                entry = parse_ledger_entry(data)
                if isinstance(entry, RulingEntry):
                    items.append(entry)
                elif isinstance(entry, LeafEntry):
                    items.append(parse_leaf(entry.leaf))
    return items

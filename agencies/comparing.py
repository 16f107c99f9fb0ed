"""Comparing: what recipients say that they stored, held against what our own ledger shows delivered to them.

- A receipt contradicts the ledger if it reaches further than what the ledger shows delivered, or if its head is not
  the digest of that certificate by the ledger. Numbers that could not be stored contradict nothing.
- Who contradicts is not decided: the recipient, or a broker that tells it one thing and us another.
- A receipt can come before we have read our ledger as far. What it speaks of was written to the ledger before it, so
  it waits until all is read that was written when it was found waiting, committed or not: two partitions do not show
  one transaction's end at one instant.
- What was taken in is kept with each round of comparing, no more than every two seconds: a restart reads that again.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from agencies.kafka import Connection, written
from agencies.shown import NOTHING_KEPT, News, Shown
from agencies.store import Store
from agencies.store.showing import Place, kept, resume, settle
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.ids import AgencyId, Digest
from schemas.ledger import Leaf, RulingEntry
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.comparing")

_EVERY_S = 2.0
_MOST_NEWS: Final = 5_000
"""Digests, rulings and records that are in memory before they are kept."""

Versions = Mapping[Digest, Arrangement]


class Reading(Protocol):
    """Whoever reads the ledger, and where."""

    async def position(self, topic: str) -> int: ...


class Comparing:
    """Takes in our ledger as it is read, and compares the receipts that the inbox has stored."""

    def __init__(
        self, store: Store, connection: Connection, topic: str, lane: AgencyId, domains: Domains
    ) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._lane = lane
        self._domains = domains
        self._shown = Shown(lane, domains, {}, 0, None)
        self._kept = self._next = Place(0, 0)
        self._due = 0.0
        self._waiting: frozenset[bytes] = frozenset()
        self._end: int | None = None
        """Where the ledger was written to when those were found waiting."""

    async def resume(self, versions: Versions) -> int:
        """Go on from what SQL knows. Returns the offset from which the ledger must be read.

        Raises: `KeyError` if the version that was active there is not given.
        """
        found = await self._store.run(partial(resume, topic=self._topic))
        version = None if found.version is None else versions[found.version]
        self._shown = Shown(self._lane, self._domains, found.heads, found.place.leaves, version)
        self._kept = self._next = found.place
        self._waiting, self._end = frozenset(), None
        return found.place.offset

    async def take(self, items: Sequence[RulingEntry | Leaf], upto: int, versions: Versions) -> None:
        """Take in what follows in the ledger, up to an offset. Raises: `KeyError` as `Shown.take` does."""
        lacks = self._shown.lacks(items)
        known = await self._store.run(partial(kept, lacks=lacks)) if any(lacks) else NOTHING_KEPT
        # In a thread: a certificate for each delivery takes longer than whoever else this process serves should wait.
        await asyncio.to_thread(self._shown.take, items, versions, known)
        self._next = Place(upto, self._shown.leaves)

    async def compare(self, reader: Reading) -> None:
        """Keep what was taken in and compare, if it is time; all that the reader has given must be taken in.

        Raises: `PositionMoved` if another process did. Whatever it raises, `resume` goes on from what was kept.
        """
        if time.monotonic() < self._due and len(self._shown.news) < _MOST_NEWS:
            return
        reached = self._end is not None and await reader.position(self._topic) >= self._end
        ripe = self._waiting if reached else frozenset()
        work = partial(
            settle,
            topic=self._topic,
            before=self._kept,
            after=self._next,
            news=self._shown.news,
            heads=self._shown.heads,
            ripe=ripe,
        )
        settled = await self._store.run(work, once=True)
        self._kept, self._shown.news = self._next, News()
        for detail in settled.told:
            log.warning("%s: %s", Alarm.RECEIPT_DIFFERS, detail)
        if reached or self._end is None:
            self._waiting, self._end = settled.waiting, None
            if self._waiting:
                self._end = await written(self._connection, self._topic)
        self._due = time.monotonic() + (0.0 if settled.more else _EVERY_S)

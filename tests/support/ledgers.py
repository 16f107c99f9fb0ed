"""The committed ledgers in memory: an `Evidence` that needs no database, to hold the projection against."""

import asyncio
import bisect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import TypeVar

import msgspec

from broker.api.evidence import Entry, Event, LaneCounts
from broker.errors import BrokerError
from schemas.canonical import Domains
from schemas.certifying import released_of
from schemas.frames import BadFrame, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import (
    Admitted,
    CheckpointEntry,
    ControlNoted,
    Duplicate,
    Gap,
    Leaf,
    LeafEntry,
    LedgerEntry,
    Quarantined,
    RulingEntry,
    ledger_leaf_hash,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.merkle import EMPTY_FRONTIER, Frontier, node_hash
from schemas.proofs import Node
from schemas.rulings import Ruling, parse_ruling, ruling_digest

_T = TypeVar("_T")


@dataclass(slots=True)
class _Held:
    """One lane's ledger."""

    entries: list[Entry] = field(default_factory=list)
    levels: list[list[Digest]] = field(default_factory=lambda: [[]])
    """Of the tree: the roots of its perfect subtrees by level and place, the leaves' hashes first."""
    frontier: Frontier = EMPTY_FRONTIER
    decided: list[tuple[int, int]] = field(default_factory=list)
    """(leaf number, admission time) of each decision."""
    records: dict[bytes, list[int]] = field(default_factory=dict)
    rulings: dict[Digest, tuple[bytes, Ruling]] = field(default_factory=dict)
    checkpoints: list[CheckpointEntry] = field(default_factory=list)
    noted: set[bytes] = field(default_factory=set)
    counts: LaneCounts = field(default_factory=LaneCounts)


class Ledgers:
    """All ledgers of a federation."""

    def __init__(self, domains: Domains, lanes: Iterable[AgencyId]) -> None:
        self._domains = domains
        self._held = {lane: _Held() for lane in lanes}
        self._heard = 0
        self._moved = asyncio.Condition()

    # --- what is asked -----------------------------------------------------------------------

    async def events(self, wanted: Mapping[AgencyId, int], most: int) -> Sequence[Event]:
        return list(islice(merge(*(self._from(lane, n) for lane, n in wanted.items()), key=_order), most))

    def _from(self, lane: AgencyId, number: int) -> Iterable[Event]:
        held = self._held[lane]
        first = bisect.bisect_left(held.decided, (number, 0))
        for n, _ in islice(held.decided, first, None):
            yield self._event(lane, n)

    def _event(self, lane: AgencyId, number: int) -> Event:
        leaf = self._held[lane].entries[number].leaf
        assert isinstance(leaf, Admitted | Quarantined)
        return Event(lane, leaf)

    async def of_record(self, lanes: Collection[AgencyId], record_id: bytes) -> Sequence[Event]:
        return [
            self._event(lane, n)
            for lane in sorted(lanes)
            for n in self._held[lane].records.get(record_id, [])
        ]

    async def entries(self, lane: AgencyId, first: int, most: int) -> Sequence[Entry]:
        return self._held[lane].entries[first : first + most]

    async def rulings(self, lane: AgencyId, digests: Collection[Digest]) -> Mapping[Digest, Ruling]:
        held = self._held[lane].rulings
        return {digest: held[digest][1] for digest in digests if digest in held}

    async def up_to(self, lane: AgencyId, leaves: int) -> Sequence[LedgerEntry]:
        held = self._held[lane]
        rulings = (RulingEntry(data) for data, _ in held.rulings.values())
        return [*rulings, *(LeafEntry(entry.data) for entry in held.entries[:leaves])]

    async def ruling_bytes(self, lane: AgencyId, digest: Digest) -> bytes | None:
        found = self._held[lane].rulings.get(digest)
        return None if found is None else found[0]

    async def frontier(self, lane: AgencyId) -> Frontier:
        return self._held[lane].frontier

    async def prove(self, lane: AgencyId, make: Callable[[Node], _T]) -> _T:
        levels = self._held[lane].levels
        return make(lambda level, place: levels[level][place])

    async def checkpoints(self, lane: AgencyId, first: int, most: int) -> Sequence[CheckpointEntry]:
        return self._held[lane].checkpoints[first : first + most]

    async def signed(self, lane: AgencyId) -> int:
        return len(self._held[lane].checkpoints)

    async def counts(self, lane: AgencyId) -> LaneCounts:
        return self._held[lane].counts

    async def news(self, seen: int) -> int:
        async with self._moved:
            await self._moved.wait_for(lambda: self._heard > seen)
            return self._heard

    # --- what is read ------------------------------------------------------------------------

    async def take(self, lane: AgencyId, value: bytes) -> None:
        """Take in a message of a lane's ledger. Raises: `BrokerError` for one that does not go on from the last."""
        try:
            self._take(lane, value)
        except (BadFrame, LookupError, msgspec.MsgspecError) as error:
            raise BrokerError(
                f"ledger of '{lane}' cannot be read after {len(self._held[lane].entries)} leaves: {error}"
            ) from error
        async with self._moved:
            self._heard += 1
            self._moved.notify_all()

    def _take(self, lane: AgencyId, value: bytes) -> None:
        parcel = parse_parcel(value)
        held, number = self._held[lane], parcel.first
        for data in parcel.entries:
            entry = parse_ledger_entry(data)
            if isinstance(entry, RulingEntry):
                digest = ruling_digest(self._domains, entry.ruling)
                held.rulings.setdefault(digest, (entry.ruling, parse_ruling(entry.ruling)))
            elif isinstance(entry, CheckpointEntry):
                if (
                    entry.note not in held.noted
                ):  # it bears no number: one that was read before is known by its bytes
                    held.noted.add(entry.note)
                    held.checkpoints.append(entry)
            else:
                if number > len(held.entries):
                    raise BrokerError(
                        f"ledger of '{lane}' has leaf {number} after {len(held.entries)} leaves"
                    )
                if number == len(held.entries):
                    self._append(held, entry.leaf)
                number += 1

    def _append(self, held: _Held, data: bytes) -> None:
        leaf = parse_leaf(data)
        held.entries.append(Entry(leaf, data))
        digest = ledger_leaf_hash(self._domains, data)
        held.frontier = held.frontier.append(digest)
        _grow(held.levels, digest)
        if isinstance(leaf, Admitted | Quarantined):
            held.decided.append((leaf.number, leaf.at_ms))
            if leaf.record_id:
                held.records.setdefault(leaf.record_id, []).append(leaf.number)
        _count(held.counts, leaf, held.rulings)


def _grow(levels: list[list[Digest]], leaf: Digest) -> None:
    """Append a leaf, and each perfect subtree that it completes."""
    levels[0].append(leaf)
    level = 0
    while len(levels[level]) % 2 == 0:
        if level + 1 == len(levels):
            levels.append([])
        levels[level + 1].append(node_hash(levels[level][-2], levels[level][-1]))
        level += 1


def _order(event: Event) -> tuple[int, AgencyId, int]:
    return event.leaf.at_ms, event.lane, event.leaf.number


def _count(counts: LaneCounts, leaf: Leaf, rulings: Mapping[Digest, tuple[bytes, Ruling]]) -> None:
    counts.leaves += 1
    match leaf:
        case Admitted():
            counts.admitted += 1
            known = {Digest(p.ruling): rulings[Digest(p.ruling)][1] for p in leaf.portions}
            for agency in released_of(leaf, known):
                counts.delivered[agency] = counts.delivered.get(agency, 0) + 1
        case Quarantined():
            counts.quarantined[leaf.reason] = counts.quarantined.get(leaf.reason, 0) + 1
        case Duplicate():
            counts.duplicates += 1
        case Gap():
            counts.gaps += 1
        case ControlNoted():
            counts.controls += 1

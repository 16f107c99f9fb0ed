"""What the API asks of the ledgers, answered from the projection: an `broker.api.evidence.Evidence`.

Every question is a few indexed rows, however long the ledgers are; nothing is held in memory but how much was read.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection, and_, func, or_, select

from broker.api.evidence import Entry, Event, LaneCounts
from broker.projection.database import Database
from broker.projection.tables import checkpoints, decisions, entries, events, nodes, rulings, written
from broker.projection.writing import RulesOf, clear, read_frontier, read_position, write_message
from schemas.canonical import Domains
from schemas.ids import AgencyId, Digest
from schemas.ledger import (
    Admitted,
    CheckpointEntry,
    Leaf,
    LeafEntry,
    LedgerEntry,
    Quarantined,
    RulingEntry,
    parse_leaf,
)
from schemas.merkle import Frontier
from schemas.proofs import Node
from schemas.rulings import Ruling, parse_ruling
from schemas.topics import ledger_topic
from schemas.verdicts import Refused

_T = TypeVar("_T")


class Projection:
    """All ledgers of a federation, as far as they were read."""

    def __init__(
        self, database: Database, domains: Domains, lanes: Iterable[AgencyId], prefix: str, rules_of: RulesOf
    ) -> None:
        self._database = database
        self._domains = domains
        self._rules_of = rules_of
        self.topics = {ledger_topic(lane, prefix): lane for lane in lanes}
        self._heard = 0
        self._moved = asyncio.Condition()

    # --- what is written ---------------------------------------------------------------------

    async def positions(self) -> dict[str, int]:
        """The next offset to read of each ledger's topic."""
        return await self._database.read(lambda c: {topic: read_position(c, topic) for topic in self.topics})

    async def take(self, messages: Sequence[tuple[str, int, bytes]]) -> None:
        """Take in (topic, offset, value) in order, all in one transaction. Raises: `BrokerError`, `LookupError`."""

        def write(connection: Connection) -> None:
            for topic, offset, value in messages:
                lane = self.topics[topic]
                write_message(connection, self._domains, lane, topic, offset, value, self._rules_of)

        await self._database.write(write)
        async with self._moved:
            self._heard += len(messages)
            self._moved.notify_all()

    async def clear(self) -> None:
        """Throw all rows away, to be read again from the ledgers."""
        await self._database.write(clear)

    # --- what is asked -----------------------------------------------------------------------

    async def events(self, wanted: Mapping[AgencyId, int], most: int) -> Sequence[Event]:
        places = [and_(events.c.lane == lane, events.c.number >= n) for lane, n in wanted.items()]
        query = (
            select(events.c.lane, entries.c.leaf)
            .join(entries, and_(entries.c.lane == events.c.lane, entries.c.number == events.c.number))
            .where(or_(False, *places))
            .order_by(events.c.at_ms, events.c.lane, events.c.number)
            .limit(most)
        )
        return await self._database.read(lambda c: [_event(r.lane, r.leaf) for r in c.execute(query)])

    async def of_record(self, lanes: Collection[AgencyId], record_id: bytes) -> Sequence[Event]:
        query = (
            select(events.c.lane, entries.c.leaf)
            .join(entries, and_(entries.c.lane == events.c.lane, entries.c.number == events.c.number))
            .where(events.c.record_id == record_id, events.c.lane.in_(lanes))
            .order_by(events.c.lane, events.c.number)
        )
        return await self._database.read(lambda c: [_event(r.lane, r.leaf) for r in c.execute(query)])

    async def entries(self, lane: AgencyId, first: int, most: int) -> Sequence[Entry]:
        query = _leaves(lane).where(entries.c.number >= first).limit(most)
        return await self._database.read(lambda c: [_entry(bytes(data)) for data in c.scalars(query)])

    async def rulings(self, lane: AgencyId, digests: Collection[Digest]) -> Mapping[Digest, Ruling]:
        query = _written(lane).where(written.c.ruling.in_(digests))
        return await self._database.read(
            lambda c: {Digest(bytes(r.digest)): parse_ruling(bytes(r.ruling)) for r in c.execute(query)}
        )

    async def up_to(self, lane: AgencyId, leaves: int) -> Sequence[LedgerEntry]:
        def read(connection: Connection) -> list[LedgerEntry]:
            rulings_first = [RulingEntry(bytes(r.ruling)) for r in connection.execute(_written(lane))]
            some = _leaves(lane).where(entries.c.number < leaves)
            return [*rulings_first, *(LeafEntry(bytes(data)) for data in connection.scalars(some))]

        return await self._database.read(read)

    async def ruling_bytes(self, lane: AgencyId, digest: Digest) -> bytes | None:
        query = _written(lane).where(written.c.ruling == digest)
        found = await self._database.read(lambda c: c.execute(query).first())
        return None if found is None else bytes(found.ruling)

    async def frontier(self, lane: AgencyId) -> Frontier:
        return await self._database.read(lambda c: read_frontier(c, lane))

    async def prove(self, lane: AgencyId, make: Callable[[Node], _T]) -> _T:
        def read(connection: Connection) -> _T:
            return make(lambda level, place: _node(connection, lane, level, place))

        return await self._database.read(read)

    async def checkpoints(self, lane: AgencyId, first: int, most: int) -> Sequence[CheckpointEntry]:
        query = (
            select(checkpoints.c.note, checkpoints.c.path, checkpoints.c.seal)
            .where(checkpoints.c.lane == lane, checkpoints.c.number >= first)
            .order_by(checkpoints.c.number)
            .limit(most)
        )
        return await self._database.read(
            lambda c: [CheckpointEntry(bytes(r.note), bytes(r.path), bytes(r.seal)) for r in c.execute(query)]
        )

    async def signed(self, lane: AgencyId) -> int:
        query = select(func.count()).select_from(checkpoints).where(checkpoints.c.lane == lane)
        return await self._database.read(lambda c: int(c.scalar(query) or 0))

    async def counts(self, lane: AgencyId) -> LaneCounts:
        return await self._database.read(lambda c: _counts(c, lane))

    async def news(self, seen: int) -> int:
        async with self._moved:
            await self._moved.wait_for(lambda: self._heard > seen)
            return self._heard


def _leaves(lane: AgencyId):  # type: ignore[no-untyped-def]  # a query's own type is longer than the query
    return select(entries.c.leaf).where(entries.c.lane == lane).order_by(entries.c.number)


def _written(lane: AgencyId):  # type: ignore[no-untyped-def]
    joined = select(rulings.c.digest, rulings.c.ruling).join(written, written.c.ruling == rulings.c.digest)
    return joined.where(written.c.lane == lane).order_by(rulings.c.digest)


def _event(lane: str, data: bytes) -> Event:
    leaf = parse_leaf(bytes(data))
    assert isinstance(leaf, Admitted | Quarantined)
    return Event(AgencyId(lane), leaf)


def _entry(data: bytes) -> Entry:
    leaf: Leaf = parse_leaf(data)
    return Entry(leaf, data)


def _node(connection: Connection, lane: AgencyId, level: int, place: int) -> bytes:
    """Raises: `LookupError` for a subtree that is not complete."""
    if level == 0:
        query = select(entries.c.hash).where(entries.c.lane == lane, entries.c.number == place)
    else:
        query = select(nodes.c.hash).where(
            nodes.c.lane == lane, nodes.c.level == level, nodes.c.place == place
        )
    found = connection.scalar(query)
    if found is None:
        raise LookupError(f"ledger of '{lane}' has no complete subtree {level}/{place}")
    return bytes(found)


def _counts(connection: Connection, lane: AgencyId) -> LaneCounts:
    kinds = select(entries.c.kind, func.count()).where(entries.c.lane == lane).group_by(entries.c.kind)
    by_kind = {kind: int(n) for kind, n in connection.execute(kinds)}
    reasons = (
        select(events.c.reason, func.count())
        .where(events.c.lane == lane, events.c.reason.is_not(None))
        .group_by(events.c.reason)
    )
    delivered = (
        select(decisions.c.recipient, func.count(func.distinct(decisions.c.number)))
        .where(decisions.c.lane == lane, decisions.c.released)
        .group_by(decisions.c.recipient)
    )
    return LaneCounts(
        leaves=sum(by_kind.values()),
        admitted=by_kind.get("admitted", 0),
        quarantined={Refused(reason): int(n) for reason, n in connection.execute(reasons)},
        duplicates=by_kind.get("duplicate", 0),
        gaps=by_kind.get("gap", 0),
        controls=by_kind.get("control", 0),
        delivered={AgencyId(r): int(n) for r, n in connection.execute(delivered)},
    )

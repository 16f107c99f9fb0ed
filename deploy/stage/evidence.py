"""What happened, read from topics and databases only: ledgers, outboxes, reception logs, quarantines.

Nothing here trusts a counter that the code under test keeps. Stores are opened read-only.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Select, func, make_url, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from agencies.store.database import store_engine
from agencies.store.tables import activations, outbox, published, quarantine, reception_log
from broker.kafka import Connection, Reader, read_many
from schemas.canonical import Domains
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import (
    CheckpointEntry,
    Leaf,
    LeafEntry,
    RulingEntry,
    ledger_leaf_hash,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.rulings import Ruling, parse_ruling, ruling_digest
from schemas.topics import ledger_topic


@dataclass(slots=True)
class Ledger:
    """A lane's ledger as committed: leaves in order, the bytes of each, and rulings by digest."""

    lane: AgencyId
    leaves: list[Leaf] = field(default_factory=list)
    rulings: dict[Digest, Ruling] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    """Every leaf and ruling in ledger order; repeats of a leaf are dropped by number."""
    checkpoints: list[CheckpointEntry] = field(default_factory=list)
    """What was signed of it, in ledger order."""

    def hashes(self, domains: Domains) -> list[Digest]:
        """The hashes of the leaves."""
        parsed = map(parse_ledger_entry, self.entries)
        return [ledger_leaf_hash(domains, e.leaf) for e in parsed if isinstance(e, LeafEntry)]


async def read_ledger(connection: Connection, domains: Domains, lane: AgencyId, prefix: str) -> Ledger:
    """The ledger as it is committed now."""
    return (await read_ledgers(connection, domains, [lane], prefix))[lane]


async def read_ledgers(
    connection: Connection, domains: Domains, lanes: Iterable[AgencyId], prefix: str
) -> dict[AgencyId, Ledger]:
    """The ledgers of some lanes as they are committed now, by one client."""
    topics = {ledger_topic(lane, prefix): Ledger(lane) for lane in lanes}
    async for topic, message, _ in read_many(connection, {(topic, 0): 0 for topic in topics}):
        _take_in(topics[topic], message.value, domains)
    return {ledger.lane: ledger for ledger in topics.values()}


def _take_in(ledger: Ledger, value: bytes, domains: Domains) -> None:
    parcel = parse_parcel(value)
    number = parcel.first
    for data in parcel.entries:
        entry = parse_ledger_entry(data)
        match entry:
            case LeafEntry():
                if number >= len(ledger.leaves):  # every reader drops what it already has
                    ledger.leaves.append(parse_leaf(entry.leaf))
                    ledger.entries.append(data)
                number += 1
            case RulingEntry():
                digest = ruling_digest(domains, entry.ruling)
                if digest not in ledger.rulings:
                    ledger.rulings[digest] = parse_ruling(entry.ruling)
                    ledger.entries.append(data)
            case CheckpointEntry():
                ledger.checkpoints.append(entry)


class Ledgers:
    """All ledgers of a running federation, read on by one client. It is made anew after an outage."""

    def __init__(
        self, connection: Connection, domains: Domains, lanes: Iterable[AgencyId], prefix: str
    ) -> None:
        self._connection = connection
        self._domains = domains
        self._topics = {ledger_topic(lane, prefix): lane for lane in lanes}
        self._positions = dict.fromkeys(self._topics, 0)
        self._reader: Reader | None = None
        self._reading = asyncio.Lock()
        self.by_lane = {lane: Ledger(lane) for lane in self._topics.values()}

    async def refresh(self) -> None:
        """Read on to what is committed now. Raises: what the client raises; the next call begins anew."""
        async with self._reading:
            try:
                await self._read()
            except BaseException:
                await self.close()
                raise

    async def _read(self) -> None:
        if self._reader is None:
            self._reader = Reader(self._connection, fetch_wait_ms=10)
            await self._reader.start()
            self._reader.assign({(topic, 0): at for topic, at in self._positions.items()})
        ends = await self._reader.ends((topic, 0) for topic in self._topics)
        while any(self._positions[topic] < end for (topic, _), end in ends.items()):
            for topic, messages in (await self._reader.poll(50, 1000)).items():
                for message, _ in messages:
                    _take_in(self.by_lane[self._topics[topic]], message.value, self._domains)
            for topic in self._topics:  # past the marks of transactions too, which are no messages
                self._positions[topic] = await self._reader.position(topic, 0)

    async def close(self) -> None:
        """Let go of the client."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.stop()


@dataclass(frozen=True, slots=True)
class Published:
    """A record in an outbox. `offset` is None until the log has its parcel."""

    manifest: bytes
    record_id: bytes
    offset: int | None
    entry: int
    sealed_at_ms: int
    portions: dict[str, object]
    plan_index: int | None
    """Its place in the agency's plan or script."""


@dataclass(frozen=True, slots=True)
class Received:
    """A line of a reception log."""

    lane: str
    number: int | None
    manifest: bytes
    portions: tuple[str, ...]
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line of a quarantine."""

    lane: str | None
    number: int | None
    manifest: bytes | None
    reason: str


@dataclass(slots=True)
class StoreEvidence:
    """What one agency's database holds."""

    published: list[Published]
    received: list[Received]
    quarantined: list[Refusal]


@contextmanager
def read_only(url: str) -> Iterator[SqlConnection]:
    """A store, opened so that nothing can be changed. Raises: `sqlalchemy.exc.DBAPIError` if it is not there."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        parsed = parsed.set(database=f"file:{parsed.database}").update_query_dict(
            {"mode": "ro", "uri": "true"}
        )
        url = parsed.render_as_string(hide_password=False)
    engine = store_engine(url, settle=False)
    try:
        with engine.connect() as connection:
            readonly = (
                "PRAGMA query_only=ON" if engine.dialect.name == "sqlite" else "SET TRANSACTION READ ONLY"
            )
            connection.exec_driver_sql(readonly)
            yield connection
    finally:
        engine.dispose()


def read_store(url: str) -> StoreEvidence:
    """Outbox, reception log and quarantine of a store, in the order in which they were written."""
    with read_only(url) as db:
        sent = (
            select(
                published.c.manifest,
                published.c.record_id,
                outbox.c.offset,
                published.c.entry,
                outbox.c.sealed_at_ms,
                published.c.portions,
                published.c.plan_index,
            )
            .join(outbox, outbox.c.parcel == published.c.parcel)
            .order_by(published.c.sequence)
        )
        theirs = [
            Published(bytes(m), bytes(r), o, e, s, json.loads(p), i)
            for m, r, o, e, s, p, i in db.execute(sent)
        ]
        log = reception_log.c
        taken_in = select(log.lane, log.number, log.manifest, log.stored, log.received_at_ms).order_by(log.id)
        received = [
            Received(lane, n, bytes(m), tuple(json.loads(s)), t) for lane, n, m, s, t in db.execute(taken_in)
        ]
        q = quarantine.c
        refused = select(q.lane, q.number, q.manifest, q.reason).order_by(q.id)
        refusals = [
            Refusal(lane, n, None if m is None else bytes(m), reason)
            for lane, n, m, reason in db.execute(refused)
        ]
    return StoreEvidence(theirs, received, refusals)


def count_published(url: str) -> int:
    """How many of a plan's or script's records are in the log for sure; 0 while there is no store yet."""
    joined = published.join(outbox, outbox.c.parcel == published.c.parcel)
    return _count(url, select(func.count()).select_from(joined).where(outbox.c.offset.is_not(None)))


def count_received(url: str) -> int:
    """How many lines the reception log has; 0 while there is no store yet."""
    return _count(url, select(func.count()).select_from(reception_log))


def version_in_force(url: str) -> bytes | None:
    """Digest of the arrangement's version that a node acts on; None before its first."""
    a = activations.c
    with read_only(url) as db:
        return db.scalar(select(a.arrangement).order_by(a.number.desc()).limit(1))


def _count(url: str, query: Select[int]) -> int:
    try:
        with read_only(url) as db:
            return int(db.scalar(query) or 0)
    except (OperationalError, ProgrammingError):
        return 0

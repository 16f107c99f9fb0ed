"""A federation of its own on a running cluster: keys, topics and rights, real processes, and what they left behind.

- Real keys, the shipped rules, topics under a fresh prefix; broker and node hosts are the programs themselves.
- What an agency writes here by hand goes over its own TLS identity, sealed with its own keys.
- Every wait is for a condition and has a generous limit; what has ended by itself is an error with its last words.
"""

import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError
from sqlalchemy.exc import OperationalError, ProgrammingError

from agencies.drafting import Draft
from agencies.keystore import Keystore
from agencies.sealing import Sealer
from agencies.simulation.plan import planned_draft
from broker.kafka import Connection
from broker.step import Restored, restore
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement, spread
from deploy.ceremony import Ceremony, hold_ceremony
from deploy.pki import Authority
from deploy.processes import Child
from deploy.stage.audit import LaneAudit, audit_lanes
from deploy.stage.count import Audited, Counts, audit, operational
from deploy.stage.evidence import Ledger, read_ledger, read_only, read_store
from deploy.topics import apply_topics
from schemas.arrangement import Arrangement
from schemas.clock import SystemClock
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId
from schemas.ledger import Leaf
from schemas.topics import FEDERATION, arrangement_topic, lanes_topic, submit_topic
from schemas.transport import client_context

_T = TypeVar("_T")

LIMIT = 240.0  # seconds for anything that should take one

NCA, OLTIM, PDS = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("it-pds")
XA, SOCIAL = AgencyId("xa-np"), AgencyId("pf-social")


def shipped(shards: int = 1) -> ArrangementSource:
    """The arrangement that all of these tests use."""
    source = read_arrangement(SHIPPED / "g7-small")
    return dataclasses.replace(source, directory=spread(source.directory, shards))


async def until(true: Callable[[], bool | Awaitable[bool]], what: str, limit: float = LIMIT) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + limit
    while True:
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, f"not within {limit:.0f} s: {what}"
        await asyncio.sleep(0.05)


async def answered(read: Callable[[], Awaitable[_T]]) -> _T:
    """What a read of the cluster says, once it answers: a node that gets no processor has no leaders for a moment."""
    said: list[_T] = []

    async def reads() -> bool:
        try:
            said.append(await read())
        except KafkaError as error:
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
        return bool(said)

    await until(reads, "the cluster answers")
    return said[0]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it stands in a partition."""

    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


async def read_topic(
    bootstrap: str, tls: Path, topic: str, partition: int = 0, *, committed: bool = True
) -> list[Message]:
    """Everything that a reader gets now; not `committed`: what was aborted or is still open, too."""
    where = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        security_protocol="SSL",
        ssl_context=client_context(tls),
        group_id=None,
        isolation_level="read_committed" if committed else "read_uncommitted",
        auto_offset_reset="none",
        fetch_max_wait_ms=20,
        retry_backoff_ms=20,
    )
    found: list[Message] = []
    async with asyncio.timeout(LIMIT):
        await consumer.start()
        try:
            begin = (await consumer.beginning_offsets([where]))[where]
            end = (await consumer.end_offsets([where]))[where]
            consumer.assign([where])
            consumer.seek(where, begin)
            while await consumer.position(where) < end:
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found += (Message(m.offset, m.key, m.value or b"", tuple(m.headers)) for m in messages)
        finally:
            await consumer.stop()
    return found


@asynccontextmanager
async def writing(
    bootstrap: str, tls: Path, transactional_id: str | None = None
) -> AsyncIterator[AIOKafkaProducer]:
    """A plain producer with room for what the topic just takes."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        security_protocol="SSL",
        ssl_context=client_context(tls),
        acks="all",
        transactional_id=transactional_id,
        transaction_timeout_ms=120_000,
        max_request_size=6_000_000,
        retry_backoff_ms=20,
    )
    async with asyncio.timeout(LIMIT):
        await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


class Live:
    """A federation under a prefix; use as `async with`. What it has started ends with it."""

    def __init__(
        self,
        bootstrap: str,
        admin_tls: Path,
        authority: Authority,
        prefix: str,
        folder: Path,
        shards: int = 1,
    ) -> None:
        self.bootstrap = bootstrap
        self.admin_tls = admin_tls
        self.prefix = prefix
        self.folder = folder
        self.source = shipped(shards)
        self.database = ""
        """URL of a PostgreSQL database with a schema for each agency; empty for SQLite files."""
        self.heads_every_s: float | None = None
        """The brokers' cadence of rounds; None: as they have it by themselves."""
        self.authority = authority
        self._ceremony: Ceremony | None = None
        self._children: list[Child] = []
        self._sealers: dict[AgencyId, Sealer] = {}

    async def __aenter__(self) -> Self:
        (self.folder / "logs").mkdir(parents=True)
        self._ceremony = hold_ceremony(self.source, self.folder, self.authority)
        await apply_topics(
            self.bootstrap,
            self.admin_tls,
            self.agencies,
            shards=self.source.directory.partitions,
            prefix=self.prefix,
        )
        async with writing(self.bootstrap, self.ceremony.tls(FEDERATION)) as producer:
            await producer.send_and_wait(arrangement_topic(self.prefix), self.ceremony.genesis, partition=0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.kill()
        await asyncio.gather(*(child.wait() for child in self._children))

    @property
    def ceremony(self) -> Ceremony:
        assert self._ceremony is not None
        return self._ceremony

    @property
    def arrangement(self) -> Arrangement:
        return self.ceremony.arrangement

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        return self.source.directory.agency_ids

    def others(self, agency: AgencyId) -> list[AgencyId]:
        return [a for a in self.agencies if a != agency]

    def tls(self, agency: AgencyId) -> Path:
        """The TLS folder of an agency."""
        return self.ceremony.agency(agency) / "keys"

    @property
    def broker_tls(self) -> Path:
        return self.ceremony.broker / "keys"

    def connection(self) -> Connection:
        """As the super user: the tests' own look at topics."""
        return Connection(self.bootstrap, client_context(self.admin_tls))

    # --- processes ---------------------------------------------------------------------------

    def settings(self, name: str, content: Mapping[str, object]) -> Path:
        """A settings file with what all services share."""
        common = {
            "bootstrap": self.bootstrap,
            "genesis": self.arrangement.digest.hex(),
            "prefix": self.prefix,
        }
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({**common, **content}, indent=2))
        return path

    def broker_settings(self, name: str = "broker", shard: int = 0) -> Path:
        """Each name has a record index of its own, as on a machine of its own."""
        state = self.ceremony.broker / f"state-{name}"
        told = {} if self.heads_every_s is None else {"heads_every_s": self.heads_every_s}
        own = {"keys": str(self.broker_tls), "state": str(state), "shard": shard}
        return self.settings(name, {**own, **told})

    def node(
        self, agency: AgencyId, records: int = 0, per_second: float | None = None, seed: int = 1
    ) -> dict[str, object]:
        """Settings of one node; without records it has no plan."""
        plan = {"seed": seed, "records": records, "per_second": per_second} if records else None
        return {
            "agency": agency,
            "keys": str(self.tls(agency)),
            "store": self.store_url(agency),
            "plan": plan,
        }

    def store(self, agency: AgencyId) -> Path:
        """The SQLite file of an agency, where it has one."""
        return self.ceremony.agency(agency) / "store.sqlite"

    def store_url(self, agency: AgencyId) -> str:
        if self.database:
            return f"{self.database}?schema={agency}"
        return f"sqlite:///{self.store(agency)}"

    def start(self, name: str, module: str, settings: Path) -> Child:
        """Start a service as the stage does; it dies with this federation."""
        line: list[str | Path] = [sys.executable, "-P", "-m", module, settings]
        return self.run(name, line)

    def run(self, name: str, line: Sequence[str | Path], cwd: Path | None = None) -> Child:
        child = Child.start(name, line, log=self.folder / "logs" / f"{name}.log", cwd=cwd)
        self._children.append(child)
        return child

    async def start_broker(self, name: str = "broker", shard: int = 0) -> Child:
        """A worker that owns the shard."""
        child = self.start(name, "broker", self.broker_settings(name, shard))
        await self.said(child, "ready")
        return child

    async def start_nodes(
        self, nodes: Sequence[Mapping[str, object]], name: str = "nodes", word: str = "node runs"
    ) -> Child:
        """One host for the given nodes, each of them running."""
        child = self.start(name, "agencies", self.settings(name, {"nodes": list(nodes)}))
        await self.said(child, word, len(nodes))
        return child

    async def said(self, child: Child, word: str, times: int = 1) -> None:
        def heard() -> bool:
            if child.said().count(word) >= times:
                return True
            assert child.alive, f"{child.name} ended ({child.returncode}): {child.last_words()}"
            return False

        await until(heard, f"{child.name} says '{word}'")

    # --- by hand -----------------------------------------------------------------------------

    def drafts(self, agency: AgencyId, count: int, start: int = 0, seed: int = 1) -> list[Draft]:
        """Drafts of the agency's plan, created now."""
        clock, entropy = SystemClock(), SystemEntropy()
        return [
            planned_draft(agency, self.source.directory, seed, i, clock, entropy)
            for i in range(start, start + count)
        ]

    def sealer(self, agency: AgencyId) -> Sealer:
        """The agency's sealer, with its keys; one for the whole test, as one run of a node has."""
        if agency not in self._sealers:
            keys = Keystore(self.tls(agency))
            self._sealers[agency] = Sealer(agency, self.arrangement, keys.signing, SystemEntropy())
        return self._sealers[agency]

    def parcel(self, agency: AgencyId, drafts: Sequence[Draft], first: int) -> bytes:
        """One window of the drafts, sequence numbers from `first`."""
        by = self.sealer(agency)
        return by.seal_window([by.close_record(d, first + i) for i, d in enumerate(drafts)], [], first)

    async def submit(self, agency: AgencyId, *values: bytes) -> None:
        """Write messages to the agency's submit topic, as the agency."""
        async with writing(self.bootstrap, self.tls(agency)) as producer:
            for value in values:
                await producer.send_and_wait(submit_topic(agency, self.prefix), value, partition=0)

    # --- what is there -----------------------------------------------------------------------

    async def read(self, topic: str, partition: int = 0, *, committed: bool = True) -> list[Message]:
        """A topic of this federation, read as the super user."""
        return await read_topic(self.bootstrap, self.admin_tls, topic, partition, committed=committed)

    async def ledger(self, agency: AgencyId) -> Ledger:
        return await answered(
            lambda: read_ledger(self.connection(), self.arrangement.domains, agency, self.prefix)
        )

    async def leaves(self, agency: AgencyId) -> list[Leaf]:
        return (await self.ledger(agency)).leaves

    async def ledgers(self) -> dict[AgencyId, Ledger]:
        return {a: await self.ledger(a) for a in self.agencies}

    async def lanes(self, shard: int = 0) -> dict[AgencyId, Restored]:
        """The shard's committed state."""
        found = await self.read(lanes_topic(shard, self.prefix))
        return restore([(m.key or b"", m.value) for m in found])

    async def generation(self, shard: int = 0) -> int:
        return max((r.state.generation for r in (await self.lanes(shard)).values()), default=0)

    def rows(self, agency: AgencyId, query: str) -> list[tuple[object, ...]]:
        """Rows of an agency's store; none while there is no store."""
        try:
            with read_only(self.store_url(agency)) as db:
                return [tuple(row) for row in db.exec_driver_sql(query)]
        except (OperationalError, ProgrammingError):
            return []

    async def counts(self) -> tuple[Audited, Counts]:
        """The audit and the operational count. Every agency must have a store."""
        ledgers = await self.ledgers()
        stores = {a: read_store(self.store_url(a)) for a in self.agencies}
        active = self.source.directory.active(time.time_ns() // 1_000_000)
        return audit(ledgers, stores, active), operational(ledgers)

    async def settled(self, published: int) -> tuple[Audited, Counts]:
        """Wait until so many records are published and nothing is in flight in either count."""
        last: list[tuple[Audited, Counts]] = []

        async def still() -> bool:
            try:
                audited, known = await self.counts()
            except (OperationalError, ProgrammingError):  # a store is not there yet, or not now
                return False
            last[:] = [(audited, known)]
            await asyncio.sleep(0.2)
            return audited.published >= published and not (audited.counts.in_flight or known.in_flight)

        await until(still, f"{published} records settled")
        return last[0]

    async def audit(self, seed: int = 7) -> list[LaneAudit]:
        """Every lane, replayed from its log."""
        return await answered(lambda: audit_lanes(self.connection(), self.arrangement, self.prefix, seed))


async def assert_exact(live: Live, published: int) -> None:
    """Nothing lost, doubled or out of order; both counts conserve and agree; every lane replays equal."""
    audited, known = await live.settled(published)
    assert audited.published == published
    assert (audited.lost, audited.duplicates, audited.out_of_order, audited.leaked) == (0, 0, 0, 0)
    assert audited.counts.conserved
    assert known.conserved
    assert audited.counts.matrix == known.matrix
    assert audited.counts.delivered > 0
    assert [a.differences for a in await live.audit()] == [[] for _ in live.agencies]


async def begun(live: Live, leaves: int, what: str) -> None:
    """Wait for so many leaves in all ledgers together, beside the one that each begins with."""
    await _leaves(live, leaves + len(live.agencies), what)


async def more(live: Live, leaves: int, what: str) -> None:
    """Wait for so many more leaves in all ledgers together; for work that is sure to go on for longer."""
    await _leaves(live, await _total(live) + leaves, what)


async def _leaves(live: Live, wanted: int, what: str) -> None:
    async def enough() -> bool:
        return await _total(live) >= wanted

    await until(enough, what)


async def _total(live: Live) -> int:
    return sum(len(g.leaves) for g in (await live.ledgers()).values())

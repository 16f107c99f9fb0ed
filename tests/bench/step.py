"""The broker's step on a real cluster, against bare Kafka writing of the same messages or the same deliveries.

A *delivery* is one (record, recipient) to whom at least one portion is released. The step packs a recipient's
deliveries of a step into one or a few parcels, each one Kafka message. In turn, in one transaction each:

- `step`: submissions in memory -> fold, sign and pack, write, note in the SQLite index, by the shard's own commits and
  in its own order: the next step is folded while the last one is committed.
- `same`: the Kafka messages that the steps just wrote, byte for byte, by `create_batch` / `send_batch` and no more.
- `single`: the same pipe with a message for each delivery (its entry alone), and the ledger and state messages.
- `send`: those same messages by `await producer.send` one by one.

A round is so many steps in a row, and as many transactions each other way. One more step is made before, alone, to
tell its parts. What is not in it: reading the submit topics, and a reader of the deliveries.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from aiokafka import AIOKafkaProducer

from agencies.drafting import Draft
from agencies.simulation.plan import planned_draft
from broker.admission import SourceMessage
from broker.backlog import take
from broker.commit import Commits, Lanes, Prepared, Signer, Work
from broker.index import SqliteIndex
from broker.kafka import Connection, Producer, Record
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from deploy.kafka.cluster import Cluster
from deploy.stage.work import shares
from deploy.topics import apply_topics
from schemas.clock import IDENTITY_CLOCK, ManualClock
from schemas.entropy import SystemEntropy
from schemas.envelope import DeliveryEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.topics import deliver_topic, transactional_id
from schemas.transport import client_context
from tests.bench.material import message, record, windows
from tests.bench.members import NOW_MS, ORIGINATOR, Members
from tests.bench.rounds import Timer, ratios

WAYS = ("step", "same", "single", "send")
PARTS = ("fold", "pack", "write", "index")
STEPS = 8  # a round

Taken = dict[AgencyId, Sequence[SourceMessage]]


@dataclass(slots=True)
class Load:
    """One federation's step: what it moves, and microseconds a delivery each way."""

    name: str
    shape: dict[str, float] = field(default_factory=dict)
    ways: dict[str, Timer] = field(default_factory=lambda: {w: Timer() for w in WAYS})
    parts: dict[str, Timer] = field(default_factory=lambda: {p: Timer() for p in PARTS})
    asking: Timer = field(default_factory=Timer)
    """The fold before the rulings are warm: the rules are asked for each label class not met so far."""

    def per_second(self, way: str) -> tuple[float, float]:
        """Deliveries a second: the best round and the median."""
        return 1e6 / self.ways[way].low, 1e6 / self.ways[way].median

    def ratio(self, way: str) -> tuple[float, float]:
        """The step's deliveries a second over the other way's: of the best, and the median of the rounds."""
        return ratios(self.ways[way], self.ways["step"])

    def as_json(self) -> dict[str, Any]:
        return {
            **self.shape,
            "steps_a_round": STEPS,
            "rounds": len(self.ways["step"].samples),
            "deliveries_per_s": {
                w: {"best": round(self.per_second(w)[0]), "median": round(self.per_second(w)[1])}
                for w in WAYS
            },
            "step_over": {
                w: {"best": round(self.ratio(w)[0], 3), "median": round(self.ratio(w)[1], 3)}
                for w in WAYS[1:]
            },
            "step_us_a_delivery": {p: t.as_json() for p, t in self.parts.items()},
            "fold_asking_rules_us_a_delivery": self.asking.as_json(),
        }


def planned(members: Members) -> Callable[[AgencyId], Iterator[Draft]]:
    """Drafts of the simulation's plan, as the demo publishes them."""

    def drafts(agency: AgencyId) -> Iterator[Draft]:
        clock, entropy, number = ManualClock(NOW_MS), SystemEntropy(), 0
        while True:
            yield planned_draft(agency, members.directory, 1, number, clock, entropy)
            number += 1

    return drafts


def uniform(members: Members) -> Callable[[AgencyId], Iterator[Draft]]:
    """Records of three portions of 1 KiB for all twelve partners."""

    def drafts(agency: AgencyId) -> Iterator[Draft]:
        while True:
            yield record(members.directory, agency)

    return drafts


class Source:
    """Submissions as a shard would find them: windows of each lane, taken by the shard's rule."""

    def __init__(
        self, members: Members, drafts: Callable[[AgencyId], Iterator[Draft]], shares: dict[AgencyId, int]
    ) -> None:
        """`shares`: how many records each lane adds to a refill, so that lanes keep their proportions."""
        self._sealers = {a: members.sealer(a) for a in shares}
        self._drafts = {a: drafts(a) for a in shares}
        self._shares = shares
        self._next = dict.fromkeys(shares, 1)
        self._offsets = dict.fromkeys(shares, 0)
        self._backlog: dict[AgencyId, deque[SourceMessage]] = {a: deque() for a in shares}

    def take(self) -> Taken:
        """What one step takes, by the shard's own rule."""
        self._refill()
        return take(self._backlog, {})

    def _refill(self) -> None:
        for lane, queue in self._backlog.items():
            if queue:
                continue
            items = [next(self._drafts[lane]) for _ in range(self._shares[lane])]
            for value, count in windows(self._sealers[lane], items, self._next[lane]):
                queue.append(message(value, self._offsets[lane]))
                self._offsets[lane] += 1
                self._next[lane] += count


class Pipe(Producer):
    """The broker's producer, which says how long its last transaction took."""

    spent = 0

    async def transact(self, records: Sequence[Record]) -> None:
        begun = time.perf_counter_ns()
        await super().transact(records)
        self.spent = time.perf_counter_ns() - begun


class Broker:
    """What a shard holds between two steps, without its loop."""

    def __init__(self, members: Members, producer: Pipe, lanes: Sequence[AgencyId], prefix: str) -> None:
        self._members = members
        self._producer = producer
        self._index = SqliteIndex(members.ceremony.broker / f"index-{prefix}sqlite")
        self._versions = members.versions()
        self._lanes = {a: Lane(a, EMPTY_LANE, {}, {}, self._index.lane(a)) for a in lanes}
        signer = Signer(members.arrangement, members.broker_pair, SystemEntropy())
        self._commits = Commits(0, prefix, producer, self._index, self._lanes, signer)

    async def open(self) -> None:
        """Activate the version in each lane."""
        version = self._members.arrangement
        await self._commits.commit(
            lambda now: [
                activate(lane, version.digest, 0, IDENTITY_CLOCK, version.domains) for lane in now.values()
            ]
        )

    def close(self) -> None:
        self._index.close()

    def warm(self, taken: Taken) -> int:
        """Let the rules answer for these labels, and say how long it took; a fold changes no lane."""
        begun = time.perf_counter_ns()
        self._fold(taken)(self._lanes)
        return time.perf_counter_ns() - begun

    def refresh(self) -> None:
        """A verifier that has seen no seal yet."""
        self._versions = self._members.versions()

    def _fold(self, taken: Taken) -> Work:
        versions = self._versions
        return lambda lanes: [fold(lanes[lane], messages, versions) for lane, messages in taken.items()]

    async def apart(self, taken: Taken) -> tuple[Prepared, list[int]]:
        """One step alone, and the nanoseconds of its parts."""
        at = [time.perf_counter_ns()]

        def work(lanes: Lanes) -> Sequence[Folded]:
            folds = self._fold(taken)(lanes)
            at.append(time.perf_counter_ns())
            return folds

        step = self._commits.prepare(work)
        at.append(time.perf_counter_ns())
        self._commits.launch(step)
        await self._commits.land()
        at += [at[-1] + self._producer.spent, time.perf_counter_ns()]
        return step, [b - a for a, b in pairwise(at)]

    async def steps(self, takes: Sequence[Taken]) -> list[Prepared]:
        """Step after step, as `broker.shard` makes them while more is waiting."""
        made: list[Prepared] = []
        for taken in takes:
            step = await asyncio.to_thread(self._commits.prepare, self._fold(taken))
            await self._commits.land()
            self._commits.launch(step)
            made.append(step)
        await self._commits.land()
        return made


def singles(records: Sequence[Record], prefix: str) -> list[Record]:
    """A message for each delivery in the parcels; all other records as they are."""
    out = []
    for one in records:
        if not one.topic.startswith(deliver_topic(AgencyId(""), prefix)):
            out.append(one)
            continue
        out += [
            Record(one.topic, one.partition, None, data)
            for data in parse_parcel(one.value).entries
            if isinstance(parse_deliver_entry(data), DeliveryEntry)
        ]
    return out


class Bare:
    """aiokafka and nothing of ours, with the options of the broker's producer."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def batches(self, records: Sequence[Record]) -> None:
        """One transaction by `create_batch` and `send_batch`."""
        await self._producer.begin_transaction()
        open_batches: dict[tuple[str, int], Any] = {}
        futures = []
        for r in records:
            where = r.topic, r.partition
            batch = open_batches.get(where) or self._producer.create_batch()
            if batch.append(key=r.key, value=r.value, timestamp=None) is None:
                batch.close()
                futures.append(await self._producer.send_batch(batch, r.topic, partition=r.partition))
                batch = self._producer.create_batch()
                batch.append(key=r.key, value=r.value, timestamp=None)
            open_batches[where] = batch
        for (topic, partition), batch in open_batches.items():
            batch.close()
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*futures)
        await self._producer.commit_transaction()

    async def one_by_one(self, records: Sequence[Record]) -> None:
        """One transaction by `send`."""
        await self._producer.begin_transaction()
        futures = [
            await self._producer.send(r.topic, r.value, key=r.key, partition=r.partition) for r in records
        ]
        await asyncio.gather(*futures)
        await self._producer.commit_transaction()


@asynccontextmanager
async def _bare(connection: Connection, name: str) -> AsyncIterator[Bare]:
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap,
        security_protocol="SSL",
        ssl_context=connection.tls,
        transactional_id=name,
        transaction_timeout_ms=60_000,
        max_batch_size=950_000,
        max_request_size=1_000_000,
        retry_backoff_ms=100,
    )
    await producer.start()
    try:
        yield Bare(producer)
    finally:
        await producer.stop()


async def run_step(
    members: Members, cluster: Cluster, load: Load, source: Source, lanes: Sequence[AgencyId], rounds: int
) -> None:
    """Measure one load; two rounds warm and do not count."""
    prefix = f"{load.name}."
    await apply_topics(cluster.bootstrap, cluster.admin_tls, members.agencies, prefix=prefix)
    connection = Connection(cluster.bootstrap, client_context(members.ceremony.broker / "keys"))
    shard = transactional_id(0, prefix)
    async with AsyncExitStack() as stack:
        same = await stack.enter_async_context(_bare(connection, f"{shard}-same"))
        single = await stack.enter_async_context(_bare(connection, f"{shard}-single"))
        send = await stack.enter_async_context(_bare(connection, f"{shard}-send"))
        producer = Pipe(connection, shard)
        stack.push_async_callback(producer.discard)
        await producer.start()
        broker = Broker(members, producer, lanes, prefix)
        stack.callback(broker.close)
        await broker.open()
        for number in range(rounds + 2):
            first, *takes = [source.take() for _ in range(STEPS + 1)]
            asking = broker.warm(first)
            broker.refresh()
            one, times = await broker.apart(first)
            for taken in takes:
                broker.warm(taken)
            broker.refresh()
            begun = time.perf_counter_ns()
            steps = await broker.steps(takes)
            spent = time.perf_counter_ns() - begun
            bare = [
                await _timed(same.batches, [step.records for step in steps]),
                *[
                    await _timed(way, [singles(step.records, prefix) for step in steps])
                    for way in (single.batches, send.one_by_one)
                ],
            ]
            if number < 2:
                continue
            load.asking.add(asking, _deliveries(one))
            load.shape = _shape(one, singles(one.records, prefix))
            for part, took in zip(PARTS, times, strict=True):
                load.parts[part].add(took, _deliveries(one))
            for way, took in zip(WAYS, (spent, *bare), strict=True):
                load.ways[way].add(took, sum(map(_deliveries, steps)))


async def _timed(
    way: Callable[[Sequence[Record]], Awaitable[None]], transactions: Sequence[Sequence[Record]]
) -> int:
    begun = time.perf_counter_ns()
    for records in transactions:
        await way(records)
    return time.perf_counter_ns() - begun


def _deliveries(step: Prepared) -> int:
    return sum(len(f.shares) for f in step.folds)


def _shape(step: Prepared, apart: Sequence[Record]) -> dict[str, float]:
    folds, records, deliveries = step.folds, step.records, _deliveries(step)
    admitted = len({share.alike.start for f in folds for _, share in f.shares})
    portions = sum(len(share.wraps) for f in folds for _, share in f.shares)
    return {
        "records_released": admitted,
        "deliveries": deliveries,
        "portions_a_delivery": round(portions / deliveries, 2),
        "messages": len(records),
        "megabytes": round(sum(len(r.value) for r in records) / 1e6, 2),
        "messages_one_each": len(apart),
        "megabytes_one_each": round(sum(len(r.value) for r in apart) / 1e6, 2),
    }


async def run_steps(small: Members, wide: Members, cluster: Cluster, rounds: int) -> list[Load]:
    """Both loads, on one cluster."""
    loads = [Load("wide"), Load("planned")]
    await run_step(
        wide, cluster, loads[0], Source(wide, uniform(wide), {ORIGINATOR: 500}), [ORIGINATOR], rounds
    )
    counts = shares(small.directory, 500)
    await run_step(small, cluster, loads[1], Source(small, planned(small), counts), list(counts), rounds)
    return loads

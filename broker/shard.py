"""The worker of a shard: poll its lanes, fold, and commit each step in one Kafka transaction.

The recipe of kafka-notes 3 and 9, in its order:
- who owns the shard is looked up before InitProducerId and after it; a later generation means: stop;
- the guard: a partition that only this shard writes and that still has an open transaction means: stop;
- state, then index, then activations, then the claim, then the lanes are read from where the state says;
- any error in a step: rebuild from what is committed and fold again. The fold is deterministic, so what an
  aborted attempt left readable to careless readers is what the next one commits.
"""

import asyncio
import logging
from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiokafka.errors import ProducerFenced

from broker.admission import SourceMessage
from broker.errors import BrokerError, HungTransaction, StepFailed, Stuck, Zombie
from broker.index import MemoryIndex, SqliteIndex
from broker.kafka import Connection, Producer, Reader, Record, read_all, up
from broker.lane import EMPTY_LANE, Folded, Lane, activate, apply, fold
from broker.step import Outputs, Restored, build_step, claim, restore
from broker.versions import Version, make_version
from schemas.arrangement import Arrangement, ArrangementError, verify_genesis, verify_successor
from schemas.clock import IDENTITY_CLOCK, ClockMap
from schemas.entropy import Entropy
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import LeafEntry, RulingEntry, parse_ledger_entry
from schemas.rulings import ruling_digest
from schemas.stopping import stop_if_asked
from schemas.topics import (
    arrangement_topic,
    deliver_topic,
    lanes_topic,
    ledger_topic,
    submit_topic,
    transactional_id,
)

log = logging.getLogger("entente.broker.shard")

_STEP_LIMIT_S = 6.0  # less than the transaction timeout of 10 s
_STEP_BYTES = 1_500_000
_GUARD_S = 5.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """What a worker needs to know beside the cluster."""

    shard: int
    prefix: str
    genesis: Digest
    index_path: Path
    clock: ClockMap = IDENTITY_CLOCK


@dataclass(slots=True)
class _Lanes:
    """The shard's lanes as committed, and messages read but not folded yet."""

    by_id: dict[AgencyId, Lane] = field(default_factory=dict)
    backlog: dict[AgencyId, deque[SourceMessage]] = field(default_factory=dict)


def take(backlog: dict[AgencyId, deque[SourceMessage]]) -> dict[AgencyId, Sequence[SourceMessage]]:
    """Messages of every lane in turn, until the step is full: no lane waits for another's flood."""
    taken: dict[AgencyId, Sequence[SourceMessage]] = {}
    share = _STEP_BYTES // max(1, sum(bool(q) for q in backlog.values()))
    for lane, queue in sorted(backlog.items()):
        messages, size = list[SourceMessage](), 0
        while queue and (not messages or size + len(queue[0].value) <= share):
            size += len(queue[0].value)
            messages.append(queue.popleft())
        if messages:
            taken[lane] = messages
    return taken


class Shard:
    """One shard, served until cancelled. `run` ends only by an exception: `Zombie`, `HungTransaction`, `Stuck`."""

    def __init__(
        self,
        settings: ShardSettings,
        connection: Connection,
        pair: SigningPair,
        entropy: Entropy,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._pair = pair
        self._entropy = entropy
        self._on_ready = on_ready
        self._generation: int | None = None
        self._producer: Producer | None = None
        self._reader: Reader | None = None
        self._index: SqliteIndex | None = None
        self._versions: dict[Digest, Version] = {}
        self._genesis: Version | None = None
        self._lanes = _Lanes()
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve the shard."""
        failures: deque[str] = deque(maxlen=_TRIES)
        try:
            while True:
                try:
                    await self._rebuild()
                    self._on_ready()
                    while True:
                        stop_if_asked()
                        if await self._poll():
                            await self._step()
                            failures.clear()
                except (Zombie, HungTransaction, Stuck, ArrangementError):
                    raise
                except Exception as error:
                    # Cancellation passes by; all else is broken infrastructure until it fails three times alike.
                    log.warning("step failed (%s: %s), rebuilding", type(error).__name__, error)
                    self._count(failures, error)
                    # Fenced means a newer owner, or a transaction that took too long: the state tells, soon.
                    await asyncio.sleep(0.5 if isinstance(error, ProducerFenced) else 0.1)
        finally:
            await self.close()

    def _count(self, failures: deque[str], error: Exception) -> None:
        """Three identical failures of the fold itself at the same offsets: stop loudly, skip nothing."""
        if isinstance(error, StepFailed):
            at = {lane.id: lane.state.next_offset for lane in self._lanes.by_id.values()}
            failures.append(f"{error} at {sorted(at.items())}")
            if len(failures) == _TRIES and len(set(failures)) == 1:
                raise Stuck(f"three identical failures: {failures[0]}") from error

    async def close(self) -> None:
        """Let go of clients and files; the next owner ends what is open."""
        self._drop(self._producer, self._reader)
        self._producer = self._reader = None
        if self._background:
            await asyncio.wait(self._background, timeout=5)
        if self._index is not None:
            self._index.close()
            self._index = None

    def _drop(self, producer: Producer | None, reader: Reader | None) -> None:
        """Discard clients in the background: stopping a broken one may wait for ever (H3, H6)."""
        for ending in ([producer.discard()] if producer else []) + ([reader.stop()] if reader else []):
            task = asyncio.ensure_future(ending)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    # --- rebuild -----------------------------------------------------------------------------

    async def _rebuild(self) -> None:
        s = self._settings
        self._drop(self._producer, self._reader)
        self._producer = self._reader = None
        await up(self._connection)
        if self._generation is not None:
            await self._check_owner()
        self._producer = Producer(self._connection, transactional_id(s.shard, s.prefix))
        await self._producer.start()
        await self._load_versions()
        await self._guard()
        restored = await self._read_state()
        newest = max((r.state.generation for r in restored.values()), default=0)
        if self._generation is None:
            self._generation = newest + 1
        elif newest > self._generation:
            raise Zombie(f"shard {s.shard} is owned by generation {newest}, mine is {self._generation}")
        await self._open_lanes(restored)
        await self._claim()
        await self._seek()
        log.info(
            "shard %d owned, generation %d, lanes %s", s.shard, self._generation, sorted(self._lanes.by_id)
        )

    async def _check_owner(self) -> None:
        """Look before fencing: a woken zombie must not knock out the owner."""
        assert self._generation is not None
        newest = max((r.state.generation for r in (await self._read_state()).values()), default=0)
        if newest > self._generation:
            raise Zombie(f"shard {self._settings.shard} is owned by generation {newest}")

    async def _load_versions(self) -> None:
        """The chain of versions from the pinned genesis. Raises: `ArrangementError`."""
        if self._versions:
            return
        current: Arrangement | None = None
        async for message, _ in read_all(self._connection, arrangement_topic(self._settings.prefix)):
            if current is None:
                current = verify_genesis(message.value, self._settings.genesis)
            else:
                current = verify_successor(message.value, current)
            version = make_version(current)
            self._versions[current.digest] = version
            self._genesis = self._genesis or version
        if current is None:
            raise ArrangementError("the arrangement topic holds no version")
        if current.body.broker.public() != self._pair.public:
            raise ArrangementError("the arrangement's key for the broker is not that of its key folder")

    @property
    def _own_lanes(self) -> list[AgencyId]:
        assert self._genesis is not None
        directory = self._genesis.arrangement.directory
        return [a for a in directory.agency_ids if directory.shard_of(a) == self._settings.shard]

    def _written(self) -> list[tuple[str, int]]:
        """Every partition that this shard writes, and nobody else does."""
        assert self._genesis is not None
        s = self._settings
        return [
            (lanes_topic(s.shard, s.prefix), 0),
            *((ledger_topic(a, s.prefix), 0) for a in self._own_lanes),
            *((deliver_topic(a, s.prefix), s.shard) for a in self._genesis.arrangement.directory.agency_ids),
        ]

    async def _guard(self) -> None:
        """After InitProducerId nothing of ours is open; if a partition says otherwise, stop (kafka-notes 9, F1)."""
        partitions = self._written()
        committed, uncommitted = Reader(self._connection), Reader(self._connection, committed=False)
        try:
            await committed.start()
            await uncommitted.start()
            deadline = asyncio.get_running_loop().time() + _GUARD_S
            while True:
                high = await uncommitted.ends(partitions)
                stable = await committed.ends(partitions)
                hung = sorted(tp for tp in partitions if stable[tp] < high[tp])
                if not hung:
                    return
                if asyncio.get_running_loop().time() > deadline:
                    log.critical("open transaction on %s after InitProducerId: stopping", hung)
                    raise HungTransaction(f"open transaction on {hung[0][0]}[{hung[0][1]}]")
                await asyncio.sleep(0.2)
        finally:
            await committed.stop()
            await uncommitted.stop()

    async def _read_state(self) -> dict[AgencyId, Restored]:
        topic = lanes_topic(self._settings.shard, self._settings.prefix)
        return restore([(key or b"", m.value) async for m, key in read_all(self._connection, topic)])

    async def _open_lanes(self, restored: dict[AgencyId, Restored]) -> None:
        """Lanes from their committed state, over an index that knows exactly their ledgers."""
        assert self._genesis is not None
        if self._index is None:
            self._index = SqliteIndex(self._settings.index_path)
        self._lanes = _Lanes()
        fresh = []
        for lane_id in self._own_lanes:
            known = restored.get(lane_id) or Restored(EMPTY_LANE)
            await self._catch_up(lane_id, known.state.ledger.size)
            lane = Lane(lane_id, known.state, known.heads, known.capsules, self._index.lane(lane_id))
            self._lanes.by_id[lane_id] = lane
            self._lanes.backlog[lane_id] = deque()
            if not lane.state.versions:
                fresh.append(lane)
        if fresh:
            genesis = self._genesis.arrangement
            clock = self._settings.clock
            await self._commit(
                lambda: [activate(lane, genesis.digest, 0, clock, genesis.domains) for lane in fresh]
            )

    async def _catch_up(self, lane: AgencyId, leaves: int) -> None:
        """Make the index hold exactly the lane's first `leaves` ledger leaves."""
        assert self._index is not None
        assert self._genesis is not None
        if self._index.leaves(lane) > leaves:
            self._index.forget(lane)
        have = self._index.leaves(lane)
        if have == leaves:
            return
        domains = self._genesis.arrangement.domains
        delta = MemoryIndex(self._index.lane(lane))
        number = 0
        async for message, _ in read_all(self._connection, ledger_topic(lane, self._settings.prefix)):
            parcel = parse_parcel(message.value)
            number = parcel.first
            for data in parcel.entries:
                entry = parse_ledger_entry(data)
                if isinstance(entry, RulingEntry):
                    delta.learn(entry, ruling_digest(domains, entry.ruling))
                elif isinstance(entry, LeafEntry):
                    if have <= number < leaves:
                        delta.learn(entry)
                    number += 1
        if number < leaves:
            raise BrokerError(f"ledger of '{lane}' ends at leaf {number}, its state says {leaves}")
        self._index.store([(lane, leaves, delta)])

    async def _claim(self) -> None:
        """Make the ownership visible: every lane's state with this generation, in a transaction of its own."""
        assert self._producer is not None
        assert self._generation is not None
        s = self._settings
        records = []
        for lane in self._lanes.by_id.values():
            lane.state = msgspec.structs.replace(lane.state, generation=self._generation)
            key, value = claim(lane.id, lane.state)
            records.append(Record(lanes_topic(s.shard, s.prefix), 0, key, value))
        await asyncio.wait_for(self._producer.transact(records), _STEP_LIMIT_S)

    async def _seek(self) -> None:
        self._reader = Reader(self._connection, fetch_wait_ms=50)
        await self._reader.start()
        prefix = self._settings.prefix
        self._reader.assign(
            {(submit_topic(i, prefix), 0): lane.state.next_offset for i, lane in self._lanes.by_id.items()}
        )

    # --- the loop ----------------------------------------------------------------------------

    async def _poll(self) -> bool:
        """Read on; True when there is something to fold."""
        assert self._reader is not None
        waiting = any(self._lanes.backlog.values())
        lanes = {submit_topic(i, self._settings.prefix): i for i in self._lanes.by_id}
        for topic, messages in (await self._reader.poll(0 if waiting else 200, 64)).items():
            self._lanes.backlog[lanes[topic]].extend(m for m, _ in messages)
        return any(self._lanes.backlog.values())

    async def _step(self) -> None:
        """Fold what waits, up to a bound of bytes, and commit it."""
        taken = take(self._lanes.backlog)
        await self._commit(
            lambda: [
                fold(self._lanes.by_id[lane], messages, self._versions) for lane, messages in taken.items()
            ]
        )

    async def _commit(self, work: Callable[[], Sequence[Folded]]) -> None:
        """One transaction for everything that the folds say; then, and only then, they are the state.

        Raises: `StepFailed` for what the pure part raises: it would raise it again.
        """
        assert self._producer is not None
        assert self._genesis is not None
        assert self._index is not None
        try:
            folds = work()
            outputs = build_step(
                [(f, ChainMap(f.capsules, self._lanes.by_id[f.lane].capsules)) for f in folds],
                self._genesis.arrangement,
                self._pair,
                self._entropy,
            )
        except (MemoryError, OSError):
            raise
        except Exception as error:
            raise StepFailed(f"{type(error).__name__}: {error}") from error
        # The limit is the transaction's: no transaction is open while the folds are computed.
        await asyncio.wait_for(self._producer.transact(list(self._records(outputs))), _STEP_LIMIT_S)
        self._index.store([(f.lane, f.state.ledger.size, f.index) for f in folds])
        for folded in folds:
            apply(self._lanes.by_id[folded.lane], folded)
            for alarm in folded.alarms:
                log.warning("lane '%s': %s", folded.lane, alarm)

    def _records(self, outputs: Outputs) -> Iterable[Record]:
        s = self._settings
        for agency, value in outputs.deliver:
            yield Record(deliver_topic(agency, s.prefix), s.shard, None, value)
        for agency, value in outputs.ledger:
            yield Record(ledger_topic(agency, s.prefix), 0, None, value)
        for key, value in outputs.state:
            yield Record(lanes_topic(s.shard, s.prefix), 0, key, value)

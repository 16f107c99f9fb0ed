"""The worker of a shard: poll its lanes, fold, and commit each step in one Kafka transaction.

The recipe of kafka-notes 3 and 9, in its order:
- who owns the shard is looked up before InitProducerId and after it; a later generation means: stop;
- the guard: a partition that only this shard writes and that still has an open transaction means: stop;
- state, then index, then activations, then the claim, then the lanes are read from where the state says;
- what was newly signed (a version, a clock) takes effect in each lane at its log end as read after the producer
  started, which no earlier attempt can have passed: what lies before is decided under the old one;
- the next step is folded while the last one is committed (`broker.commit`);
- the pair that signs is the one that the newest version names, from when it is read (`broker.keystore`);
- at a fixed cadence, between steps, a round (`broker.rounds`): of what is committed, in a transaction of its own;
- who was fenced stands back, the longer the more often, and looks whether another has the shard now: several that start
  together would else fence each other for ever;
- any error in a step: rebuild from what is committed and fold again. The fold is deterministic, so what an
  aborted attempt left readable to careless readers is what the next one commits.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiokafka.errors import ProducerFenced

from broker.backlog import Backlog, Taken
from broker.commit import Commits, Lanes, Prepared, Signer
from broker.errors import HungTransaction, Moved, NoKey, StepFailed, Stuck, Zombie
from broker.fenced import Fenced
from broker.index import SqliteIndex
from broker.kafka import Connection, Producer, Reader, Record, read_all, up
from broker.keystore import Keystore
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.recovery import catch_up, guard, read_state
from broker.rounds import Cadence, Rounds
from broker.signed import Signed
from broker.step import Restored, claim
from schemas.arrangement import Arrangement, ArrangementError
from schemas.entropy import Entropy
from schemas.frames import BadFrame
from schemas.history import Standing
from schemas.ids import AgencyId, Digest
from schemas.logs import about, told
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

_PAUSE_S = 0.25
_TRIES = 3
_LOOK_S = 0.5  # between two looks at whether another owns the shard


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """What a worker needs to know beside the cluster."""

    shard: int
    prefix: str
    genesis: Digest
    index_path: Path
    heads_every_s: float = 60.0


class Shard:
    """One shard, served until cancelled. `run` ends only by an exception.

    `Zombie`, `HungTransaction`, `Stuck`, `Moved`, `NoKey`; `ArrangementError` if what was signed is not to be believed.
    """

    def __init__(
        self,
        settings: ShardSettings,
        connection: Connection,
        keystore: Keystore,
        entropy: Entropy,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._near = connection
        """By the cluster node that answered first when the clients were last made."""
        self._keystore = keystore
        self._entropy = entropy
        self._on_ready = on_ready
        self._generation: int | None = None
        self._fenced = Fenced(entropy)
        self._back_until = 0.0
        self._producer: Producer | None = None
        self._reader: Reader | None = None
        self._index: SqliteIndex | None = None
        self._signed = Signed(settings.genesis)
        self._commits: Commits | None = None
        self._folding: asyncio.Future[Prepared] | None = None
        self._lanes: dict[AgencyId, Lane] = {}
        self._backlog = Backlog()
        self._cadence = Cadence(settings.heads_every_s, time.monotonic())
        self._signer: Signer | None = None
        self._rounds: Rounds | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve the shard."""
        with about(shard=self._settings.shard):
            await self._run()

    async def _run(self) -> None:
        failures: deque[str] = deque(maxlen=_TRIES)
        try:
            while True:
                stop_if_asked()
                try:
                    await self._stand_back()
                    await self._rebuild()
                    self._on_ready()
                    await self._serve(failures)
                except (Zombie, HungTransaction, Stuck, Moved, NoKey, ArrangementError):
                    raise
                except Exception as error:
                    # Cancellation passes by; all else is broken infrastructure until it fails three times alike.
                    log.warning("step failed (%s), rebuilding", told(error))
                    self._count(failures, error)
                    if isinstance(error, sqlite3.Error):
                        self._discard_index()
                    if isinstance(error, ProducerFenced):
                        now = time.monotonic()
                        self._back_until = now + self._fenced.back_s(now, owner=self._generation is not None)
                    await asyncio.sleep(0.1)
        finally:
            await self.close()

    def _count(self, failures: deque[str], error: Exception) -> None:
        """Three identical failures over the same bytes: stop loudly, skip nothing."""
        if isinstance(error, StepFailed | BadFrame | LookupError | msgspec.MsgspecError):
            at = {lane.id: lane.state.next_offset for lane in self._lanes.values()}
            failures.append(f"{told(error)} at {sorted(at.items())}")
            if len(failures) == _TRIES and len(set(failures)) == 1:
                raise Stuck(f"three identical failures: {failures[0]}") from error

    async def close(self) -> None:
        """Let go of clients and files; the next owner ends what is open."""
        await self._let_go()
        if self._background:
            await asyncio.wait(self._background, timeout=5)
        if self._index is not None:
            self._index.close()
            self._index = None

    async def _let_go(self) -> None:
        """Discard clients in the background: stopping a broken one may wait for ever (H3, H6)."""
        producer, reader, commits = self._producer, self._reader, self._commits
        self._producer = self._reader = self._commits = None
        if self._folding is not None:
            await asyncio.wait([self._folding])  # it reads the index, and is bounded as a step is
            self._folding.exception()  # retrieved, so that nobody is told of it later
            self._folding = None
        if commits is not None:
            await commits.discard()
        for ending in ([producer.discard()] if producer else []) + ([reader.stop()] if reader else []):
            task = asyncio.ensure_future(ending)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    # --- rebuild -----------------------------------------------------------------------------

    async def _rebuild(self) -> None:
        s = self._settings
        await self._let_go()
        self._near = await up(self._connection)
        # First: who has the wrong key or genesis must not fence the owner
        await self._signed.load(self._near, arrangement_topic(s.prefix))
        self._take_up_key()
        if self._generation is not None:
            await self._check_owner()
        self._producer = Producer(self._near, transactional_id(s.shard, s.prefix))
        await self._producer.start()
        await guard(self._near, self._written())
        restored = await self._read_state()
        newest = max((r.state.generation for r in restored.values()), default=0)
        if self._generation is not None and newest > self._generation:
            raise Zombie(f"shard {s.shard} is owned by generation {newest}, mine is {self._generation}")
        await self._open_lanes(restored)
        # Mine only once it is committed: two that start together would else hold the same number, and fence
        # each other for ever.
        self._generation = await self._claim(self._generation or newest + 1)
        await self._seek()
        log.info("shard %d owned, generation %d, lanes %s", s.shard, self._generation, sorted(self._lanes))

    async def _stand_back(self) -> None:
        """Fenced means a newer owner, one that begins, or a transaction that took too long: the state tells, soon."""
        if time.monotonic() < self._back_until:
            await self._let_go()
        while (left := self._back_until - time.monotonic()) > 0:
            stop_if_asked()
            if self._generation is not None:
                await self._check_owner()
            await asyncio.sleep(min(left, _LOOK_S))

    async def _check_owner(self) -> None:
        """Look before fencing: a woken zombie must not knock out the owner."""
        assert self._generation is not None
        newest = max((r.state.generation for r in (await self._read_state()).values()), default=0)
        if newest > self._generation:
            raise Zombie(f"shard {self._settings.shard} is owned by generation {newest}")

    def _take_up_key(self) -> None:
        """Sign by the key that the newest version names. Raises: `NoKey`.

        At once for all lanes, though each turns to the version at an offset of its own: one seal covers heads of
        lanes on both sides of their turns, and a reader believes the keys of every version on the topic, which this
        one was before we could read it.
        """
        arrangement = self._signed.standing.arrangement
        pair = self._keystore.pair_of(arrangement)
        if self._signer is not None and self._signer.pair.public == pair.public:
            return
        self._signer = Signer(self._genesis, pair, self._entropy)
        # New rounds know no ledger as signed, so that the next one signs all of them by this key, moved or not.
        self._rounds = Rounds(self._genesis, pair, self._entropy)
        if self._commits is not None:
            self._commits.signer = self._signer
        key_id = pair.public.key_id(arrangement.domains)
        log.info("signs by key %s of version %d", key_id.hex()[:16], arrangement.body.number)

    @property
    def _genesis(self) -> Arrangement:
        return self._signed.genesis.arrangement

    @property
    def _own_lanes(self) -> list[AgencyId]:
        directory = self._signed.standing.arrangement.directory
        return [a for a in directory.agency_ids if directory.shard_of(a) == self._settings.shard]

    def _written(self) -> list[tuple[str, int]]:
        """Every partition that this shard writes, and nobody else does."""
        s = self._settings
        return [
            (lanes_topic(s.shard, s.prefix), 0),
            *((ledger_topic(a, s.prefix), 0) for a in self._own_lanes),
            *((deliver_topic(a, s.prefix), s.shard) for a in self._genesis.directory.agency_ids),
        ]

    async def _read_state(self) -> dict[AgencyId, Restored]:
        return await read_state(self._near, lanes_topic(self._settings.shard, self._settings.prefix))

    async def _open_lanes(self, restored: dict[AgencyId, Restored]) -> None:
        """Lanes from their committed state, over an index that knows exactly their ledgers."""
        assert self._producer is not None
        assert self._signer is not None
        if self._index is None:
            self._index = SqliteIndex(self._settings.index_path)
        self._lanes, self._backlog = {}, Backlog()
        fresh = []
        for lane_id in self._own_lanes:
            known = restored.get(lane_id) or Restored(EMPTY_LANE)
            topic = ledger_topic(lane_id, self._settings.prefix)
            if lane_id not in restored:
                await self._is_new(lane_id, topic)
            await catch_up(
                self._near, self._index, lane_id, known.state.ledger.size, topic, self._genesis.domains
            )
            lane = Lane(lane_id, known.state, known.heads, known.capsules, self._index.lane(lane_id))
            self._lanes[lane_id] = lane
            self._backlog.queues[lane_id] = deque()
            if not lane.state.versions:
                fresh.append(lane_id)
        s = self._settings
        self._commits = Commits(s.shard, s.prefix, self._producer, self._index, self._lanes, self._signer)
        if fresh:
            genesis, clock = self._signed.genesis
            await self._commits.commit(
                lambda now: [activate(now[i], genesis.digest, 0, clock, genesis.domains) for i in fresh]
            )

    async def _is_new(self, lane: AgencyId, topic: str) -> None:
        """A lane without a state is at its beginning, or its state is with another shard. Raises: `Moved`."""
        async for _ in read_all(self._near, topic):
            shard = self._settings.shard
            raise Moved(f"lane '{lane}' has a ledger and no state in shard {shard}: run `entente reshard`")

    def _discard_index(self) -> None:
        """An index that SQLite cannot use is only a cache: it is built anew from the ledgers."""
        if self._index is not None:
            with contextlib.suppress(sqlite3.Error):
                self._index.close()
            self._index = None
        SqliteIndex.discard(self._settings.index_path)

    async def _claim(self, generation: int) -> int:
        """Make the ownership visible: every lane's state with this generation, in a transaction of its own."""
        assert self._commits is not None
        s = self._settings
        records = []
        for lane in self._lanes.values():
            lane.state = msgspec.structs.replace(lane.state, generation=generation)
            key, value = claim(lane.id, lane.state)
            records.append(Record(lanes_topic(s.shard, s.prefix), 0, key, value))
        await self._commits.write(records)
        return generation

    async def _seek(self) -> None:
        self._reader = Reader(self._near, fetch_wait_ms=50)
        await self._reader.start()
        prefix = self._settings.prefix
        lanes = {(submit_topic(i, prefix), 0): lane.state.next_offset for i, lane in self._lanes.items()}
        self._reader.assign({**lanes, (arrangement_topic(prefix), 0): self._signed.next})
        await self._turn()
        await self._activate()

    # --- the loop ----------------------------------------------------------------------------

    async def _serve(self, failures: deque[str]) -> None:
        """Step after step; the next one is folded while the last one is committed."""
        commits = self._commits
        assert commits is not None
        launched = 0.0
        while True:
            stop_if_asked()
            await self._poll()
            if not self._backlog.full and await commits.land():
                failures.clear()
                # A transaction costs by the partition and not by the record: when it was slow, let what arrives
                # meanwhile share the next one, unless that one is full already.
                await asyncio.sleep(min(time.monotonic() - launched, _PAUSE_S))
            taken = self._backlog.take()
            step = await self._prepare(taken) if taken else None
            if await commits.land():
                failures.clear()
            if step is not None:
                launched = time.monotonic()
                commits.launch(step)
            await self._activate()
            if self._cadence.due(time.monotonic()):
                await self._round()

    async def _round(self) -> None:
        """Tell everybody where the chains stand and sign the ledgers that moved: one transaction."""
        assert self._commits is not None
        assert self._rounds is not None
        await self._commits.land()  # of what is committed, never of a step in flight
        try:
            # In a thread: it signs much, and changes nothing.
            outputs = await asyncio.to_thread(self._rounds.make, self._lanes, time.time_ns() // 1_000_000)
        except ValueError as error:
            raise StepFailed(f"round: {error}") from error
        await self._commits.write(list(self._commits.records(outputs)))
        self._rounds.committed(self._lanes)
        self._cadence.kept(time.monotonic())

    async def _prepare(self, taken: Taken) -> Prepared:
        commits, versions = self._commits, self._signed.versions
        assert commits is not None

        def work(lanes: Lanes) -> list[Folded]:
            return [fold(lanes[lane], messages, versions) for lane, messages in taken.items()]

        # In a thread: most of the time the other one, the loop, waits for the cluster to take the last step
        self._folding = asyncio.ensure_future(asyncio.to_thread(commits.prepare, work))
        try:
            return await asyncio.shield(self._folding)
        except Exception:
            await commits.land()
            raise

    async def _poll(self) -> None:
        """Read on; wait for something only if nothing else is to be done."""
        assert self._reader is not None
        assert self._commits is not None
        busy = self._backlog.waiting or self._commits.flying
        prefix, heard = self._settings.prefix, self._signed.next
        lanes = {submit_topic(i, prefix): i for i in self._lanes}
        self._reader.hold([submit_topic(i, prefix) for i in self._backlog.flooded])
        for topic, messages in (await self._reader.poll(0 if busy else 200, 64)).items():
            if topic == arrangement_topic(prefix):
                for message, _ in messages:
                    self._signed.hear(message.offset, message.value)
            else:
                self._backlog.add(lanes[topic], (m for m, _ in messages))
        if self._signed.next > heard:
            if self._own_lanes != list(self._lanes):
                number = self._signed.standing.arrangement.body.number
                raise Moved(
                    f"version {number} moves lanes of shard {self._settings.shard}: run `entente reshard`"
                )
            self._take_up_key()
            await self._turn()

    def _due(self, lane: Lane) -> list[Standing]:
        """What the lane has still to activate."""
        return self._signed.after(Digest(lane.state.versions[0]), lane.state.clock)

    async def _turn(self) -> None:
        """Set where each lane turns to what was newly signed: at its log end as it is now."""
        assert self._reader is not None
        prefix, turns = self._settings.prefix, self._backlog.turns
        turning = {
            (submit_topic(i, prefix), 0): i
            for i, lane in self._lanes.items()
            if i not in turns and self._due(lane)
        }
        if turning:
            ends = await self._reader.ends(turning)
            turns.update({lane: ends[place] for place, lane in turning.items()})

    async def _activate(self) -> None:
        """Let the lanes that have come to their turn activate all that is due, in transactions of their own."""
        lanes, turns, commits = self._lanes, self._backlog.turns, self._commits
        assert commits is not None
        if turns:
            await commits.land()
        while ready := {i: lanes[i] for i, t in turns.items() if lanes[i].state.next_offset >= t}:
            await commits.commit(lambda now: [self._next_activation(now[i]) for i in ready])
            for lane_id, lane in ready.items():
                if not self._due(lane):
                    del turns[lane_id]
                    log.info(
                        "lane '%s': version and clock of leaf %d hold", lane_id, lane.state.ledger.size - 1
                    )

    def _next_activation(self, lane: Lane) -> Folded:
        arrangement, clock = self._due(lane)[0]
        return activate(lane, arrangement.digest, lane.state.next_offset, clock, arrangement.domains)

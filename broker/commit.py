"""Commit: what folds decided becomes one Kafka transaction, and then, and only then, the state of the lanes.

- `prepare` folds, signs and packs; `launch` begins the transaction; `land` waits for it and makes the folds the state.
- While a transaction is in flight, the next step is prepared on top of it: a fold is pure, and reads lanes as they will
  be (`ahead`). If the transaction fails, both are thrown away and folded again from what is committed, to the same.
- One transaction is in flight at most, and what `land` raises leaves the lanes as they were.
- Another `signer` may follow between two steps: seals are no part of a fold.
"""

import asyncio
import logging
import sqlite3
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from broker.errors import StepFailed
from broker.index import SqliteIndex
from broker.kafka import Producer, Record
from broker.lane import Folded, Lane, ahead, apply
from broker.step import Outputs, build_step
from schemas.arrangement import Arrangement
from schemas.entropy import Entropy
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.logs import told
from schemas.topics import deliver_topic, lanes_topic, ledger_topic

log = logging.getLogger("entente.broker.commit")

STEP_LIMIT_S = 6.0  # less than the transaction timeout of 10 s


Lanes = Mapping[AgencyId, Lane]
Work = Callable[[Lanes], Sequence[Folded]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Folds, and all that one transaction must write for them to be true."""

    folds: Sequence[Folded]
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Signer:
    """With what chain heads are signed: the arrangement's suite and domains, the broker's pair."""

    arrangement: Arrangement
    pair: SigningPair
    entropy: Entropy


class Commits:
    """The commits of one owner of a shard, over its lanes; thrown away with its producer."""

    def __init__(
        self, shard: int, prefix: str, producer: Producer, index: SqliteIndex, lanes: Lanes, signer: Signer
    ) -> None:
        self._shard = shard
        self._prefix = prefix
        self._producer = producer
        self._index = index
        self._lanes = lanes
        self.signer = signer
        self._flight: tuple[Prepared, asyncio.Task[None]] | None = None

    @property
    def flying(self) -> bool:
        """Whether a transaction has been launched and has not landed."""
        return self._flight is not None

    def prepare(self, work: Work) -> Prepared:
        """Fold on top of what is in flight. May run in another thread than the loop's.

        Raises: `StepFailed` for what the pure part raises: it would raise it again.
        """
        lanes = dict(self._lanes)
        if self._flight is not None:
            lanes |= {folded.lane: ahead(lanes[folded.lane], folded) for folded in self._flight[0].folds}
        try:
            folds = work(lanes)
            outputs = build_step(
                [(f, ChainMap(f.capsules, lanes[f.lane].capsules)) for f in folds],
                self.signer.arrangement,
                self.signer.pair,
                self.signer.entropy,
            )
        except (MemoryError, OSError, sqlite3.Error):
            raise
        except Exception as error:
            raise StepFailed(told(error)) from error
        return Prepared(folds, list(self.records(outputs)))

    def launch(self, step: Prepared) -> None:
        """Begin the transaction of the step that was prepared last, once what it rests on has landed."""
        assert self._flight is None
        for folded in step.folds:  # else each step would keep the one before it
            folded.index.rest_on(self._lanes[folded.lane].index)
        self._flight = step, asyncio.create_task(self._transact(step.records))

    async def _transact(self, records: Sequence[Record]) -> None:
        await asyncio.wait_for(self._producer.transact(records), STEP_LIMIT_S)

    async def land(self) -> bool:
        """Wait for what is in flight, and make it the state. False: nothing was. Raises: whatever ended it."""
        if self._flight is None:
            return False
        step, task = self._flight
        try:
            await task
        finally:
            if task.done():
                self._flight = None
        before = {f.lane: self._lanes[f.lane].state.ledger.size for f in step.folds}
        self._index.store([(f.lane, before[f.lane], f.state.ledger.size, f.index) for f in step.folds])
        log.debug("committed: %d messages of %d lanes", len(step.records), len(step.folds))
        for folded in step.folds:
            apply(self._lanes[folded.lane], folded)
            for alarm in folded.alarms:
                log.warning("lane '%s': %s", folded.lane, alarm, extra={"lane": folded.lane})
        return True

    async def commit(self, work: Work) -> None:
        """One transaction for everything that the folds say, from fold to state."""
        await self.land()
        self.launch(self.prepare(work))
        await self.land()

    async def write(self, records: Sequence[Record]) -> None:
        """A transaction that says nothing that a fold would, after what is in flight."""
        await self.land()
        await self._transact(records)

    async def discard(self) -> None:
        """Forget what is in flight: its fate is in the state that the next owner reads."""
        if self._flight is not None:
            _, task = self._flight
            self._flight = None
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # retrieved, so that nobody is told of it later

    def records(self, outputs: Outputs) -> Iterable[Record]:
        """What a transaction writes for these outputs."""
        shard, prefix = self._shard, self._prefix
        for agency, value in outputs.deliver:
            yield Record(deliver_topic(agency, prefix), shard, None, value)
        for agency, value in outputs.ledger:
            yield Record(ledger_topic(agency, prefix), 0, None, value)
        for key, value in outputs.state:
            yield Record(lanes_topic(shard, prefix), 0, key, value)

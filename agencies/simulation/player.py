"""Plays a plan or a script into a node's outbox, as its analysts would; a restart neither skips nor repeats a record.

- What was published is in SQL with its place in the plan or script; the player goes on from there.
- A script's acts are due by domain time, so nothing of it is played before our lane has a clock of its own.
- A refused draft is a fault of the plan or script and ends the node, loudly.
"""

import asyncio
import logging
import time
from collections import deque
from pathlib import Path

from pydantic import Field
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import func, select

from agencies.outbox import Outbox
from agencies.sealing import Sealer
from agencies.settings import PlanSettings
from agencies.simulation.plan import planned_draft
from agencies.simulation.script import Act, acted_draft
from agencies.store import Store
from agencies.store.tables import published
from schemas.clock import MappedClock
from schemas.entropy import Entropy
from schemas.ids import AgencyId, RecordId
from schemas.model import Model, parse_settings

log = logging.getLogger("entente.agencies.player")

_LOOK_S = 0.02


class Script(Model):
    """What one agency publishes in a scenario, in the order of domain time."""

    seed: int
    acts: tuple[Act, ...] = Field(default=())


def read_script(path: Path) -> Script:
    """Raises: `OSError`, `schemas.model.BadSettings`."""
    return parse_settings(Script, path.read_bytes(), str(path))


class Player:
    """Publishes for one agency."""

    def __init__(
        self,
        agency: AgencyId,
        store: Store,
        outbox: Outbox,
        sealer: Sealer,
        clock: MappedClock,
        entropy: Entropy,
    ) -> None:
        self._agency = agency
        self._store = store
        self._outbox = outbox
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def plan(self, plan: PlanSettings) -> None:
        """Publish the plan's records at its pace."""
        start = await self._store.run(_next_index)
        begun = time.monotonic()
        for index in range(start, plan.records):
            if plan.per_second is not None:
                await asyncio.sleep(max(0.0, begun + (index - start) / plan.per_second - time.monotonic()))
            draft = planned_draft(
                self._agency, self._sealer.directory, plan.seed, index, self._clock, self._entropy
            )
            await self._put(await self._outbox.put(draft, index))
        await self._all_kept()
        log.info("%s: plan of %d records is in the outbox", self._agency, plan.records)

    async def script(self, script: Script) -> None:
        """Publish each act when domain time has come to it."""
        places = {act.name: place for place, act in enumerate(script.acts)}
        for place in range(await self._store.run(_next_index), len(script.acts)):
            act = script.acts[place]
            while not self._clock.map.pieces or self._clock.now_ms() < act.at_ms:  # noqa: ASYNC110 - no event has it
                await asyncio.sleep(_LOOK_S)
            record_id, revision = None, 1
            if act.corrects is not None:
                await self._all_kept()
                record_id, revision = await self._store.run(
                    lambda c, earlier=places[act.corrects]: _record(c, earlier)  # type: ignore[misc]
                )
            draft = acted_draft(
                act,
                self._sealer.directory,
                script.seed,
                self._clock,
                self._entropy,
                record_id=record_id,
                revision=revision,
            )
            await self._put(await self._outbox.put(draft, place))
        await self._all_kept()
        log.info("%s: script of %d acts is in the outbox", self._agency, len(script.acts))

    async def _put(self, kept: "asyncio.Future[None]") -> None:
        self._waiting.append(kept)
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft().result()

    async def _all_kept(self) -> None:
        while self._waiting:
            await self._waiting.popleft()


def _next_index(connection: SqlConnection) -> int:
    done = connection.scalar(select(func.max(published.c.plan_index)))
    return 0 if done is None else int(done) + 1


def _record(connection: SqlConnection, place: int) -> tuple[RecordId, int]:
    """The record of an earlier act, and the revision that follows its last."""
    record_id = connection.execute(
        select(published.c.record_id).where(published.c.plan_index == place)
    ).scalar_one()
    last = connection.scalar(select(func.max(published.c.revision)).where(published.c.record_id == record_id))
    return RecordId(bytes(record_id)), int(last or 0) + 1

"""Moves domain time through a scenario: from mark to mark, at each of which everything up to it must be in the log.

- Between marks time runs as fast as asked. At a mark it stands still, so what is published there is admitted at that
  very instant, however slow the machine is; nothing here depends on being fast.
- A mark may change the arrangement: members sign a new version, and time goes on when every lane acts on it.
- Each movement of the clock is signed by members and activated in every lane, as any change of what holds is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from deploy.arrangements import ArrangementSource
from deploy.errors import DeployError
from deploy.scenarios.screenplay import Mark, Screenplay
from deploy.stage.count import operational
from deploy.stage.evidence import count_published
from deploy.stage.services import Services
from schemas.stopping import stop_if_asked

_STILL_LIMIT = 120.0
_LEAD_MS = 200

Tell = Callable[[str], None]


class Conductor:
    """Conducts one run of a screenplay. `speed`: domain seconds a real second between marks."""

    def __init__(
        self, services: Services, screenplay: Screenplay, speed: float, tell: Tell = lambda _said: None
    ) -> None:
        self._services = services
        self._screenplay = screenplay
        self._ppm = round(speed * 1_000_000)
        self.tell = tell
        self._source: ArrangementSource = screenplay.source

    async def run(self) -> None:
        """From the beginning to the end. Raises: `DeployError` if a node does not publish what is due."""
        for mark in (*self._screenplay.marks, Mark(self._screenplay.end_ms, "the end", None)):
            await self._run_until(mark.at_ms)
            await self._in_the_log(mark.at_ms)
            if self._a_key_ends(mark.at_ms + 1):
                await self._settled()
            if mark.change is not None:
                self._source = mark.change.apply(self._source)
                standing = await self._services.change_arrangement(self._source, mark.change.signed_by)
                await self._services.secretariat.activated(standing)
                self.tell(
                    f"version {standing.arrangement.body.number} holds in every lane: {mark.change.note}"
                )

    async def _run_until(self, at_ms: int) -> None:
        """Let time run to the instant and stand still there; return when it stands."""
        clock = self._services.secretariat.history.current.clock
        begins = time.time_ns() // 1_000_000 + _LEAD_MS
        now = clock.to_domain(begins)
        if at_ms > now:
            takes = (at_ms - now) * 1_000_000 // self._ppm
            clock = clock.runs(begins, self._ppm).runs(begins + takes, 0, at_ms)
            await self._services.secretariat.activated(await self._services.change_clock(clock))
        while self._services.now_ms() < at_ms:
            stop_if_asked()
            await asyncio.sleep(0.02)

    async def _in_the_log(self, at_ms: int) -> None:
        """Wait until every act that is due is sealed and has its place in the log."""
        last, moved_at = None, time.monotonic()
        while missing := self._missing(at_ms):
            stop_if_asked()
            if missing != last:
                last, moved_at = missing, time.monotonic()
            if time.monotonic() - moved_at > _STILL_LIMIT:
                raise DeployError(f"acts that are due are not published: {', '.join(missing)}")
            await asyncio.sleep(0.05)

    def _a_key_ends(self, at_ms: int) -> bool:
        directory = self._services.secretariat.history.current.arrangement.directory
        return any(directory.agency(a).signing_until_ms == at_ms for a in directory.agency_ids)

    async def _settled(self) -> None:
        """Wait until every receipt is in too: what is signed with the key after its end would be refused."""
        ledgers = self._services.secretariat.ledgers
        deadline = time.monotonic() + _STILL_LIMIT
        while operational(ledgers.by_lane).in_flight:
            stop_if_asked()
            if time.monotonic() > deadline:
                raise DeployError("receipts are missing before a signing key ends")
            await asyncio.sleep(0.2)

    def _missing(self, at_ms: int) -> Sequence[str]:
        """Agencies that have still to publish. One whose signing key has expired holds its records back."""
        directory = self._services.secretariat.history.current.arrangement.directory
        found = []
        for agency, acts in self._screenplay.acts.items():
            due = sum(act.at_ms <= at_ms for act in acts)
            if due and directory.signs(agency, at_ms):
                sent = count_published(self._services.run.store(agency))
                if sent < due:
                    found.append(f"{agency} {sent} of {due}")
        return found

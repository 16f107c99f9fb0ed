"""The director of a run: watches it go, kills what it was asked to kill, waits until nothing is in flight, counts.

It is done when every planned record is in an outbox, has its ledger leaf, and every pair has its fate in both
counts. It gives up when nothing moves for a long while, and then says what is missing.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from deploy.errors import DeployError
from deploy.stage.conductor import Conductor
from deploy.stage.count import Audited, Counts, audit, operational, reasons_of
from deploy.stage.events import Chronicle, Event, chronicle
from deploy.stage.evidence import Ledger, count_received, read_store
from deploy.stage.expectations import Expectation, Scene, check_all
from deploy.stage.services import Services
from deploy.stage.victims import Kill, Victims
from schemas.ids import AgencyId
from schemas.ledger import Admitted, Quarantined
from schemas.stopping import stop_if_asked

_STILL_LIMIT = 120.0  # seconds without any change before the director gives up

Progress = Callable[["Sight"], None]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is visible of a running run."""

    planned: int
    decided: int
    delivered: dict[AgencyId, int]
    note: str = ""
    published: dict[AgencyId, int] = field(default_factory=dict)
    """Records of each agency that were decided or refused."""
    withheld: dict[AgencyId, int] = field(default_factory=dict)
    """Records of which nothing was released, by who did not get them."""
    domain_ms: int | None = None
    """Domain time now."""
    events: tuple[str, ...] = ()
    """All notable sentences so far."""


@dataclass(slots=True)
class Report:
    """What a run came to."""

    audited: Audited
    operational: Counts
    reasons: Counter[str]
    expectations: list[Expectation] = field(default_factory=list)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    roots_equal: bool = False
    first_delivery_s: float = 0.0
    ledgers: dict[AgencyId, Ledger] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    """All that was notable, in the order of domain time."""

    @property
    def good(self) -> bool:
        """Every expectation held, and nothing was lost, doubled or out of order."""
        a = self.audited
        return all(e.held for e in self.expectations) and not (a.lost or a.duplicates or a.out_of_order)

    def as_json(self) -> dict[str, object]:
        """The report for machines."""
        a, totals = self.audited, self.audited.counts.totals()
        latencies = sorted(a.latencies_ms)
        seconds = max(0.001, (a.last_ms - a.first_ms) / 1000)
        return {
            "published": a.published,
            **totals,
            "lost": a.lost,
            "duplicates": a.duplicates,
            "out_of_order": a.out_of_order,
            "operational": self.operational.totals(),
            "recoveries": [{"what": what, "seconds": round(s, 2)} for what, s in self.recoveries],
            "ledger_roots_equal_on_replay": self.roots_equal,
            "expectations": [{"name": e.name, "held": e.held, "cases": e.cases} for e in self.expectations],
            "latency_ms": {"p50": _quantile(latencies, 0.5), "p99": _quantile(latencies, 0.99)},
            "throughput_per_s": round(totals["delivered"] / seconds, 1),
        }


def _quantile(values: Sequence[int], q: float) -> int:
    return values[min(len(values) - 1, int(q * len(values)))] if values else 0


class Director:
    """Directs one run of running services."""

    def __init__(
        self,
        services: Services,
        progress: Progress = lambda _sight: None,
        conductor: Conductor | None = None,
        more: Callable[[Scene], list[Expectation]] = lambda _scene: [],
    ) -> None:
        """`conductor`: moves the time of a scenario. `more`: what must hold beside what always must."""
        self._services = services
        self._conductor = conductor
        self._more = more
        self._progress = progress
        self._ledgers: dict[AgencyId, Ledger] = services.secretariat.ledgers.by_lane
        self._first_delivery: float | None = None
        self._note = ""
        self._received: dict[AgencyId, int] = {}
        self._told: list[Event] = []
        self._victims = Victims(services.worker_names, services.host_names, services.cluster_names)
        self._chronicle = Chronicle(tells_versions=conductor is None)
        if conductor is not None:
            conductor.tell = self.tell

    def tell(self, sentence: str) -> None:
        """Say something notable that no ledger says; it is shown with all else that is."""
        event = Event(self._services.now_ms(), sentence)
        self._told.append(event)
        self._chronicle.events.append(event)

    async def run(self, kills: Sequence[Kill] = ()) -> Report:
        """Watch to the end. `kills`: services to SIGKILL once each in the middle, in order."""
        conducted = asyncio.ensure_future(self._conductor.run()) if self._conductor else None
        try:
            return await self._watch(kills, conducted)
        finally:
            if conducted is not None:
                conducted.cancel()
                await asyncio.wait([conducted])

    async def _watch(self, kills: Sequence[Kill], conducted: "asyncio.Future[None] | None") -> Report:
        begun = time.monotonic()
        recoveries: list[tuple[str, float]] = []
        pending = list(kills)
        planned = self._services.work.records
        last, moved_at = None, time.monotonic()
        while True:
            stop_if_asked()
            self._services.check()
            now = await self._look()
            if now != last:
                last, moved_at = now, time.monotonic()
            if self._first_delivery is None and now[1]:
                self._first_delivery = time.monotonic() - begun
            due = (len(kills) - len(pending) + 1) * planned // (len(kills) + 1)
            if pending and self._decided() >= due:
                what = pending.pop(0)
                recoveries.append((what, await self._kill(what)))
                self.tell(f"SIGKILL {what}; deliveries went on after {recoveries[-1][1]:.1f} s")
                continue
            if conducted is not None and conducted.done():
                conducted.result()
            played = conducted is None or conducted.done()
            if played and not pending and self._decided() >= planned:
                counts, known = self._count(), operational(self._ledgers)
                if not counts.counts.in_flight and not known.in_flight:
                    break
            if time.monotonic() - moved_at > _STILL_LIMIT:
                self._note = "nothing moves any more"
                break
            await asyncio.sleep(0.5)
        return await self._report(recoveries)

    async def _report(self, recoveries: list[tuple[str, float]]) -> Report:
        audited, known = self._count(), operational(self._ledgers)
        report = Report(
            audited, known, reasons_of(self._ledgers), recoveries=recoveries, ledgers=self._ledgers
        )
        report.first_delivery_s = self._first_delivery or 0.0
        self._chronicle.finish()
        report.events = chronicle(
            self._ledgers,
            self._services.secretariat.history.versions,
            self._told,
            tells_versions=self._conductor is None,
        )
        self._say("replaying every ledger in a fresh process")
        report.roots_equal = await self._replay()
        services = self._services
        scene = Scene(
            services.secretariat.history.current.arrangement.directory,
            self._ledgers,
            {a: services.run.store(a) for a in services.agencies},
            audited,
            known,
            report.roots_equal,
        )
        report.expectations = [*check_all(scene), *self._more(scene)]
        return report

    def _count(self) -> Audited:
        services = self._services
        stores = {a: read_store(services.run.store(a)) for a in services.agencies}
        directory = services.secretariat.history.current.arrangement.directory
        active = directory.active(services.now_ms())
        return audit(self._ledgers, stores, active)

    async def _look(self) -> tuple[int, int]:
        """Read what is new; a number that changes with everything that happens."""
        secretariat = self._services.secretariat
        # While leaders move, nothing is read; that nothing is read for long is seen by whoever watches
        with contextlib.suppress(KafkaError, OSError):
            await secretariat.ledgers.refresh()
            self._chronicle.feed(self._ledgers, secretariat.history.versions)
            if self._chronicle.waiting:  # for a version that others than this process had signed
                await secretariat.refresh()
        self._say(self._note)
        return sum(len(g.leaves) for g in self._ledgers.values()), sum(self._received.values())

    def _say(self, note: str) -> None:
        services, seen = self._services, self._chronicle
        self._received = received = self._delivered()
        agencies = [agency.id for agency in services.source.directory.agencies]
        self._progress(
            Sight(
                services.work.records,
                self._decided(),
                {a: received[a] for a in agencies},
                note,
                {a: seen.published[a] for a in agencies},
                {a: seen.withheld[a] for a in agencies},
                services.now_ms(),
                tuple(map(str, seen.events)),
            )
        )

    def _decided(self) -> int:
        return sum(
            isinstance(leaf, Admitted | Quarantined)
            for ledger in self._ledgers.values()
            for leaf in ledger.leaves
        )

    def _delivered(self) -> dict[AgencyId, int]:
        return {a: count_received(self._services.run.store(a)) for a in self._services.agencies}

    async def _kill(self, what: Kill) -> float:
        """SIGKILL, restart, and wait until work goes on. Returns the seconds from the kill to the first progress.

        Where the others outlive it, work goes on first, and then it is restarted.
        """
        services = self._services
        names = self._victims.next(what)
        self._note = f"SIGKILL {what}"
        self._say(self._note)
        begun = time.monotonic()
        await services.kill(*names)
        before = sum(self._delivered().values())
        outlives = services.outlives(names)
        if not outlives:
            await services.restart(*names)
        while time.monotonic() - begun < _STILL_LIMIT:
            stop_if_asked()
            services.check()
            _, received = await self._look()
            if received > before or self._finished():
                seconds = time.monotonic() - begun
                self._note = f"{what} is back after {seconds:.1f} s"
                if outlives:
                    self._note = f"work went on without {names[0]} after {seconds:.1f} s"
                    await services.restart(*names)
                return seconds
            await asyncio.sleep(0.05)
        raise DeployError(f"nothing was delivered within {_STILL_LIMIT:.0f} s of the kill of {what}")

    def _finished(self) -> bool:
        return self._decided() >= self._services.work.records and not self._count().counts.in_flight

    async def _replay(self) -> bool:
        """`entente ledger audit` in a process of its own, with another hash seed."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "deploy.cli",
            "ledger",
            "audit",
            str(self._services.run.folder),
        ]
        with (self._services.run.logs / "audit.log").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                "--json",
                env={**os.environ, "PYTHONHASHSEED": "4242"},
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=Path.cwd(),
            )
        out, _ = await process.communicate()
        try:
            lanes = json.loads(out)
        except ValueError:
            return False
        return (
            process.returncode == 0
            and len(lanes) == len(self._ledgers)
            and all(lane["equal"] for lane in lanes)
        )

"""A run from start to end: bring a federation up here, let it share, break it if asked, show what came of it.

Ctrl-C at any moment stops everything and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live

from deploy.arrangements import ArrangementError, ArrangementSource, spread
from deploy.errors import Missing, Refused
from deploy.kafka.external import ExternalCluster
from deploy.scenarios.expectations import check_screenplay
from deploy.scenarios.screenplay import Screenplay
from deploy.stage.conductor import Conductor
from deploy.stage.director import Director, Report, Sight
from deploy.stage.evidence import read_store
from deploy.stage.expectations import Expectation, Scene
from deploy.stage.page import write_page
from deploy.stage.run import RUNS, Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.show import live_view, show_addresses, show_opening, show_report
from deploy.stage.victims import Kill
from deploy.stage.work import PlanWork, ScriptWork, Work
from schemas.clock import ClockMap, Piece
from schemas.logs import logged_to

#: How long a scenario's time is to run at full speed, the halts at its marks apart.
_FULL_SPEED_S = 20.0


@dataclass(frozen=True)
class Grounds:
    """On what a run is played. `kills`: services to SIGKILL once each in the middle.

    `shards`: over how many workers the lanes are spread; None: as the arrangement says. `external`: a cluster that
    others run; `cluster_nodes` are those of the run's own.
    """

    kills: tuple[Kill, ...] = ()
    shards: int | None = None
    cluster_nodes: int = 1
    external: ExternalCluster | None = None


@dataclass(frozen=True)
class Options:
    """How a run is played and shown."""

    grounds: Grounds = Grounds()
    isolate: bool = False
    keep: bool = False
    headless: bool = False
    json_file: Path | None = None
    html_file: Path | None = None
    folder: Path | None = None
    store: str = ""
    """URL of the agencies' stores with `{agency}` in it; empty for SQLite files."""


@dataclass(frozen=True)
class _Part:
    """What makes a scenario of a run: what moves its time, and what must hold at its end."""

    screenplay: Screenplay
    speed: float


def play_plan(
    source: ArrangementSource, arrangement: str, seed: int, records: int, rate: float | None, options: Options
) -> int:
    """Play a seeded plan of records at real time. Returns the exit code."""
    source = _spread(source, options.grounds)
    record = RunRecord(arrangement=arrangement, seed=seed, records=records, store=options.store)
    return _play(source, PlanWork(source.directory, seed, records, rate), record, None, options)


def play(screenplay: Screenplay, speed: float | None, options: Options) -> int:
    """Play a scenario. `speed`: domain seconds a real second; None: at full speed. Returns the exit code."""
    screenplay = dataclasses.replace(screenplay, source=_spread(screenplay.source, options.grounds))
    start = ClockMap((Piece(time.time_ns() // 1_000_000, screenplay.start_ms, 0),))
    work = ScriptWork(screenplay.seed, screenplay.acts, start)
    record = RunRecord(
        arrangement=screenplay.source.federation,
        scenario=screenplay.name,
        seed=screenplay.seed,
        records=work.records,
        store=options.store,
    )
    speed = speed or (screenplay.end_ms - screenplay.start_ms) / 1000 / _FULL_SPEED_S
    return _play(screenplay.source, work, record, _Part(screenplay, speed), options)


def _spread(source: ArrangementSource, grounds: Grounds) -> ArrangementSource:
    """Raises: `Refused` if there are fewer lanes than shards."""
    if grounds.shards is None:
        return source
    try:
        directory = spread(source.directory, grounds.shards)
        return dataclasses.replace(source, directory=directory)
    except ArrangementError as error:
        raise Refused(f"--shards: {error}") from error


def _play(
    source: ArrangementSource, work: Work, record: RunRecord, part: _Part | None, options: Options
) -> int:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{record.scenario or 'plan'}-{record.seed}"
    if (external := options.grounds.external) is not None:
        record = record.model_copy(update={"external": external, "prefix": external.prefix})
    run = Run.create(options.folder or RUNS / name, record)
    with logged_to(run.logs / "stage.log"):
        good = asyncio.run(_Play(run, Console(), options, part).play(source, work))
    return 130 if good is None else 0 if good else 1


class _Play:
    """One run from start to end."""

    def __init__(self, run: Run, console: Console, options: Options, part: _Part | None) -> None:
        self._run = run
        self._console = console
        self._options = options
        self._part = part
        self._said: list[str] = []

    async def play(self, source: ArrangementSource, work: Work) -> bool | None:
        """True: all as expected. None: ended by Ctrl-C, with everything stopped."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            begun = time.monotonic()
            options = self._options
            services = Services(
                self._run,
                source,
                work,
                isolate=options.isolate,
                apis=options.keep,
                cluster_nodes=options.grounds.cluster_nodes,
                on_step=self._step,
            )
            show_opening(self._console, services, self._screenplay)
            async with services:
                report = await self._direct(services)
                self._tell(report, services, time.monotonic() - begun)
                if self._options.keep:
                    show_addresses(self._console, services.addresses, self._run.folder)
                    self._console.print("All is running; Ctrl-C stops it.")
                    await self._stay()
            return report.good
        except asyncio.CancelledError:
            self._console.print("\nstopped, nothing is left running.")
            return None
        except Missing:
            shutil.rmtree(self._run.folder)  # nothing ran, so there is nothing to look at
            raise

    async def _stay(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._console.print("stopping.")

    def _step(self, name: str, seconds: float) -> None:
        self._console.print(f"  {name:<20} {seconds:5.1f} s", highlight=False)

    async def _direct(self, services: Services) -> Report:
        kills = self._options.grounds.kills
        if self._options.headless:
            return await self._director(services, self._note).run(kills)
        with Live(console=self._console, refresh_per_second=8, transient=True) as live:

            def look(sight: Sight) -> None:
                self._note(sight)
                live.update(live_view(sight))

            return await self._director(services, look).run(kills)

    def _director(self, services: Services, progress: Callable[[Sight], None]) -> Director:
        if self._part is None:
            return Director(services, progress)
        screenplay = self._part.screenplay
        conductor = Conductor(services, screenplay, self._part.speed)

        def check(scene: Scene) -> list[Expectation]:
            clock = services.secretariat.history.current.clock
            stores = {agency: read_store(url) for agency, url in scene.stores.items()}
            return check_screenplay(screenplay, scene.ledgers, stores, clock)

        return Director(services, progress, conductor, check)

    @property
    def _screenplay(self) -> Screenplay | None:
        return None if self._part is None else self._part.screenplay

    def _note(self, sight: Sight) -> None:
        """Say each notable event once, above whatever moves."""
        for event in sight.events[len(self._said) :]:
            self._said.append(event)
            self._console.print(f"  {event}", markup=False, highlight=False)

    def _tell(self, report: Report, services: Services, seconds: float) -> None:
        if self._options.json_file is not None:
            self._options.json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n")
        if self._options.html_file is not None:
            write_page(self._options.html_file, report, services, self._screenplay)
        show_report(self._console, report, services, seconds, self._screenplay)

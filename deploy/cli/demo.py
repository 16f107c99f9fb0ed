"""`entente demo`: bring a federation up on this machine, let it share, break it if asked, and show what came of it."""

import asyncio
import json
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from deploy.arrangements import SHIPPED, ArrangementError, ArrangementSource, read_arrangement
from deploy.errors import Missing
from deploy.stage.director import Director, Report, Sight
from deploy.stage.run import RUNS, Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.show import live_view, show_opening, show_report

app = typer.Typer(help="Run a federation of simulated agencies on a real Kafka, and show who learnt what.")

KILLABLE = ("broker", "node", "kafka")


@app.callback(invoke_without_command=True)
def demo(
    seed: Annotated[int, typer.Option(help="Seed of all that is published.")] = 1,
    records: Annotated[int, typer.Option(min=1, help="How many records are published in all.")] = 300,
    rate: Annotated[
        float, typer.Option(min=0, help="Records per second in all; 0: as fast as it goes.")
    ] = 50.0,
    kill: Annotated[str, typer.Option(help="SIGKILL these once in the middle: broker,node,kafka.")] = "",
    isolate: Annotated[bool, typer.Option(help="A process for each node.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave all running until Ctrl-C, to look around.")] = False,
    headless: Annotated[bool, typer.Option(help="No moving display.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result for machines.")] = None,
    arrangement: Annotated[Path, typer.Option(help="Folder of the arrangement.")] = SHIPPED / "g7-small",
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; it must be empty.")] = None,
) -> None:
    """Exit code 0 only if every expectation held and nothing was lost, doubled or out of order."""
    kills = [what for what in kill.split(",") if what]
    if unknown := [what for what in kills if what not in KILLABLE]:
        raise typer.BadParameter(f"'{unknown[0]}' is none of {', '.join(KILLABLE)}", param_hint="--kill")
    try:
        source = read_arrangement(arrangement)
    except ArrangementError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    record = RunRecord(arrangement=str(arrangement), seed=seed, records=records)
    run = Run.create(folder or RUNS / f"{stamp}-{seed}", record)
    console = Console()
    good = asyncio.run(
        _Demo(run, console, headless, json_file).play(source, kills, isolate, rate or None, keep)
    )
    if good is None:
        raise typer.Exit(130)
    if not good:
        raise typer.Exit(1)


class _Demo:
    """One demo from start to end."""

    def __init__(self, run: Run, console: Console, headless: bool, json_file: Path | None) -> None:
        self._run = run
        self._console = console
        self._headless = headless
        self._json_file = json_file

    async def play(
        self, source: ArrangementSource, kills: list[str], isolate: bool, rate: float | None, keep: bool
    ) -> bool | None:
        """True: all as expected. None: ended by Ctrl-C, with everything stopped."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            begun = time.monotonic()
            services = Services(self._run, source, isolate=isolate, per_second=rate, on_step=self._step)
            show_opening(self._console, services)
            async with services:
                report = await self._direct(services, kills)
                self._tell(report, services, time.monotonic() - begun)
                if keep:
                    self._console.print("\nAll is running; Ctrl-C stops it.")
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

    async def _direct(self, services: Services, kills: list[str]) -> Report:
        if self._headless:
            said = [""]

            def note(sight: Sight) -> None:
                if sight.note and sight.note != said[0]:
                    said[0] = sight.note
                    self._console.print(f"  {sight.note}", highlight=False)

            return await Director(services, note).run(kills)
        with Live(console=self._console, refresh_per_second=8, transient=True) as live:
            return await Director(services, lambda sight: live.update(live_view(sight))).run(kills)

    def _tell(self, report: Report, services: Services, seconds: float) -> None:
        if self._json_file is not None:
            self._json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n")
        show_report(self._console, report, services, seconds)

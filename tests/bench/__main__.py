"""`python -m tests.bench`: everything in one run; exit code 0 whatever the figures are, 1 if a part broke off."""

import asyncio
import gc
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
from schemas.memory import keep_freed
from schemas.threads import take_short_turns
from tests.bench.crypto import run_crypto
from tests.bench.members import Members, shipped, small, wide
from tests.bench.page import page
from tests.bench.policies import run_policies
from tests.bench.profiles import run_profiles
from tests.bench.report import (
    show_crypto,
    show_loads,
    show_policies,
    show_profiles,
    show_rulings,
    show_running,
    show_scale,
    show_stored,
)
from tests.bench.rulings import run_rulings
from tests.bench.running import run_running
from tests.bench.scale import run_scale
from tests.bench.step import Load, run_steps
from tests.bench.stored import run_stored

RECIPIENTS = (1, 12, 50, 200)


@dataclass(frozen=True)
class Bench:
    """What the parts share, made at first use; each part returns what it found, for machines."""

    folder: Path
    authority: Authority
    console: Console
    quick: bool

    @cached_property
    def few(self) -> Members:
        return Members(small(), self.folder / "few", self.authority)

    @cached_property
    def many(self) -> Members:
        return Members(wide(self.folder / "wide", 12), self.folder / "many", self.authority)

    @cached_property
    def hundreds(self) -> Members:
        most = max(RECIPIENTS)
        return Members(wide(self.folder / "widest", most), self.folder / "hundreds", self.authority)

    def crypto(self) -> list[dict[str, Any]]:
        found = []
        members = self.hundreds
        gc.freeze()  # what lives to the end is no business of the collector's
        for recipients in RECIPIENTS:
            rounds = 3 if self.quick else 20 if recipients <= 50 else 10
            found.append(run_crypto(members, recipients, rounds))
        show_crypto(self.console, found)
        return [one.as_json() for one in found]

    def step(self) -> dict[str, Any]:
        few, many = self.few, self.many
        gc.freeze()
        loads = asyncio.run(_steps(few, many, self.authority, self.folder, 2 if self.quick else 12))
        show_loads(self.console, loads)
        return {load.name: load.as_json() for load in loads}

    def sql(self) -> dict[str, Any]:
        members = self.many
        gc.freeze()
        stored = asyncio.run(run_stored(members, self.folder, 3 if self.quick else 20))
        show_stored(self.console, stored)
        return {one.database: one.as_json() for one in stored}

    def running(self) -> dict[str, Any]:
        records, half_s = (300, 6.0) if self.quick else (2000, 40.0)
        found = asyncio.run(run_running(self.authority, self.folder, records, half_s)).as_json()
        show_running(self.console, found)
        return found

    def rulings(self) -> list[dict[str, Any]]:
        counts = (300, 1000) if self.quick else (300, 1000, 5000)
        sixteen = Members(shipped("g7"), self.folder / "sixteen", self.authority)
        rulings = [run_rulings(members, counts) for members in (self.few, sixteen)]
        show_rulings(self.console, rulings)
        return [one.as_json() for one in rulings]

    def scale(self) -> list[dict[str, Any]]:
        found = [cell.as_json() for cell in run_scale(0.5 if self.quick else 6.0, quick=self.quick)]
        show_scale(self.console, found)
        return found

    def policies(self) -> dict[str, Any]:
        found = run_policies(50_000 if self.quick else 1_000_000, 300, quick=self.quick).as_json()
        show_policies(self.console, found)
        return found

    @property
    def parts(self) -> dict[str, Callable[[], Any]]:
        """In the order in which they run."""
        return {
            "crypto": self.crypto,
            "step": self.step,
            "sql": self.sql,
            "running": self.running,
            "rulings": self.rulings,
            "scale": self.scale,
            "policies": self.policies,
        }


PARTS = ("crypto", "step", "sql", "running", "rulings", "scale", "policies")


def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures for machines.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write them as one page, with charts.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few rounds: to see that it works.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Profile the stages as well.")] = False,
    only: Annotated[str, typer.Option(help=f"Parts alone, by commas: {', '.join(PARTS)}.")] = "",
) -> None:
    """Measure what each part costs, against the usual ways, on real clusters and databases."""
    parts = only.split(",") if only else list(PARTS)
    for part in parts:
        if part not in PARTS:
            raise typer.BadParameter(f"'{part}' is none of {', '.join(PARTS)}", param_hint="--only")
    console = Console()
    out: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "quick": quick,
        "load_before": round(os.getloadavg()[0], 2),
        "seconds": {},
        "failed": {},
    }
    keep_freed()  # as the processes do that are measured here
    take_short_turns()
    with TemporaryDirectory(prefix="entente-bench-") as name:
        shared = Bench(Path(name), Authority.create(), console, quick)
        for part in parts:
            begun = time.monotonic()
            try:
                out[part] = shared.parts[part]()
            except (
                Exception
            ) as error:  # the other parts are worth having: a starved cluster loses its leaders
                out["failed"][part] = f"{type(error).__name__}: {error}"
                console.print_exception()
            out["seconds"][part] = round(time.monotonic() - begun, 1)
        if profile:
            profiles = run_profiles(shared.many, shared.few, 2 if quick else 8)
            show_profiles(console, profiles)
            out["profiles"] = {stage: [row.as_json() for row in rows] for stage, rows in profiles.items()}
    console.print(
        f"{sum(out['seconds'].values()):.0f} s in all: "
        + ", ".join(f"{part} {seconds:.0f}" for part, seconds in out["seconds"].items()),
        highlight=False,
    )
    if json_file is not None:
        json_file.write_text(json.dumps(out, indent=2) + "\n")
    if html is not None:
        html.write_text(page(out), encoding="utf-8")
    if out["failed"]:
        raise typer.Exit(1)


async def _steps(
    few: Members, many: Members, authority: Authority, folder: Path, rounds: int
) -> Sequence[Load]:
    async with Cluster(folder / "cluster", authority) as cluster:
        return await run_steps(few, many, cluster, rounds)


if __name__ == "__main__":
    typer.run(bench)

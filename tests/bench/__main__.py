"""`python -m tests.bench`: everything in one run; exit code 0 whatever the figures are."""

import asyncio
import gc
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
from tests.bench.crypto import run_crypto
from tests.bench.members import Members, shipped, small, wide
from tests.bench.profiles import run_profiles
from tests.bench.report import show_crypto, show_loads, show_profiles, show_rulings
from tests.bench.rulings import run_rulings
from tests.bench.step import Load, run_steps

PARTS = ("crypto", "step", "rulings")


def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures for machines.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few rounds: to see that it works.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Profile the stages as well.")] = False,
    only: Annotated[str, typer.Option(help=f"A part alone: {', '.join(PARTS)}.")] = "",
) -> None:
    """Measure crypto, the broker's step on a real Kafka, and rulings, each against the usual ways."""
    if only and only not in PARTS:
        raise typer.BadParameter(f"'{only}' is none of {', '.join(PARTS)}", param_hint="--only")
    parts = [only] if only else list(PARTS)
    console = Console()
    out: dict[str, Any] = {"python": platform.python_version(), "cores": os.cpu_count(), "quick": quick}
    with TemporaryDirectory(prefix="entente-bench-") as name:
        folder = Path(name)
        authority = Authority.create()
        many = Members(wide(folder / "wide"), folder / "many", authority)
        few = Members(small(), folder / "few", authority)
        all_sixteen = Members(shipped("g7"), folder / "sixteen", authority)
        gc.freeze()  # what lives to the end is no business of the collector's
        if "crypto" in parts:
            crypto = run_crypto(many, 3 if quick else 20)
            out["crypto"] = crypto.as_json()
            show_crypto(console, crypto)
        if "step" in parts:
            loads = asyncio.run(_steps(few, many, authority, folder, 2 if quick else 12))
            out["step"] = {load.name: load.as_json() for load in loads}
            show_loads(console, loads)
        if "rulings" in parts:
            rulings = [
                run_rulings(m, (300, 1000) if quick else (300, 1000, 5000)) for m in (few, all_sixteen)
            ]
            out["rulings"] = [one.as_json() for one in rulings]
            show_rulings(console, rulings)
        if profile:
            show_profiles(console, run_profiles(many, few, 2 if quick else 8))
    if json_file is not None:
        json_file.write_text(json.dumps(out, indent=2) + "\n")


async def _steps(
    few: Members, many: Members, authority: Authority, folder: Path, rounds: int
) -> Sequence[Load]:
    async with Cluster(folder / "cluster", authority) as cluster:
        return await run_steps(few, many, cluster, rounds)


if __name__ == "__main__":
    typer.run(bench)

"""`entente ledger`: the ledgers of a run, audited by replay, shown, trimmed or written to a file."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from broker.kafka import Connection
from deploy.ceremony import read_ceremony
from deploy.errors import DeployError
from deploy.exporting import export_ledger
from deploy.stage.audit import LaneAudit, audit_lanes
from deploy.stage.evidence import read_ledger
from deploy.stage.reach import reached
from deploy.stage.run import Run
from deploy.stage.words import leaf_in_words
from deploy.trimming import Trim, trim_run
from schemas.ids import AgencyId
from schemas.transport import client_context

app = typer.Typer(no_args_is_help=True, help="Audit the ledgers of a run.")


@app.callback()
def ledger() -> None:
    """Audit the ledgers of a run."""


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    seed: Annotated[int, typer.Option(help="Seed of the cuts between batches.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Replay every lane from its log and compare it with what was committed. Exit code 1 if anything differs."""
    found = asyncio.run(_audit(folder, seed))
    if as_json:
        print(json.dumps([{**asdict(a), "equal": a.equal} for a in found]))
    else:
        _show_audits(found)
    if not all(a.equal for a in found):
        raise typer.Exit(1)


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    lane: Annotated[str, typer.Argument(help="The originator whose ledger is shown.")],
    last: Annotated[int, typer.Option(min=1, help="How many leaves, from the end.")] = 20,
) -> None:
    """Show an originator's ledger: what was decided on each record, and what was refused, with reasons."""
    asyncio.run(_show_lane(folder, lane, last))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    lane: Annotated[str, typer.Option(help="The originator whose ledger is written.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Write a ledger up to its newest checkpoint, for `entente verify ledger`."""
    found = asyncio.run(export_ledger(folder, AgencyId(lane)))
    out.write_text(found.model_dump_json(indent=1) + "\n")
    signed = "nothing of it is signed yet" if found.checkpoint is None else "up to its newest checkpoint"
    Console().print(f"{len(found.entries)} entries in '{out}', {signed}", highlight=False)


@app.command()
def trim(
    folder: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be trimmed.")] = False,
) -> None:
    """Delete submissions and deliveries that every recipient has acknowledged. Ledgers are kept for ever."""
    found = asyncio.run(_trim(folder, dry))
    table = Table("topic", "partition", "began at", "begins at", box=SIMPLE_HEAD)
    for t in found:
        table.add_row(t.topic, str(t.partition), str(t.begins), str(t.upto))
    console = Console()
    console.print(table if found else "nothing is acknowledged that was not trimmed before", highlight=False)


async def _trim(folder: Path, dry: bool) -> list[Trim]:
    run = Run.open(folder)
    arrangement = read_ceremony(folder).arrangement
    async with reached(run) as (bootstrap, tls):
        return await trim_run(bootstrap, tls, arrangement, run.record.prefix, dry=dry)


async def _show_lane(folder: Path, lane: str, last: int) -> None:
    run = Run.open(folder)
    arrangement = read_ceremony(folder).arrangement
    if lane not in arrangement.directory.agency_ids:
        known = ", ".join(arrangement.directory.agency_ids)
        raise DeployError(f"'{lane}' has no lane in this run, but {known}")
    async with reached(run) as (bootstrap, tls):
        connection = Connection(bootstrap, client_context(tls))
        ledger = await read_ledger(connection, arrangement.domains, AgencyId(lane), run.record.prefix)
    table = Table("leaf", "admitted", "what", "decision", title=f"ledger of {lane}", box=SIMPLE_HEAD)
    for leaf in ledger.leaves[-last:]:
        table.add_row(str(leaf.number), *leaf_in_words(ledger, leaf))
    Console().print(table)


async def _audit(folder: Path, seed: int) -> list[LaneAudit]:
    run = Run.open(folder)
    arrangement = read_ceremony(folder).arrangement
    async with reached(run) as (bootstrap, tls):
        connection = Connection(bootstrap, client_context(tls))
        return await audit_lanes(connection, arrangement, run.record.prefix, seed)


def _show_audits(found: list[LaneAudit]) -> None:
    table = Table("lane", "leaves", "certificates", "root", "replay", title="ledger audit", box=SIMPLE_HEAD)
    for a in found:
        table.add_row(
            a.lane,
            str(a.leaves),
            str(a.certificates),
            a.root[:16] + "…",
            ("equal, from the ledger alone" if a.from_ledger else "equal") if a.equal else "DIFFERS",
        )
    console = Console()
    console.print(table)
    for a in found:
        for difference in a.differences:
            console.print(f"{a.lane}: {difference}")

"""`entente policy replay`: recorded decisions under a draft. What would have been shared otherwise?

    entente policy replay --policy draft/ --ledger .entente/run-1
    entente policy replay --policy draft/ --ledger gb-nca.json --ledger fr-oltim.json --json

Each pair (a portion for one recipient) that a ledger says was released or withheld is decided again, under the draft's
rules and directory, at the time of its admission, for whom it was sealed. Exit codes: 0 nothing changes, 1 something
does, 2 draft or ledger cannot be read. It reads what the caller holds, and sends nothing anywhere.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker.policy import Engine
from broker.policy.arranged import engine_of
from broker.policy.documents import RecordedDocument, by_weight
from broker.policy.fates import Fate
from broker.policy.history import Change, Changes, Flow, Replay, against_recorded
from broker.policy.recorded import Recorded
from deploy.cli.policy.common import JsonOption, read_source
from deploy.histories import replay_sources
from schemas.ids import record_text
from schemas.labels import Label

app = typer.Typer()

_CHANGES = {
    Change.GAINED: ("[green]gained[/]", "gain release"),
    Change.LOST: ("[yellow]lost[/]", "lose release"),
    Change.NO_WRAP: ("no wrap", "would be addressed, but no key was wrapped for them"),
    Change.REASON: ("reason", "are decided alike, by other rules or for another reason"),
}


@app.command()
def replay(
    policy: Annotated[
        str, typer.Option("--policy", metavar="DRAFT", help="Folder of a draft, or a shipped arrangement.")
    ],
    ledger: Annotated[
        list[Path],
        typer.Option(
            "--ledger", metavar="RUN|FILE", help="A run's folder or an exported ledger; may be repeated."
        ),
    ],
    rows: Annotated[int, typer.Option(min=0, help="Changed flows shown at most; --json has all.")] = 40,
    as_json: JsonOption = False,
) -> None:
    """Decide recorded history again under a draft, and show who would have got more or less."""
    engine = engine_of(read_source(policy))
    compared, begun = against_recorded(engine), time.monotonic()
    refused_at_admission = asyncio.run(_read(ledger, compared))
    changes, seconds = compared.changes(), time.monotonic() - begun
    if as_json:
        print(json.dumps(_document(changes, refused_at_admission, seconds, compared, engine), indent=1))
    else:
        _show(changes, refused_at_admission, seconds, compared, engine, rows)
    if changes.flows:
        raise typer.Exit(1)


async def _read(sources: list[Path], compared: Replay) -> int:
    """Read all ledgers, with progress on stderr. Returns what admission refused."""
    refused: dict[str, int] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading ledgers", total=None)
        async for read in replay_sources(sources, compared):
            refused[read.lane] = read.quarantined
            progress.update(
                task,
                description=f"{read.lane}, leaf {read.leaves:,}: {compared.decisions:,} decisions so far",
            )
    return sum(refused.values())


def _show(
    changes: Changes, refused: int, seconds: float, compared: Replay, engine: Engine, rows: int
) -> None:
    console = Console()
    if changes.flows and rows:
        console.print(flow_table(changes, rows))
        left = len(changes.flows) - rows
        if left > 0:
            console.print(f"and {left} more flows; --rows or --json shows them", highlight=False)
    before, after = changes.released_before, changes.released_after
    console.print(
        f"{changes.records:,} records, {changes.pairs_before:,} decisions: "
        f"{before:,} released as recorded, {after:,} under the draft",
        highlight=False,
    )
    for change, (_, what) in _CHANGES.items():
        if count := changes.count(change):
            console.print(f"  {count:,} {what}", highlight=False)
    if not changes.flows:
        console.print("  nothing changes", highlight=False)
    if changes.refused_after:
        console.print(
            f"  {changes.refused_after:,} records the draft would refuse at admission", highlight=False
        )
    if refused:
        console.print(
            f"  {refused:,} records were refused at admission, and are not replayed", highlight=False
        )
    console.print(
        f"{_rate(changes, seconds):,.0f} decisions a second; {compared.compared:,} records compared, the others were "
        f"like them; {engine.stats.misses:,} rulings made",
        highlight=False,
    )


def flow_table(changes: Changes, rows: int) -> Table:
    """The changed flows, those that count most first, each with its labels' example."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("", "flow", "before → after", "pairs"):
        table.add_column(name, justify="right" if name == "pairs" else "left")
    for flow, counted in by_weight(changes)[:rows]:
        example = counted.example
        table.add_row(
            _CHANGES[flow.change][0],
            f"{flow.originator}: {flow.kind.replace('_', ' ')}, {flow.portion}\nto {flow.recipient}",
            f"{_fate(flow.before)}\n→ {_fate(flow.after)}",
            f"{counted.count:,}",
        )
        record = f"such as {record_text(example.leaf.record_id)}"
        table.add_row("", f"[dim]{record}[/]", f"[dim]{_label(_label_of(example, flow))}[/]", "")
    return table


def _document(
    changes: Changes, refused: int, seconds: float, compared: Replay, engine: Engine
) -> dict[str, object]:
    return {
        **RecordedDocument.of(changes).model_dump(mode="json"),
        "refused_at_admission": refused,
        "seconds": round(seconds, 3),
        "decisions_per_second": round(_rate(changes, seconds)),
        "records_compared": compared.compared,
        "rulings": engine.stats.misses,
    }


def _rate(changes: Changes, seconds: float) -> float:
    return changes.pairs_before / seconds if seconds else 0.0


def _fate(fate: Fate) -> str:
    rules = f" by {', '.join(fate.rules)}" if fate.rules else ""
    return ("released" if fate.why is None else fate.why.replace("_", " ")) + rules


def _label_of(example: Recorded, flow: Flow) -> Label:
    return next(p.label for p in example.portions if p.name == flow.portion)


def _label(label: Label) -> str:
    """What most decides, in a line."""
    handling, routed = label.handling, label.routing
    to = ", ".join((*routed.agencies, *routed.communities, *routed.officers)) or "nobody"
    parts = [f"{handling.tlp} to {to}", "for " + ", ".join(handling.purposes)]
    more = (handling.handling_codes, handling.caveats, handling.subjects, handling.origins, handling.grounds)
    return "; ".join(parts + [", ".join(codes) for codes in more if codes])

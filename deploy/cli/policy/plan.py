"""`entente policy plan OLD NEW`: what exactly changes if the one arrangement follows the other.

    entente policy plan g7 my-arrangement
    entente policy plan g7 my-arrangement --ledger .entente/run-1

- What is written otherwise: rules, agencies, communities, promises, cases.
- What was decided so far, under both: each flow that gains or loses release, with counts (`--ledger`).
- What could ever be decided, under both: each class of flow that changes, with a record that shows it, or the proof
  that there is none.

Exit code 0 if nothing can ever change, 1 if something does, 2 for what cannot be read.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from broker.policy.arranged import engine_of
from broker.policy.differences import rewritten
from broker.policy.documents import PlanDocument
from broker.policy.history import Changes as Recorded
from broker.policy.history import between
from broker.policy.proof.changes import MOST, Changes, Flow, Side, changes
from broker.policy.proof.words import decided_in_words, witness_lines
from deploy.arrangements import ArrangementSource
from deploy.cli.policy.common import AtOption, JsonOption, instant_of, progress, read_source
from deploy.cli.policy.replay import flow_table
from deploy.histories import replay_sources

app = typer.Typer()


@app.command()
def policy_plan(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The arrangement that holds.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one that is to follow.")],
    ledger: Annotated[
        list[Path] | None,
        typer.Option("--ledger", metavar="RUN|FILE", help="Recorded decisions; may be repeated."),
    ] = None,
    at: AtOption = None,
    most: Annotated[int, typer.Option(min=1, help="Classes of flow shown at most.")] = MOST,
    as_json: JsonOption = False,
) -> None:
    """Show what changes between two arrangements: in writing, in recorded decisions, and in anything that could be."""
    before, after, at_ms = read_source(old), read_source(new), instant_of(at)
    written = rewritten(before, after)
    with progress("comparing", most, quiet=as_json) as step:
        found = changes(
            Side(before.policy, before.directory), Side(after.policy, after.directory), at_ms, most, step
        )
    recorded = asyncio.run(recorded_changes(before, after, ledger)) if ledger else None
    if as_json:
        print(PlanDocument.of(written, found, recorded).model_dump_json())
    else:
        show_plan(written, found, recorded, before)
    raise typer.Exit(1 if found.flows or (recorded is not None and recorded.flows) else 0)


async def recorded_changes(
    before: ArrangementSource, after: ArrangementSource, ledgers: Sequence[Path]
) -> Recorded:
    """What both make of recorded decisions, each record sealed anew under either. Raises: `Refused`."""
    compared = between(engine_of(before), engine_of(after))
    async for _ in replay_sources(list(ledgers), compared):
        pass
    return compared.changes()


def show_plan(
    written: Sequence[str],
    found: Changes,
    recorded: Recorded | None,
    before: ArrangementSource,
    examples: int = 3,
) -> None:
    """The whole plan; of the first classes a record each."""
    console = Console(highlight=False)
    console.print("[bold]Written otherwise[/]")
    for line in written or ["nothing"]:
        console.print(f"  {line}", markup=False)
    if recorded is not None:
        console.print(
            f"\n[bold]Recorded decisions[/]: {recorded.records:,} records, {recorded.pairs_before:,} decisions, "
            f"{recorded.released_before:,} released before, {recorded.released_after:,} after"
        )
        if recorded.flows:
            console.print(flow_table(recorded, 40))
        else:
            console.print("  none of them would differ")
    console.print("\n[bold]Anything that could be decided[/]")
    if not found.flows:
        console.print("  [green]nothing changes[/]: proved for every label, agency and membership")
        return
    console.print(_table(found.flows))
    for flow in found.flows[:examples]:
        for line in witness_lines(flow.witness, flow.before, before.policy):
            console.print(f"  {line}", markup=False)
        console.print(f"  after: {decided_in_words(flow.after)}\n", markup=False)
    gained = sum(flow.gained for flow in found.flows)
    console.print(f"classes of flow: {gained} gain release, {len(found.flows) - gained} lose it")
    if not found.whole:
        console.print(f"stopped after {len(found.flows)} classes: there are more (--most shows them)")
    else:
        console.print("there are no others: proved")


def _table(flows: Sequence[Flow]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for name in ("", "kind", "portion", "recipient", "before", "after"):
        table.add_column(name)
    for flow in flows:
        table.add_row(
            "[green]gains[/]" if flow.gained else "[yellow]loses[/]",
            flow.kind.replace("_", " "),
            flow.portion,
            flow.agency or flow.role.replace("_", " "),
            decided_in_words(flow.before),
            decided_in_words(flow.after),
        )
    return table

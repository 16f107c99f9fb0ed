"""`entente demo`: the case that the project was created for, or a plain load of records, on a real Kafka."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.arrangements import SHIPPED, ArrangementError, read_arrangement
from deploy.cli.grounds import ClusterNodesOption, ClusterOption, KillOption, ShardsOption, read_grounds
from deploy.cli.simulate import StoreOption, read_screenplay, stores
from deploy.stage.play import Options, play, play_plan

app = typer.Typer(help="Run a federation of simulated agencies on a real Kafka, and show who learnt what.")


@app.callback(invoke_without_command=True)
def demo(
    seed: Annotated[int, typer.Option(help="Seed of all that is published.")] = 1,
    scenario: Annotated[str, typer.Option(help="A shipped scenario, or a file.")] = "channel",
    records: Annotated[
        int | None, typer.Option(min=1, help="No scenario: so many seeded records, at real time.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="With --records: so many a second in all; 0: as fast as it goes.")
    ] = 50.0,
    arrangement: Annotated[Path, typer.Option(help="With --records: folder of the arrangement.")] = SHIPPED
    / "g7-small",
    kill: KillOption = "",
    shards: ShardsOption = None,
    cluster_nodes: ClusterNodesOption = None,
    cluster: ClusterOption = None,
    isolate: Annotated[bool, typer.Option(help="A process for each node.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave all running until Ctrl-C, to look around.")] = False,
    headless: Annotated[bool, typer.Option(help="No moving display.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result for machines.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page to hand over.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; it must be empty.")] = None,
    store: StoreOption = "",
) -> None:
    """Exit code 0 only if every expectation held and nothing was lost, doubled or out of order."""
    grounds = read_grounds(kill, shards, cluster_nodes, cluster)
    options = Options(grounds, isolate, keep, headless, json_file, html_file, folder, stores(store))
    if records is None:
        raise typer.Exit(play(read_screenplay(scenario, seed), None, options))
    try:
        source = read_arrangement(arrangement)
    except ArrangementError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    raise typer.Exit(play_plan(source, str(arrangement), seed, records, rate or None, options))

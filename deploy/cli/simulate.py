"""`entente simulate`: scenarios, written, checked and played.

new NAME      a commented scenario to start from, in NAME.yaml
check FILE    what a scenario holds, or every error in it with file, line and field
run FILE      play it on a real Kafka, and show who learnt what
"""

import os
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cli.grounds import ClusterNodesOption, ClusterOption, KillOption, ShardsOption, read_grounds
from deploy.errors import Refused
from deploy.scenarios import SHIPPED
from deploy.scenarios.loader import TEMPLATE, ReadScenario, ScenarioError, find_scenario, read_scenario
from deploy.scenarios.schema import SCHEMA_FILE
from deploy.scenarios.screenplay import Screenplay, make_screenplay
from deploy.stage.play import Options, play

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Write, check and play scenarios.")

Named = Annotated[
    str, typer.Argument(metavar="FILE", help="File of a scenario, or the name of a shipped one.")
]

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="ENTENTE_STORE_URL",
        help="URL of the agencies' stores with {agency} in it; else a SQLite file each.",
    ),
]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,59}")


@app.callback()
def simulate() -> None:
    """Write, check and play scenarios."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the scenario; its file is NAME.yaml in this folder.")],
) -> None:
    """Write a commented scenario to start from."""
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("expected small letters, digits and hyphens, such as 'winter-2027'")
    path = Path(f"{name}.yaml")
    text = (SHIPPED / f"{TEMPLATE}.yaml").read_text(encoding="utf-8")
    text = text.replace("$schema=schema.json", f"$schema={os.path.relpath(SCHEMA_FILE)}", 1)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace(f"name: {TEMPLATE}", f"name: {name}", 1))
    except OSError as error:
        raise Refused(f"'{path}' cannot be written: {error.strerror}") from error
    Console().print(
        f"'{path}' is written; `entente simulate check {path}` is next", markup=False, highlight=False
    )


@app.command()
def check(file: Named) -> None:
    """Say what a scenario holds. Exit code 2 with every error, if there is one."""
    read = _read(file)
    for line in _told(read, make_screenplay(read)):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    file: Named,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of all that is published; else the scenario's own.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds of the scenario in one real second; else as fast as it goes."),
    ] = None,
    isolate: Annotated[bool, typer.Option(help="A process for each node.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result for machines.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page to hand over.")] = None,
    headless: Annotated[bool, typer.Option(help="No moving display.")] = False,
    keep: Annotated[bool, typer.Option(help="Leave all running until Ctrl-C, to look around.")] = False,
    kill: KillOption = "",
    shards: ShardsOption = None,
    cluster_nodes: ClusterNodesOption = None,
    cluster: ClusterOption = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; it must be empty.")] = None,
    store: StoreOption = "",
) -> None:
    """Play a scenario. Exit code 0 only if every expectation held and nothing was lost, doubled or out of order."""
    grounds = read_grounds(kill, shards, cluster_nodes, cluster)
    options = Options(grounds, isolate, keep, headless, json_file, html_file, folder, stores(store))
    raise typer.Exit(play(read_screenplay(file, seed), speed, options))


def stores(url: str) -> str:
    """The URL of the agencies' stores. Raises: `typer.BadParameter` for one that all of them would share."""
    if url and "{agency}" not in url:
        raise typer.BadParameter(
            "expected {agency} in the URL, as in postgresql+psycopg://user@host/entente?schema={agency}",
            param_hint="--store",
        )
    return url


def read_screenplay(scenario: str, seed: int | None) -> Screenplay:
    """A scenario by file or name, in full. Raises: `typer.Exit` with code 2, the errors being told."""
    return make_screenplay(_read(scenario), seed)


def _read(named: str) -> ReadScenario:
    try:
        return read_scenario(find_scenario(named))
    except ScenarioError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _told(read: ReadScenario, screenplay: Screenplay) -> list[str]:
    """What a scenario holds, line by line."""
    scenario, acts = read.scenario, [act for of in screenplay.acts.values() for act in of]
    busy = [agency for agency, of in screenplay.acts.items() if of]
    return [
        f"{read.file}: no errors",
        scenario.title,
        f"  from {scenario.start.isoformat()} to {scenario.end.isoformat()}, seed {screenplay.seed}",
        f"  arrangement '{screenplay.source.federation}': {len(busy)} of {len(screenplay.acts)} agencies publish",
        f"  {len(acts)} acts: {len(read.acts)} of the timeline, {len(acts) - len(read.acts)} of the background",
        f"  {len(screenplay.marks)} marks, {len(read.versions) - 1} of them changes of the arrangement",
        *(f"    {mark.name}" for mark in screenplay.marks if mark.change is not None),
        f"  {len(screenplay.expectations)} expectations",
    ]

"""`entente policy check`: everything that an arrangement must pass before it is signed, in one go.

Exit code 0 if all pass, 1 with what is wrong, 2 for an arrangement that cannot be read.
"""

import json
from collections.abc import Iterable

import typer
from rich.console import Console

from broker.policy.checks import Step, checks
from deploy.cli.policy.common import (
    USUAL,
    ArrangementArgument,
    AtOption,
    JsonOption,
    instant_of,
    progress,
    read_source,
)

app = typer.Typer()


@app.command()
def policy_check(
    arrangement: ArrangementArgument = USUAL, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """Look for faults in the rules, run the test cases and prove the invariants."""
    source = read_source(arrangement)
    with progress("checking", 3, quiet=as_json) as step:
        steps = list(checks(source, instant_of(at), step))
    if as_json:
        print(json.dumps([{"name": s.name, "found": s.found, "wrong": list(s.wrong)} for s in steps]))
    else:
        show_steps(steps)
    raise typer.Exit(0 if all(step.passed for step in steps) else 1)


def show_steps(steps: Iterable[Step]) -> None:
    """A line a step, and what is wrong below it."""
    console = Console()
    for step in steps:
        mark = "[green]passed[/]" if step.passed else "[bold red]failed[/]"
        console.print(f"{mark}  [bold]{step.name}[/]: {step.found}", highlight=False)
        for line in step.wrong:
            console.print(f"        {line}", markup=False, highlight=False)

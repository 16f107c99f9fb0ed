"""`entente policy mutate`: slips in the rules that no test case of the arrangement would notice.

Exit code 0 if every mutant is noticed or proved equivalent, 1 with a record for each that is not: the missing case.
"""

import typer
from rich.console import Console

from broker.policy.cases import read_cases
from broker.policy.documents import MutatedDocument
from broker.policy.proof.mutate import MOST_SHOWN, Fate, Mutated, mutate
from broker.policy.proof.words import decided_in_words, witness_lines
from deploy.arrangements import ArrangementSource
from deploy.cli.policy.common import (
    USUAL,
    ArrangementArgument,
    AtOption,
    JsonOption,
    instant_of,
    progress,
    read_source,
)
from deploy.errors import Refused
from schemas.lined_yaml import YamlError

app = typer.Typer()


@app.command()
def policy_mutate(
    arrangement: ArrangementArgument = USUAL, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """Break each rule in every small way, and see whether a test case notices."""
    source = read_source(arrangement)
    if not source.cases:
        raise Refused(f"'{arrangement}' has no test cases; expected them in its folder 'cases'")
    try:
        cases = read_cases(source.cases, source.directory, source.policy.rules)
        with progress("mutating", len(source.policy.rules), quiet=as_json) as step:
            found = mutate(source.policy, source.directory, cases, instant_of(at), step)
    except YamlError as error:
        raise Refused(str(error)) from error
    except ValueError as error:
        raise Refused(str(error)) from error
    if as_json:
        print(MutatedDocument.of(found).model_dump_json())
    else:
        _show(found, source)
    raise typer.Exit(1 if found.unnoticed else 0)


def _show(found: Mutated, source: ArrangementSource) -> None:
    console = Console()
    equivalent = [one for one in found.survivors if one.fate is Fate.EQUIVALENT]
    for one in found.unnoticed:
        rule = one.mutant.rule
        console.print(
            f"[bold red]unnoticed[/]  {rule.file}:{rule.line} [bold]{rule.id}[/]: {one.mutant.wrong}",
            highlight=False,
        )
        if one.witness is None or one.before is None or one.after is None:
            continue
        console.print(f"           would be {decided_in_words(one.after)}, of:", highlight=False)
        for line in witness_lines(one.witness, one.before, source.policy):
            console.print(f"           {line}", markup=False, highlight=False)
    if len(found.unnoticed) > MOST_SHOWN:
        print(f"the first {MOST_SHOWN} are shown by a record")
    for one in equivalent:
        rule = one.mutant.rule
        console.print(
            f"[dim]equivalent {rule.file}:{rule.line} {rule.id}: {one.mutant.wrong}[/]", highlight=False
        )
    noticed = found.total - len(found.survivors)
    console.print(
        f"{found.total} mutants: {noticed} noticed by a case, {len(equivalent)} proved equivalent, "
        f"{len(found.unnoticed)} unnoticed",
        highlight=False,
    )

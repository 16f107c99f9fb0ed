"""`entente policy test`: what the rules must and must not let through, and the rules of which no case speaks.

    entente policy test g7                                an arrangement's own cases
    entente policy test my-cases --arrangement g7         a file, or a folder of *.yaml files, against an arrangement

Exit codes: 0 all cases hold, 1 one does not (or, with --all-rules, a rule decides in none), 2 the files are wrong.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from broker.policy.cases import read_cases
from broker.policy.documents import CasesDocument
from broker.policy.trials import Covered, Trial, coverage, run_cases
from deploy.arrangements import ArrangementError, ArrangementSource, is_shipped
from deploy.arrangements.loader import DIRECTORY_FILE, read_text
from deploy.cli.policy.common import USUAL, JsonOption, read_source
from deploy.errors import Refused
from schemas.ids import RuleId
from schemas.lined_yaml import YamlError

app = typer.Typer(add_completion=False)


@app.command()
def policy_test(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="An arrangement with cases (folder or name), or a file or folder of cases."
        ),
    ],
    arrangement: Annotated[
        str | None,
        typer.Option(
            "--arrangement", help=f"What a file or folder of cases is held against; {USUAL} if not said."
        ),
    ] = None,
    all_rules: Annotated[
        bool, typer.Option("--all-rules", help="Fail also if there is a rule that decides in no case.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold test cases against sharing rules; tell which rules no case exercises."""
    source, texts = _found(path, arrangement)
    try:
        cases = read_cases(texts, source.directory, source.policy.rules)
    except YamlError as error:
        raise Refused(str(error)) from error
    trials = list(run_cases(source.policy, cases))
    covered = coverage(source.policy, trials)
    if as_json:
        print(CasesDocument.of(trials, source.policy).model_dump_json())
    else:
        _show(Console(highlight=False), source, trials, covered)
    if not all(trial.holds for trial in trials) or (all_rules and _idle(covered)):
        raise typer.Exit(1)


def _found(path: str, arrangement: str | None) -> tuple[ArrangementSource, Mapping[str, str]]:
    """The arrangement, and the text of its cases or of those at the path, by file name. Raises: `Refused`."""
    place = Path(path)
    if is_shipped(path) or (place / DIRECTORY_FILE).is_file():
        if arrangement is not None:
            raise Refused(f"'{path}' is an arrangement; --arrangement goes with a file or folder of cases")
        source = read_source(path)
        if not source.cases:
            raise Refused(
                f"the arrangement '{path}' has no cases: expected *.yaml files in its folder 'cases'"
            )
        return source, source.cases
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    if not files:
        raise Refused(f"'{path}': expected *.yaml files of cases in this folder")
    try:
        texts = {str(file): read_text(file) for file in files}
    except ArrangementError as error:
        raise Refused(str(error)) from error
    return read_source(arrangement or USUAL), texts


def _idle(covered: Mapping[RuleId, Covered]) -> list[RuleId]:
    return [rule for rule, found in covered.items() if not found.pairs]


def _show(
    console: Console, source: ArrangementSource, trials: Sequence[Trial], covered: Mapping[RuleId, Covered]
) -> None:
    failed = [trial for trial in trials if not trial.holds]
    for trial in failed:
        console.print(Text.assemble(("fails ", "bold red"), f"{trial.case.file}:{trial.case.line}"))
        console.print(Padding(Text(trial.case.title, "bold"), (0, 0, 0, 2), expand=False))
        for mismatch in trial.mismatches:
            console.print(Padding(Text(str(mismatch)), (0, 0, 0, 4), expand=False))
        console.print()
    held = len(trials) - len(failed)
    style = "bold red" if failed else "bold green"
    console.print(
        Text(f"{held} of {len(trials)} cases hold", style), f"against the arrangement {source.federation}"
    )
    idle = _idle(covered)
    console.print(f"{len(covered) - len(idle)} of {len(covered)} rules decide in a case")
    _listed(console, "no case exercises", idle)
    _listed(console, "no case names", [r for r, found in covered.items() if found.pairs and not found.pinned])


def _listed(console: Console, what: str, rules: Sequence[RuleId]) -> None:
    if rules:
        console.print(Padding(f"{what}: {', '.join(rules)}", (0, 0, 0, 2), expand=False))

"""`entente policy lint`: what cannot be loaded, and what is suspicious in rules that can.

Exit code 0 without a fault (a note is none), 1 with one, 2 for an arrangement that cannot be read.
"""

import typer
from rich.console import Console

from broker.policy.documents import LintDocument
from broker.policy.proof.lint import Finding, lint
from deploy.cli.policy.common import USUAL, ArrangementArgument, JsonOption, progress, read_source

app = typer.Typer()


@app.command()
def policy_lint(arrangement: ArrangementArgument = USUAL, as_json: JsonOption = False) -> None:
    """Find rules and conditions that never hold, or that others make idle."""
    source = read_source(arrangement)
    with progress("looking at", len(source.policy.rules), quiet=as_json) as step:
        findings = lint(source.policy, source.directory, step)
    faults = [finding for finding in findings if finding.smell.is_fault]
    if as_json:
        print(LintDocument.of(findings).model_dump_json())
    else:
        show_findings(findings)
        notes = len(findings) - len(faults)
        print(f"{len(source.policy.rules)} rules: {len(faults)} faults, {notes} notes")
    raise typer.Exit(1 if faults else 0)


def show_findings(findings: tuple[Finding, ...]) -> None:
    """One line a finding: place, rule, what it means."""
    console = Console()
    for finding in findings:
        mark = "[bold red]fault[/]" if finding.smell.is_fault else "[yellow]note[/] "
        place = f"{finding.rule.file}:{finding.rule.line}"
        console.print(f"{mark}  {place} [bold]{finding.rule.id}[/]: {finding.message}", highlight=False)

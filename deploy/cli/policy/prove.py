"""`entente policy prove`: the protection gate and the invariants, for every label and every agency there could be.

    entente policy prove g7
    entente policy prove my-arrangement --json

Exit code 0 if all hold, 1 with a concrete record for each that does not.
"""

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.policy.documents import ProvedDocument
from broker.policy.proof.prove import Proof, Proved, prove
from broker.policy.proof.words import witness_lines
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

app = typer.Typer()


@app.command()
def policy_prove(
    arrangement: ArrangementArgument = USUAL, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """Prove the protection gate and the invariants, or show a concrete record that breaks them."""
    source = read_source(arrangement)
    with progress("proving", len(source.invariants) + 1, quiet=as_json) as step:
        proved = prove(source.policy, source.directory, source.invariants, instant_of(at), step)
    if as_json:
        print(ProvedDocument.of(proved).model_dump_json())
    else:
        show_proved(proved, source)
    raise typer.Exit(0 if proved.hold else 1)


def show_proved(proved: Proved, source: ArrangementSource) -> None:
    """Each promise with its proof, and the counterexamples below."""
    console = Console()
    table = Table.grid(padding=(0, 2))
    for proof in proved.proofs:
        mark = Text("holds", "green") if proof.holds else Text("fails", "bold red")
        table.add_row(mark, Text(proof.id, "bold"), proof.says)
    console.print(table)
    for proof in proved.proofs:
        if not proof.holds:
            console.print(f"\n[bold red]fails[/]  [bold]{proof.id}[/]  {proof.says}", highlight=False)
            for line in _against(proof, source):
                console.print(f"       {line}", markup=False, highlight=False)
    if proved.gate_alone is not None:
        lines = list(witness_lines(proved.gate_alone.witness, proved.gate_alone.decided, source.policy))
        console.print(
            "\nThe rules alone would release what only the protection gate keeps shut, such as:",
            highlight=False,
        )
        for line in lines:
            console.print(f"       {line}", markup=False, highlight=False)
    broken = sum(not proof.holds for proof in proved.proofs)
    held = len(proved.proofs) - broken
    console.print(
        f"\n{held} of {len(proved.proofs)} proved for every label, agency and membership"
        + (f"; [bold red]{broken} broken[/]" if broken else ""),
        highlight=False,
    )


def _against(proof: Proof, source: ArrangementSource) -> list[str]:
    if proof.against is None:
        return ["nothing is ever released for which this holds"]
    return list(witness_lines(proof.against.witness, proof.against.decided, source.policy))

"""`entente policy matrix`: for every kind of record and each typical label, who gets which portion.

    entente policy matrix
    entente policy matrix --kind debrief --from fr-oltim
    entente policy matrix --html matrix.html

The terminal shows labels that name every agency, and with --all those that address each community, and persons whose
origin is not known. The page has all of them.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.policy.arranged import engine_of
from broker.policy.documents import MatrixDocument
from broker.policy.foreseeing import Foreseen
from broker.policy.matrix import BY_NAME, Row, matrix
from broker.policy.proof.words import LETTERS, decided_in_words
from deploy.arrangements import ArrangementSource
from deploy.arrangements.matrix_page import matrix_page
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
from schemas.codes import UNKNOWN_STATE, AgencyRole, Kind
from schemas.ids import AgencyId
from schemas.records import KINDS
from schemas.verdicts import Withheld

app = typer.Typer()

_STYLES = {
    None: "bold green",
    Withheld.GATE: "bold magenta",
    Withheld.FORBIDDEN: "red",
    Withheld.NO_PERMIT: "yellow",
    Withheld.NOT_ADDRESSED: "dim",
}


@app.command()
def policy_matrix(
    arrangement: ArrangementArgument = USUAL,
    originator: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENCY", help="Who publishes; else the first police agency."),
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="AGENCY", help="Only this agency; may be repeated.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Communities and unknown origins as well.")
    ] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one self-contained page.")] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would get which portion of each kind of record, under typical labels."""
    source, at_ms = read_source(arrangement), instant_of(at)
    directory = source.directory
    sender = originator or next(
        (a.id for a in directory.agencies if a.role is AgencyRole.POLICE), directory.agency_ids[0]
    )
    for name in (sender, *(to or ())):
        if name not in directory.agency_ids:
            raise Refused(f"'{name}' is no agency of '{arrangement}', but {', '.join(directory.agency_ids)}")
    with progress("deciding", len(kind or KINDS), quiet=as_json) as step:
        rows = list(matrix(engine_of(source), AgencyId(sender), at_ms, kind or (), step))
    if html is not None:
        try:
            html.write_text(matrix_page(source, AgencyId(sender), rows, at_ms), encoding="utf-8")
        except OSError as error:
            raise Refused(f"'{html}' cannot be written: {error.strerror}") from error
        print(f"written: {html}")
    elif as_json:
        print(MatrixDocument.of(AgencyId(sender), rows, to or ()).model_dump_json())
    else:
        shown = rows if everything else [r for r in rows if r.to == BY_NAME and r.origin != UNKNOWN_STATE]
        _show(source, AgencyId(sender), shown, to)


def _wanted(row: Row, to: list[str] | None) -> list[Foreseen]:
    return [cell for cell in row.cells if not to or cell.recipient in to]


def _show(source: ArrangementSource, sender: AgencyId, rows: list[Row], to: list[str] | None) -> None:
    console = Console(highlight=False)
    counted: Counter[Withheld | None] = Counter()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("portion")
    for cell in _wanted(rows[0], to) if rows else ():
        table.add_column(_heading(cell.recipient), justify="center", min_width=3)
    before = None
    for row in rows:
        if row.kind != before:
            before = row.kind
            table.add_row("")
            table.add_row(Text(row.kind.replace("_", " "), "bold"))
        cells = _wanted(row, to)
        counted.update(cell.withheld for cell in cells)
        table.add_row(_name(row), *(Text(LETTERS[cell.withheld], _STYLES[cell.withheld]) for cell in cells))
    console.print(f"What {sender} would share under the arrangement {source.federation}", style="bold")
    console.print(table)
    legend = Text("\n")
    for withheld, style in _STYLES.items():
        words = decided_in_words(Foreseen(sender, withheld, ()))
        legend.append(f" {LETTERS[withheld]} ", style).append(f"{words} ({counted[withheld]})\n")
    console.print(legend)


def _heading(agency: str) -> str:
    """Narrow enough for sixteen of them: the state above, the first letters of the name below."""
    state, name = agency.split("-", 1)
    return f"{state}\n{name[:3]}"


def _name(row: Row) -> str:
    to = "" if row.to == BY_NAME else f" → {row.to}"
    if row.person is None:
        return f"  {row.portion}{to}"
    origin = "" if row.origin != UNKNOWN_STATE else ", origin unknown"
    return f"  {row.portion}: {row.person.words}{origin}{to}"

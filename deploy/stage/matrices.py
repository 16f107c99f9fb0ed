"""Who got what of whom, for a terminal: a matrix where it has room, sums where it has not.

- Up to six agencies: all numbers of each pair. Up to sixteen in 100 columns: one matrix of what was delivered and one
  of what was withheld, a shade and a number for each pair, to be read without colour. More: a row for each agency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from schemas.ids import AgencyId

if TYPE_CHECKING:
    from deploy.stage.director import Report
    from deploy.stage.services import Services

_FEW: Final = 6
_CELL: Final = 4

#: Share of a pair's records, in fifths, from none to all; told apart without colour.
_SHADES: Final = " ·░▒▓█"
_SHARES: Final = ("under 20 %", "20", "40", "60", "80 % or more")


def titled(title: str) -> Table:
    """An empty table with its title at the left."""
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)


def matrices(report: Report, services: Services, width: int) -> list[RenderableType]:
    """What to print, from top to bottom, in so many columns."""
    agencies = in_order(services)
    if len(agencies) <= _FEW:
        return [_small_matrix(report, agencies)]
    if max(map(len, agencies)) + (len(agencies) + 1) * (_CELL + 1) > width:
        return [_sums(report, agencies)]
    shares = "   ".join(f"{shade} {share}" for shade, share in zip(_SHADES[1:], _SHARES, strict=True))
    return [
        _shaded_matrix("who got how many records of whom", report, agencies, "delivered", "green"),
        Text(),
        _shaded_matrix("who did not get how many records of whom", report, agencies, "withheld", "yellow"),
        Text(f"of what was published:   {shares}\n", style="dim"),
        _names(services),
        Text(),
    ]


def in_order(services: Services) -> list[AgencyId]:
    """The agencies as the arrangement lists them."""
    return [agency.id for agency in services.source.directory.agencies]


def _small_matrix(report: Report, agencies: Sequence[AgencyId]) -> Table:
    table = titled("who got what: records delivered / withheld / quarantined")
    table.add_column("from \\ to", style="bold")
    for agency in agencies:
        table.add_column(agency, justify="right")
    for originator in agencies:
        cells = []
        for recipient in agencies:
            fate = report.audited.counts.matrix.get((originator, recipient))
            if originator == recipient or fate is None:
                cells.append("·")
            else:
                cells.append(
                    f"[green]{fate['delivered']}[/] / [yellow]{fate['withheld']}[/] / [red]{fate['quarantined']}[/]"
                )
        table.add_row(originator, *cells)
    return table


def _shaded_matrix(title: str, report: Report, agencies: Sequence[AgencyId], fate: str, colour: str) -> Table:
    """A row for each originator, a narrow column for each recipient; a shade for the share, and the number."""
    table = titled(title)
    table.padding = (0, 0, 0, 0)
    table.show_edge = False
    table.add_column("from \\ to", style="bold", no_wrap=True, max_width=15)
    for head in _heads(agencies):
        table.add_column(head, justify="right", width=_CELL, no_wrap=True)
    table.add_column("sum", justify="right", no_wrap=True, style="bold")
    sums: Counter[str] = Counter()
    for originator in agencies:
        cells, total = [], 0
        for recipient in agencies:
            fates = report.audited.counts.matrix.get((originator, recipient), Counter())
            cells.append(Text("") if originator == recipient else _cell(fates[fate], fates.total(), colour))
            sums[recipient] += fates[fate]
            total += fates[fate]
        table.add_row(originator, *cells, _short(total))
    table.add_section()
    table.add_row("sum", *(_short(sums[r]) for r in agencies), _short(sums.total()), style="bold")
    return table


def _cell(count: int, pairs: int, colour: str) -> Text:
    if not pairs:
        return Text("")
    share = count / pairs
    shade = 0 if not count else 1 + min(4, int(share * 5))
    style = ("dim", f"dim {colour}", colour, colour, colour, f"bold {colour}")[shade]
    number = _short(count)
    return Text(f"{_SHADES[shade]}{number:>3}" if len(number) < _CELL else number, style=style)


def _short(count: int) -> str:
    """A number in four characters: `1286`, `12k`."""
    return str(count) if count < 10_000 else f"{count // 1000}k"


def _heads(agencies: Sequence[AgencyId]) -> list[str]:
    """Column heads of two lines and four characters, all different."""
    heads: list[str] = []
    for agency in agencies:
        country, _, name = agency.partition("-")
        head, number = f"{country}\n{name[:_CELL]}", 1
        while head in heads:
            number += 1
            head = f"{country}\n{name[: _CELL - len(str(number))]}{number}"
        heads.append(head)
    return heads


def _names(services: Services) -> Table:
    """Who is who, in two columns."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for style, width in (("bold", 10), ("", 36), ("bold", 10), ("", 36)):
        table.add_column(style=style, max_width=width, no_wrap=True, overflow="ellipsis")
    known = [(a.id, Text(a.name)) for a in services.source.directory.agencies]
    half = (len(known) + 1) // 2
    for at, (agency, name) in enumerate(known[:half]):
        table.add_row(agency, name, *(known[half + at] if half + at < len(known) else ("", "")))
    return table


def _sums(report: Report, agencies: Sequence[AgencyId]) -> Table:
    """For more agencies than a matrix has room for: a row each."""
    gave: Counter[str] = Counter()
    fates: dict[str, Counter[str]] = {}
    for (originator, recipient), counter in report.audited.counts.matrix.items():
        gave[originator] += counter["delivered"]
        fates.setdefault(recipient, Counter()).update(counter)
    table = titled("who gave and who got how many records")
    for name in ("agency", "given to others", "got", "withheld", "quarantined"):
        table.add_column(name, justify="left" if name == "agency" else "right")
    for agency in agencies:
        fate = fates.get(agency, Counter())
        numbers = (gave[agency], fate["delivered"], fate["withheld"], fate["quarantined"])
        table.add_row(agency, *map(str, numbers))
    return table

"""What a person sees of a run: progress while it goes, then matrix, reasons, laws, figures and where to look.

Made for a terminal of 100 columns, and to be read without colour; nothing is said that is not read from ledgers and
databases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deploy.stage.evidence import read_only
from deploy.stage.reasons import refused_reasons, rules_in_words, withheld_reasons
from deploy.stage.sentences import said_at
from schemas.codes import AgencyRole
from schemas.ids import AgencyId

if TYPE_CHECKING:
    from deploy.scenarios.screenplay import Screenplay
    from deploy.stage.director import Report, Sight
    from deploy.stage.expectations import Expectation
    from deploy.stage.services import Services

#: So few agencies that a matrix has room for all three numbers of a pair.
_FEW: Final = 6
_ROWS: Final = 16
_REASONS: Final = 15
_BAR: Final = 44
_CELL: Final = 4

#: Share of a pair's records, in fifths, from none to all; told apart without colour.
_SHADES: Final = " ·░▒▓█"
_SHARES: Final = ("under 20 %", "20", "40", "60", "80 % or more")

_EXAMPLE: Final = (
    "SELECT r.kind, p.portion, p.tlp, count(*) AS n FROM records r JOIN portions p\n"
    "  USING (originator, record_id, manifest) GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT 5"
)


def live_view(sight: Sight) -> RenderableType:
    """Progress: records decided of those planned, domain time, and of each agency what it gave, got and did not get."""
    width = 40
    done = round(width * sight.decided / max(1, sight.planned))
    head = Text.assemble(
        (f"{said_at(sight.domain_ms)}   " if sight.domain_ms is not None else "", "bold"),
        f"{sight.decided:,} of {sight.planned:,} records decided  ",
        ("━" * done, "green"),
        ("╌" * (width - done), "dim"),
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("sent", justify="right")
    table.add_column(f"{'█ got    ░ did not get':<{_BAR}}", width=_BAR, no_wrap=True)
    table.add_column("got", justify="right")
    table.add_column("did not", justify="right")
    pairs = {a: n + sight.withheld.get(a, 0) for a, n in sight.delivered.items()}
    most = max(1, *pairs.values())
    shown = list(pairs)[:_ROWS]
    for agency in shown:
        got, missed = sight.delivered[agency], sight.withheld.get(agency, 0)
        full, whole = round(_BAR * got / most), round(_BAR * pairs[agency] / most)
        bar = Text.assemble(("█" * full, "green"), ("░" * (whole - full), "yellow"))
        table.add_row(agency, f"{sight.published.get(agency, 0):,}", bar, f"{got:,}", f"{missed:,}")
    rest = (
        [Text(f"and {len(pairs) - len(shown)} more agencies", style="dim")] if len(pairs) > len(shown) else []
    )
    return Group(head, Text(), table, *rest, Text(sight.note, style="bold red"))


def show_opening(console: Console, services: Services, screenplay: Screenplay | None) -> None:
    """What is about to be seen, in a few lines."""
    source, records = services.source, services.work.records
    cast = f"{len(source.directory.agencies)} simulated agencies"
    said = (
        f"[bold]Entente[/]: {cast} under the arrangement '{escape(source.federation)}' share {records:,} records "
        "through a real Apache Kafka with mutual TLS and access rights. All data are synthetic; every person and "
        "event is invented, and no agency named takes part."
    )
    if screenplay is not None:
        changes = sum(mark.change is not None for mark in screenplay.marks)
        span = f"{said_at(screenplay.start_ms)} to {said_at(screenplay.end_ms)}, UTC"
        said += (
            f"\n\n[bold]{escape(screenplay.title)}[/]\n{span}; {changes} changes of the arrangement; "
            f"{len(screenplay.expectations)} expectations"
        )
    console.print(said, highlight=False)


def show_report(
    console: Console, report: Report, services: Services, seconds: float, screenplay: Screenplay | None
) -> None:
    """Everything that came of a run."""
    console.print()
    if screenplay is not None:
        console.print(f"[bold]{escape(screenplay.title)}[/]\n", highlight=False)
    for part in _matrices(report, services, console.width):
        console.print(part, highlight=False)
    console.print(_reasons(report, services))
    console.print(_laws(report))
    console.print(_figures(report, seconds), highlight=False)
    _example(console, services)
    _expectations(console, report.expectations, screenplay)
    held, a = sum(e.held for e in report.expectations), report.audited
    verdict = "[bold green]all as expected[/]" if report.good else "[bold red]NOT as expected[/]"
    console.print(
        f"{verdict}: {held} of {len(report.expectations)} expectations held, lost {a.lost}, "
        f"duplicates {a.duplicates}, out of order {a.out_of_order}",
        highlight=False,
    )


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)


def _matrices(report: Report, services: Services, width: int) -> list[RenderableType]:
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
    table = _titled("who got what: records delivered / withheld / quarantined")
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
    table = _titled(title)
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
    table = _titled("who gave and who got how many records")
    for name in ("agency", "given to others", "got", "withheld", "quarantined"):
        table.add_column(name, justify="left" if name == "agency" else "right")
    for agency in agencies:
        fate = fates.get(agency, Counter())
        numbers = (gave[agency], fate["delivered"], fate["withheld"], fate["quarantined"])
        table.add_row(agency, *map(str, numbers))
    return table


def _reasons(report: Report, services: Services) -> RenderableType:
    table = _titled("why portions were withheld, and records refused")
    table.add_column("times", justify="right")
    table.add_column("reason", max_width=58)
    table.add_column("rule", style="dim", no_wrap=True)
    found = withheld_reasons(report.reasons, rules_in_words(services.secretariat.history.ready))
    for reason in found[:_REASONS]:
        table.add_row(f"{reason.count:,}", Text(reason.text), Text(reason.rule))
    table.add_section()
    for reason in refused_reasons(report.reasons):
        table.add_row(f"{reason.count:,}", Text(f"Refused at admission: {reason.text}."), Text(reason.rule))
    rarer = ", ".join(f"{reason.rule or reason.text} {reason.count:,}" for reason in found[_REASONS:])
    return Group(table, Text(f"  more rarely: {rarer}\n", style="dim")) if rarer else table


def _laws(report: Report) -> Table:
    table = _titled("the conservation law: pairs = delivered + withheld + quarantined + in flight")
    for name in ("count", "pairs", "delivered", "withheld", "quarantined", "in flight", "holds"):
        table.add_column(name, justify="left" if name == "count" else "right")
    for name, counts in (
        ("operational: ledgers, receipts", report.operational),
        ("audit: topics, all databases", report.audited.counts),
    ):
        t = counts.totals()
        table.add_row(name, *(f"{t[k]:,}" for k in t), "yes" if counts.conserved else "[red]NO[/]")
    return table


def _figures(report: Report, seconds: float) -> str:
    j = report.as_json()
    latency = j["latency_ms"]
    assert isinstance(latency, dict)
    lines = [
        f"{j['published']:,} records published, {j['throughput_per_s']:,} deliveries a second",
        f"from sealed to stored: p50 {latency['p50']:,} ms, p99 {latency['p99']:,} ms",
        f"the run took {seconds:.1f} s; first delivery {report.first_delivery_s:.1f} s after the services were ready",
    ]
    lines += [f"SIGKILL {what}: deliveries went on after {s:.1f} s" for what, s in report.recoveries]
    return "\n".join(lines)


def _example(console: Console, services: Services) -> None:
    """Where everything lies, and one query that anybody can type."""
    run = services.run
    source_states = (a.id for a in services.source.directory.agencies if a.role is AgencyRole.SOURCE_STATE)
    agency = next(source_states, services.agencies[-1])
    console.print(f"\nall of it lies in {run.folder}", highlight=False, soft_wrap=True, markup=False)
    console.print(
        "  databases  agencies/*/store.sqlite\n  logs       logs/, cluster/node-1/kafka.log\n"
        "  audit      .venv/bin/entente ledger audit FOLDER",
        highlight=False,
    )
    console.print(
        f"\n[bold]what {agency} holds now[/], by\n[dim]{_EXAMPLE}[/]", highlight=False, soft_wrap=True
    )
    with read_only(run.store(agency)) as db:
        rows = db.execute(_EXAMPLE).fetchall()
    table = Table("kind", "portion", "tlp", "n", box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)


def _expectations(
    console: Console, expectations: Sequence[Expectation], screenplay: Screenplay | None
) -> None:
    """What did not hold, in full and first; then all that held, a line each."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold red", no_wrap=True)
    table.add_column(max_width=76)
    table.add_column(justify="right", no_wrap=True)
    for e in expectations:
        if not e.held:
            because = getattr(e, "because", "")
            said = Text(e.name) + Text(f"\n{because}" if because else "", style="dim")
            table.add_row("NOT held", said, f"{e.cases:,} cases")
    if table.row_count:
        console.print(table)
        console.print()
    own = {e.name for e in screenplay.expectations} if screenplay else set()
    parts: Mapping[str, Callable[[Expectation], bool]] = {
        "what must hold always": lambda e: e.name not in own,
        "what the scenario expects": lambda e: e.name in own,
    }
    for title, belongs in parts.items():
        part = [e for e in expectations if belongs(e)]
        held = [e for e in part if e.held]
        if part:
            console.print(
                f"[bold]{title}[/]: {len(held)} of {len(part)} held, in so many cases", highlight=False
            )
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(justify="right", width=7, style="green")
            table.add_column(max_width=90)
            for e in held:
                table.add_row(f"{e.cases:,}", Text(e.name))
            console.print(table)
            console.print()

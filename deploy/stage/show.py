"""What a person sees of a run: progress while it goes, then matrix, reasons, laws, figures and where to look.

Made for a terminal of 100 columns, and to be read without colour; nothing is said that is not read from ledgers and
databases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from deploy.stage.evidence import read_only
from deploy.stage.matrices import matrices, titled
from deploy.stage.reasons import refused_reasons, rules_in_words, withheld_reasons
from deploy.stage.sentences import said_at
from schemas.codes import AgencyRole

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.scenarios.screenplay import Screenplay
    from deploy.stage.addresses import Addresses
    from deploy.stage.director import Report, Sight
    from deploy.stage.expectations import Expectation
    from deploy.stage.services import Services

_ROWS: Final = 16
_REASONS: Final = 15
_BAR: Final = 44

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


def show_addresses(console: Console, addresses: Addresses, folder: Path) -> None:
    """Where the APIs of a run answer, and a call to begin with."""
    console.print(f"\nbroker API  {addresses.broker}", highlight=False)
    for agency, url in addresses.agencies.items():
        console.print(f"  {agency:<10}{url}", highlight=False)
    agency = next(iter(addresses.agencies))
    console.print(
        f"\ntry  entente agency search boat --purpose detection --run {folder} --agency {agency}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def show_report(
    console: Console, report: Report, services: Services, seconds: float, screenplay: Screenplay | None
) -> None:
    """Everything that came of a run."""
    console.print()
    if screenplay is not None:
        console.print(f"[bold]{escape(screenplay.title)}[/]\n", highlight=False)
    for part in matrices(report, services, console.width):
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


def _reasons(report: Report, services: Services) -> RenderableType:
    table = titled("why portions were withheld, and records refused")
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
    table = titled("the conservation law: pairs = delivered + withheld + quarantined + in flight")
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
        rows = db.exec_driver_sql(_EXAMPLE).fetchall()
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

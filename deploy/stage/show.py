"""What a person sees of a run: progress while it goes, then matrix, reasons, laws, figures and where to look.

Made for a terminal of 100 columns; nothing is said that is not read from ledgers and databases.
"""

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.stage.director import Report, Sight
from deploy.stage.evidence import read_only
from deploy.stage.services import Services
from schemas.ids import RuleId

_REASONS = {
    "not_addressed": "not addressed to it by the originator",
    "no_permit": "no rule permits it",
    "protection_gate": "the protection gate",
}

_EXAMPLE = (
    "SELECT r.kind, p.portion, p.tlp, count(*) AS n FROM records r JOIN portions p\n"
    "  USING (originator, record_id, manifest) GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT 5"
)


def live_view(sight: Sight) -> RenderableType:
    """Progress: records decided of those planned, and lines in each reception log."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        "decided", ProgressBar(sight.planned, sight.decided, width=40), f"{sight.decided}/{sight.planned}"
    )
    busiest = max(1, *sight.delivered.values())
    for agency, count in sight.delivered.items():
        grid.add_row(agency, ProgressBar(busiest, count, width=40), f"{count} received")
    return Group(grid, Text(sight.note, style="bold red"))


def show_opening(console: Console, services: Services) -> None:
    """What is about to be seen, in two lines."""
    directory, record = services.source.directory, services.run.record
    console.print(
        f"[bold]Entente[/]: {len(directory.agencies)} simulated agencies under the arrangement "
        f"'{services.source.federation}' share {record.records} synthetic records\n"
        "through a real Apache Kafka with mutual TLS and access rights; no agency named takes part.",
        highlight=False,
    )


def show_report(console: Console, report: Report, services: Services, seconds: float) -> None:
    """Everything that came of a run."""
    console.print()
    console.print(_matrix(report, services))
    console.print(_reasons(report, services))
    console.print(_laws(report))
    console.print(_figures(report, seconds))
    _example(console, services)
    console.print(_expectations(report))
    verdict = "[bold green]all as expected[/]" if report.good else "[bold red]NOT as expected[/]"
    console.print(
        f"\n{verdict}: lost {report.audited.lost}, duplicates {report.audited.duplicates}, "
        f"out of order {report.audited.out_of_order}",
        highlight=False,
    )


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)


def _matrix(report: Report, services: Services) -> Table:
    table = _titled("who got what: records delivered / withheld / quarantined")
    table.add_column("from \\ to", style="bold")
    for agency in services.agencies:
        table.add_column(agency, justify="right")
    for originator in services.agencies:
        cells = []
        for recipient in services.agencies:
            fate = report.audited.counts.matrix.get((originator, recipient))
            if originator == recipient or fate is None:
                cells.append("·")
            else:
                cells.append(
                    f"[green]{fate['delivered']}[/] / [yellow]{fate['withheld']}[/] / [red]{fate['quarantined']}[/]"
                )
        table.add_row(originator, *cells)
    return table


def _reasons(report: Report, services: Services) -> Table:
    table = _titled("why portions were withheld")
    table.add_column("portions", justify="right")
    table.add_column("reason", max_width=66)
    table.add_column("rule", style="dim", no_wrap=True)
    rules = services.source.policy.rules
    for reason, count in report.reasons.most_common(9):
        rule = rules.get(RuleId(reason))
        table.add_row(
            str(count), rule.reason if rule else _REASONS.get(reason, reason), reason if rule else ""
        )
    return table


def _laws(report: Report) -> Table:
    table = _titled("the conservation law: pairs = delivered + withheld + quarantined + in flight")
    for name in ("count", "pairs", "delivered", "withheld", "quarantined", "in flight", "holds"):
        table.add_column(name, justify="left" if name == "count" else "right")
    for name, counts in (
        ("operational: ledgers, receipts", report.operational),
        ("audit: topics, all databases", report.audited.counts),
    ):
        t = counts.totals()
        table.add_row(name, *(str(t[k]) for k in t), "yes" if counts.conserved else "[red]NO[/]")
    return table


def _figures(report: Report, seconds: float) -> str:
    j = report.as_json()
    latency = j["latency_ms"]
    assert isinstance(latency, dict)
    pace = f"{j['published']} records published, {j['throughput_per_s']} deliveries a second"
    delay = f"from sealed to stored: p50 {latency['p50']} ms, p99 {latency['p99']} ms"
    start = f"first delivery {report.first_delivery_s:.1f} s after the services were ready"
    lines = [f"{pace}; {delay}", f"the run took {seconds:.1f} s; {start}"]
    lines += [f"SIGKILL {what}: deliveries went on after {s:.1f} s" for what, s in report.recoveries]
    return "\n".join(lines)


def _example(console: Console, services: Services) -> None:
    """Where everything lies, and one query that anybody can type."""
    run, agency = services.run, services.agencies[-1]
    console.print(f"\ndatabases  {run.folder}/agencies/*/store.sqlite", highlight=False, soft_wrap=True)
    console.print(f"logs       {run.logs}/, {run.cluster}/node-1/kafka.log", highlight=False, soft_wrap=True)
    console.print(f"audit      .venv/bin/entente ledger audit {run.folder}", highlight=False, soft_wrap=True)
    console.print(
        f"\n[bold]what {agency} holds now[/], by\n[dim]{_EXAMPLE}[/]", highlight=False, soft_wrap=True
    )
    with read_only(run.store(agency)) as db:
        rows = db.execute(_EXAMPLE).fetchall()
    table = Table("kind", "portion", "tlp", "n", box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)


def _expectations(report: Report) -> Table:
    table = _titled("expectations")
    table.add_column("held")
    table.add_column("what", max_width=80)
    table.add_column("cases", justify="right")
    for e in report.expectations:
        table.add_row("[green]yes[/]" if e.held else "[bold red]NO[/]", e.name, str(e.cases))
    return table

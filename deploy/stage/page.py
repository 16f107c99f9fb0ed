"""A run as one page to hand over: who got what and why not, when, how fast, and whether all that must hold did.

- One file of HTML with its style and its drawings in it: no script, nothing from elsewhere, to be read offline,
  printed, and by those who listen to it.
- Everything that comes from a run, a scenario or an arrangement is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from deploy.stage.chapters import chapters, decided
from deploy.stage.sentences import said_at

if TYPE_CHECKING:
    from deploy.scenarios.screenplay import Screenplay
    from deploy.stage.director import Report
    from deploy.stage.services import Services

_TEMPLATE: Final = Path(__file__).parent / "page.html"

#: States that no country has: those of an exercise.
_FICTIONAL: Final = {"XA", "XB"}


def write_page(path: Path, report: Report, services: Services, screenplay: Screenplay | None) -> None:
    """Write the page. Raises: `OSError`."""
    path.write_text(page(report, services, screenplay), encoding="utf-8")


def page(report: Report, services: Services, screenplay: Screenplay | None) -> str:
    """The page as text."""
    federation = services.source.federation
    title = screenplay.title if screenplay else f"A run under the arrangement {federation}"
    parts = chapters(report, services, screenplay)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        subtitle=escape(_subtitle(report, services, screenplay)),
        synthetic=escape(_synthetic(services)),
        figures="".join(_figure(name, number) for name, number in _figures(report, services)),
        contents=" ".join(f'<a href="#{s.id}">{escape(s.title)}</a>' for s in parts),
        sections="\n".join(s.html for s in parts),
        colophon=escape(_colophon(services)),
    )


def _subtitle(report: Report, services: Services, screenplay: Screenplay | None) -> str:
    times = [leaf.at_ms for leaf in decided(report)]
    if screenplay is not None:
        times = [screenplay.start_ms, screenplay.end_ms]
    when = ""
    if times:
        year = datetime.fromtimestamp(max(times) / 1000, UTC).year
        when = f" from {said_at(min(times))} to {said_at(max(times))} {year} (UTC)"
    return (
        f"Entente, an intelligence-sharing broker: a simulation{when}, under the arrangement "
        f"{services.source.federation}, through a real Apache Kafka."
    )


def _synthetic(services: Services) -> str:
    said = (
        "Everything on this page is simulated. Every person, number and event is synthetic, made by a seeded "
        "generator. The agencies bear the names that the agreement names; none of them takes part, and nothing here "
        "says what they do or hold."
    )
    states = {state for agency in services.source.directory.agencies for state in agency.states}
    fictional = sorted(_FICTIONAL & {str(state) for state in states})
    if not fictional:
        return said
    return f"{said} {' and '.join(fictional)} {'is no real state' if len(fictional) == 1 else 'are no real states'}."


def _figures(report: Report, services: Services) -> Iterator[tuple[str, str]]:
    a, held = report.audited, sum(e.held for e in report.expectations)
    yield "agencies", f"{len(services.agencies)}"
    yield "records published", f"{a.published:,}"
    yield "deliveries", f"{a.counts.delivered:,}"
    yield "times withheld", f"{a.counts.withheld:,}"
    yield "lost, doubled, disordered", f"{a.lost}, {a.duplicates}, {a.out_of_order}"
    yield "expectations held", f"{held} of {len(report.expectations)}"


def _figure(name: str, number: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(number)}</dd></div>"


def _colophon(services: Services) -> str:
    record, federation = services.run.record, services.source.federation
    what = f"scenario {record.scenario}, " if record.scenario else ""
    return (
        f"Made by Entente on {datetime.now(UTC):%Y-%m-%d} from a run: {what}arrangement {federation}, seed "
        f"{record.seed}. Numbers were counted from ledgers and databases, never from counters of the software under "
        "test."
    )

"""The chapters of a run's page: what held, what happened, who got what and why not, when, how fast, under what terms.

Each is a heading and HTML; everything that comes from a run, a scenario or an arrangement is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from broker.policy import load_policy
from broker.policy.differences import differences
from deploy.stage import drawings
from deploy.stage.drawings import Mark
from deploy.stage.matrices import in_order
from deploy.stage.reasons import Reason, refused_reasons, rules_in_words, withheld_reasons
from deploy.stage.sentences import said_at
from schemas.certifying import released_of
from schemas.codes import AgencyRole
from schemas.ids import Digest
from schemas.ledger import Activation, Admitted, Quarantined
from schemas.verdicts import Withheld

if TYPE_CHECKING:
    from deploy.scenarios.screenplay import Screenplay
    from deploy.stage.count import Counts
    from deploy.stage.director import Report
    from deploy.stage.services import Services
    from schemas.arrangement import ArrangementBody

_CLASSES: Final = {
    AgencyRole.SOURCE_STATE: "source",
    AgencyRole.PLATFORM: "platform",
    AgencyRole.COORDINATION: "office",
}
_CLASS_NAMES: Final = {
    "partner": "to police, border, financial and union agencies",
    "source": "to source states",
    "platform": "to a platform",
    "office": "to a coordinating agency, which gets counts and no content",
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the page under a heading of its own."""

    id: str
    title: str
    body: str

    @property
    def html(self) -> str:
        heading = f'<h2 id="{self.id}-h">{escape(self.title)}</h2>'
        return f'<section id="{self.id}" aria-labelledby="{self.id}-h">{heading}\n{self.body}</section>'


def chapters(report: Report, services: Services, screenplay: Screenplay | None) -> list[Chapter]:
    """All of them, in the order of the page."""
    return [
        Chapter("verdict", "Did everything hold?", _verdict(report)),
        Chapter("events", "What happened", _events(report)),
        Chapter("matrix", "Who got what", _matrix(report, services)),
        Chapter("flows", "Who gave to whom", _flows(report, services)),
        Chapter("timeline", "When it was decided", _timeline(report, services, screenplay)),
        Chapter("reasons", "Why it was withheld", _reasons(report, services)),
        Chapter("law", "Is anything missing?", _law(report)),
        Chapter("latency", "How fast it was", _latency(report)),
        Chapter("versions", "What was agreed", _versions(report, services, screenplay)),
        Chapter("agencies", "Who takes part", _agencies(services)),
        Chapter("expectations", "What was expected", _expectations(report)),
    ]


def _verdict(report: Report) -> str:
    broken, a = sum(not e.held for e in report.expectations), report.audited
    if report.good:
        said = f"All {len(report.expectations)} expectations held; nothing was lost, doubled or out of order."
        said = f'<span class="held">Yes.</span> {said}'
    else:
        said = f"{broken} of {len(report.expectations)} expectations did not hold; "
        said += f"lost {a.lost}, doubled {a.duplicates}, out of order {a.out_of_order}."
        said = f'<span class="broken">No.</span> {said}'
    replayed = "the same root, chains and certificates"
    replayed = f"{'gave' if report.roots_equal else 'did NOT give'} {replayed} when it was replayed in another process"
    kills = "".join(
        f"<li>{escape(what)} was killed in the middle (SIGKILL); deliveries went on after {seconds:.1f} s</li>"
        for what, seconds in report.recoveries
    )
    return f"<p>{said} Every ledger {replayed}.</p>" + (f'<ul class="plain">{kills}</ul>' if kills else "")


def _events(report: Report) -> str:
    totals = [e for e in report.events if e.is_total]
    told = [e for e in report.events if not e.is_total]
    if not report.events:
        return "<p>Nothing that stands out.</p>"
    items = "".join(f"<li>{_time(e.at_ms)} <span>{escape(e.text)}</span></li>" for e in told)
    sums = "".join(f"<li>{escape(_capital(e.text.removeprefix('in all, ')))}</li>" for e in totals)
    return (
        "<p>Found in the ledgers, in which nothing stands of what a record says. Of cases of one sort the first is "
        "told when it happens.</p>"
        + (f'<h3>In all</h3><ul class="plain">{sums}</ul><h3>As it happened</h3>' if sums else "")
        + f'<ol class="events">{items}</ol>'
    )


def _time(at_ms: int) -> str:
    return f'<time datetime="{_date(at_ms):%Y-%m-%dT%H:%M:%SZ}">{said_at(at_ms)}</time>'


def _date(at_ms: int) -> datetime:
    return datetime.fromtimestamp(round(at_ms / 1000), UTC)


def _capital(text: str) -> str:
    """A sentence with a capital, unless an id stands first."""
    word = text.split(" ", 1)[0]
    return text if "-" in word else text[:1].upper() + text[1:]


def _matrix(report: Report, services: Services) -> str:
    agencies, matrix = in_order(services), report.audited.counts.matrix
    head = "".join(f'<th scope="col">{_breaking(a)}</th>' for a in agencies)
    rows, sums = [], {a: Counter[str]() for a in agencies}
    for originator in agencies:
        cells, row = [], Counter[str]()
        for recipient in agencies:
            fates = matrix.get((originator, recipient), Counter())
            row.update(fates)
            sums[recipient].update(fates)
            cells.append(
                '<td class="own"></td>'
                if originator == recipient
                else _cell(fates, f"{originator} to {recipient}")
            )
        cells.append(_cell(row, f"{originator} to all", "sum"))
        rows.append(f'<tr><th scope="row">{_breaking(originator)}</th>{"".join(cells)}</tr>')
    foot = "".join(_cell(sums[a], f"all to {a}", "sum") for a in agencies)
    everything = _cell(sum(sums.values(), Counter[str]()), "all to all", "sum")
    return (
        "<p>A row for each agency that published, a column for each that could have received. In each cell: records "
        "delivered (the stronger the colour, the greater their share); below them records withheld and, if there were "
        "any, records refused at admission, after a plus sign. Point at a cell for its numbers in words.</p>"
        f'<div class="wide"><table class="matrix"><caption>Records by originator and recipient</caption>'
        f'<colgroup><col class="names"></colgroup><thead><tr><th scope="col">from \\ to</th>{head}'
        f'<th scope="col">all</th></tr></thead><tbody>{"".join(rows)}</tbody>'
        f'<tfoot><tr><th scope="row">all</th>{foot}{everything}</tr></tfoot></table></div>'
    )


def _cell(fates: Counter[str], who: str, of_class: str = "") -> str:
    pairs = fates.total()
    numbers = ", ".join(f"{fates[fate]:,} {fate}" for fate in ("delivered", "withheld", "quarantined"))
    share = "" if of_class or not pairs else f' style="--share:{fates["delivered"] / pairs:.2f}"'
    classed = f' class="{of_class}"' if of_class else ""
    refused = f" +{fates['quarantined']:,}" if fates["quarantined"] else ""
    inside = f"{fates['delivered']:,}<span>{fates['withheld']:,}{refused}</span>" if pairs else "-"
    return f'<td{classed}{share} title="{escape(f"{who}: {numbers}")}">{inside}</td>'


def _breaking(agency: str) -> str:
    """An id that may be broken after its hyphen, and nowhere else."""
    country, hyphen, name = agency.partition("-")
    return f"{escape(country)}{hyphen}<wbr>{escape(name)}"


def _flows(report: Report, services: Services) -> str:
    given = {pair: f["delivered"] for pair, f in report.audited.counts.matrix.items() if f["delivered"]}
    agencies = in_order(services)
    classes = {str(a.id): _CLASSES.get(a.role, "partner") for a in services.source.directory.agencies}
    used = [name for name in _CLASS_NAMES if name in classes.values()]
    key = "".join(f'<li><i class="{name}"></i>{escape(_CLASS_NAMES[name])}</li>' for name in used)
    return (
        f'<ul class="key">{key}</ul><div class="drawing">'
        f"{drawings.flows(agencies, given, lambda agency: classes[agency])}</div>"
    )


def _timeline(report: Report, services: Services, screenplay: Screenplay | None) -> str:
    leaves = list(decided(report))
    if not leaves:
        return "<p>Nothing was decided.</p>"
    first, last = min(leaf.at_ms for leaf in leaves), max(leaf.at_ms for leaf in leaves)
    step = drawings.step_of(last - first)
    bars: dict[int, Counter[str]] = {}
    for ledger in report.ledgers.values():
        for leaf in ledger.leaves:
            if isinstance(leaf, Admitted | Quarantined):
                bar = bars.setdefault(leaf.at_ms // step * step, Counter())
                if isinstance(leaf, Quarantined):
                    bar["quarantined"] += len(leaf.active)
                else:
                    names = {Digest(p.ruling): ledger.rulings[Digest(p.ruling)] for p in leaf.portions}
                    released = len(released_of(leaf, names))
                    bar["delivered"] += released
                    bar["withheld"] += len(leaf.active) - released
    marks = _marks(screenplay)
    notes = "".join(
        f'<li value="{mark.number}">{said_at(mark.at_ms)}: {escape(mark.note)}</li>'
        for mark in marks
        if mark.number
    )
    key = "".join(
        f'<li><i class="{fate}"></i>{fate}</li>' for fate in ("delivered", "withheld", "quarantined")
    )
    return (
        "<p>Each record counts once for every agency that could have received it; a bar is "
        f"{drawings.step_in_words(step)} of the simulation's time (UTC).</p>"
        f'<ul class="key">{key}</ul><div class="drawing">'
        f"{drawings.timeline(bars, step, marks)}</div>"
        + (f'<p>New versions of the arrangement:</p><ol class="notes">{notes}</ol>' if notes else "")
    )


def _marks(screenplay: Screenplay | None) -> list[Mark]:
    """What a scenario marks; its changes bear the number of the version that they make."""
    marks, number = [], 0
    for mark in screenplay.marks if screenplay else ():
        if mark.change is None:
            marks.append(Mark(mark.at_ms, mark.name))
        else:
            number += 1
            marks.append(Mark(mark.at_ms, mark.change.note, number))
    return marks


def _reasons(report: Report, services: Services) -> str:
    bases = _legal_bases(services)
    found = withheld_reasons(report.reasons, rules_in_words(services.secretariat.history.ready))
    table = _table(
        "Portions withheld, by the reason that decided; several rules may forbid one portion",
        ("times", "reason", "rule", "legal basis"),
        ((f"{r.count:,}", escape(r.text), _code(r.rule), escape(bases.get(r.rule, ""))) for r in found),
        numbers=(0,),
    )
    refused: Sequence[Reason] = refused_reasons(report.reasons)
    return (
        "<p>For every portion of a record and every other agency, in this order: does the protection gate close it, "
        "did the originator name the agency, does a rule forbid it, does a rule permit it? What no rule permits is "
        "withheld.</p>"
        + table
        + (
            _table(
                "Records refused at admission",
                ("times", "reason", "code"),
                ((f"{r.count:,}", escape(_capital(r.text)), _code(r.rule)) for r in refused),
                numbers=(0,),
            )
            if refused
            else ""
        )
    )


def _legal_bases(services: Services) -> dict[str, str]:
    """The legal basis of each rule that any version had."""
    bases: dict[str, str] = {Withheld.GATE: "UN Smuggling Protocol Art. 19, non-refoulement"}
    bases |= {str(rule.id): rule.legal_basis for rule in services.source.policy.rules.values()}
    seen = [services.source.policies]
    for arrangement in services.secretariat.history.versions.values():
        body = arrangement.body
        if body.policies not in seen:
            seen.append(body.policies)
            rules = load_policy(body.policies, body.schema_text, body.directory).rules
            bases |= {str(rule.id): rule.legal_basis for rule in rules.values()}
    return bases


def _law(report: Report) -> str:
    a = report.audited

    def row(name: str, counts: Counts) -> tuple[str, ...]:
        holds = '<span class="held">yes</span>' if counts.conserved else '<span class="broken">NO</span>'
        return (escape(name), *(f"{number:,}" for number in counts.totals().values()), holds)

    return (
        "<p>Each published record and each other agency form a pair, and each pair has exactly one fate: "
        "<em>pairs = delivered + withheld + quarantined + in flight</em>. It is counted twice, from different "
        "sources; at the end nothing is in flight.</p>"
        + _table(
            "The conservation law",
            ("count", "pairs", "delivered", "withheld", "quarantined", "in flight", "holds"),
            (
                row("operational: ledgers and receipts, what a broker may know", report.operational),
                row("audit: topics and every database", a.counts),
            ),
            numbers=(1, 2, 3, 4, 5),
        )
        + f"<p>Lost {a.lost}, stored twice {a.duplicates}, stored out of order {a.out_of_order}, held without a proof "
        f"of release {a.leaked}.</p>"
    )


def _latency(report: Report) -> str:
    if not report.audited.latencies_ms:
        return "<p>Nothing was delivered.</p>"
    pace = report.as_json()["throughput_per_s"]
    return (
        f"<p>Real time from the sealing of a record until a recipient had stored it, on one machine that played every "
        f"agency; {pace:,} deliveries a second.</p>"
        f'<div class="drawing">{drawings.latencies(report.audited.latencies_ms)}</div>'
    )


def _versions(report: Report, services: Services, screenplay: Screenplay | None) -> str:
    decided, since = _under(report)
    marks = [mark for mark in screenplay.marks if mark.change] if screenplay else []
    rows: list[tuple[str, ...]] = []
    before: ArrangementBody | None = None
    for digest, arrangement in services.secretariat.history.versions.items():
        body = arrangement.body
        what = [] if before is None else differences(before, body)
        mark = marks[body.number - 1] if 0 < body.number <= len(marks) else None
        change = mark.change if mark else None
        held = mark.at_ms if mark else since.get(digest)
        note = change.note if change else "" if before else "the beginning, signed by every member"
        signed = ", ".join(change.signed_by) if change else ""
        # What an agency's entry says in full stands in the arrangement; here it is enough that it changes.
        told = (line.partition(":")[0] if line.startswith("agency ") else line for line in what)
        listed = "".join(f"<li>{escape(line)}</li>" for line in told)
        rows.append(
            (
                str(body.number),
                said_at(held) if held is not None else "never",
                (f"<strong>{escape(note)}</strong>" if note else "")
                + (f'<ul class="plain">{listed}</ul>' if listed else "")
                + (f"<small>signed by {escape(signed)}</small>" if signed else ""),
                f"{decided[digest]:,}",
                _code(digest.hex()[:16]),
            )
        )
        before = body
    last = services.secretariat.history.current.arrangement.body
    return (
        f"<p>A version of the arrangement holds once {last.threshold} of its {len(last.directory.agencies)} members "
        "have signed it, and takes effect in each agency's lane at a fixed place of its log.</p>"
        + _table(
            "Versions",
            ("version", "since", "what changed", "records decided", "digest"),
            rows,
            numbers=(0, 3),
        )
    )


def _under(report: Report) -> tuple[Counter[Digest], dict[Digest, int]]:
    """How many records were decided under each version, and when the first of them was."""
    decided: Counter[Digest] = Counter()
    since: dict[Digest, int] = {}
    for ledger in report.ledgers.values():
        version = None
        for leaf in ledger.leaves:
            if isinstance(leaf, Activation):
                version = Digest(leaf.arrangement)
            elif isinstance(leaf, Admitted | Quarantined) and version is not None:
                decided[version] += 1
                since[version] = min(since.get(version, leaf.at_ms), leaf.at_ms)
    return decided, since


def _agencies(services: Services) -> str:
    rows = (
        (
            _code(a.id),
            escape(a.name),
            escape(a.role.replace("_", " ")),
            escape(", ".join(sorted(a.states))),
            "anywhere"
            if a.exposed_states is None
            else escape(", ".join(sorted(a.exposed_states)) or "nowhere else"),
        )
        for a in services.source.directory.agencies
    )
    return _table("As supposed for the exercise", ("id", "name", "role", "states", "data also seen in"), rows)


def _expectations(report: Report) -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for e in sorted(report.expectations, key=lambda e: e.held):
            held = '<span class="held">held</span>' if e.held else '<span class="broken">NOT held</span>'
            because = getattr(e, "because", "")
            name = escape(e.name) + (f"<br><small>{escape(because)}</small>" if because else "")
            yield held, name, f"{e.cases:,}"

    return (
        "<p>Read from databases and ledgers after the run. The number says on how many cases a sentence was tried.</p>"
        + _table("Expectations, broken ones first", ("", "sentence", "cases"), rows(), numbers=(2,))
    )


def _table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """A table of cells that are HTML already; `numbers`: the columns that hold some."""
    classes = [' class="number"' if at in numbers else "" for at in range(len(heads))]
    head = "".join(f'<th scope="col"{c}>{escape(h)}</th>' for h, c in zip(heads, classes, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{c}>{cell}</td>' for cell, c in zip(row, classes, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="full"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def decided(report: Report) -> Iterator[Admitted | Quarantined]:
    """Every record that was admitted or refused, lane by lane."""
    for ledger in report.ledgers.values():
        for leaf in ledger.leaves:
            if isinstance(leaf, Admitted | Quarantined):
                yield leaf

"""The matrix of `broker.policy.matrix` as one self-contained page: no script, nothing from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from broker.policy.arranged import ArrangementSource
from broker.policy.foreseeing import Foreseen
from broker.policy.matrix import BY_NAME, Row
from broker.policy.proof.words import LETTERS, decided_in_words
from schemas.clock import instant
from schemas.codes import UNKNOWN_STATE
from schemas.ids import AgencyId
from schemas.verdicts import Withheld

#: Okabe and Ito's colours, which people with any colour vision can tell apart; a letter stands in each cell as well.
_CLASSES = {
    None: "yes",
    Withheld.GATE: "gate",
    Withheld.FORBIDDEN: "forbid",
    Withheld.NO_PERMIT: "none",
    Withheld.NOT_ADDRESSED: "out",
}

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --page: #fff; --ink: #1a1a1a; --quiet: #666; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --ink: #e8e8e8; --quiet: #9a9a9a; } }
* { box-sizing: border-box; }
body {
  font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 76rem;
  background: var(--page); color: var(--ink);
}
h1 { font-size: 1.4rem; margin: .2rem 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { margin: .3rem 0; max-width: 46rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; list-style: none; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; margin: .6rem 0; }
a { color: inherit; }
.scroll {
  width: fit-content; max-width: 100%; overflow: auto; max-height: 80vh;
  border: 1px solid var(--line); border-radius: 6px;
}
table { border-collapse: separate; border-spacing: 0; font-size: .86rem; }
th, td { padding: .22rem .3rem; border-bottom: 1px solid var(--line); text-align: center; white-space: nowrap; }
thead th { position: sticky; top: 0; background: var(--page); z-index: 2; vertical-align: bottom; }
thead th span { writing-mode: vertical-rl; transform: rotate(180deg); padding: .4rem 0; }
thead th:first-child { z-index: 3; left: 0; text-align: left; }
tbody th {
  position: sticky; left: 0; background: var(--page); text-align: left; font-weight: 400; z-index: 1;
  max-width: 46vw; white-space: normal;
}
tbody th small { color: var(--quiet); display: block; }
dt { font-weight: 600; margin-top: .4rem; }
dd { margin: 0; color: var(--quiet); }
.cell { display: inline-block; min-width: 1.5rem; border-radius: 3px; font-weight: 600; padding: 0 .25rem; }
.yes { background: #009e73; color: #000; }
.gate { background: #cc79a7; color: #000; }
.forbid { background: #d55e00; color: #000; }
.none { background: #f0e442; color: #000; }
.out { color: var(--quiet); border: 1px solid var(--line); }
"""


def matrix_page(source: ArrangementSource, originator: AgencyId, rows: Sequence[Row], at_ms: int) -> str:
    """The page; each cell's title says the outcome with its rules and their reasons."""
    by_kind = [(kind, list(of)) for kind, of in groupby(rows, key=lambda row: row.kind)]
    links = " ".join(f'<a href="#{kind}">{escape(_spoken(kind))}</a>' for kind, _ in by_kind)
    legend = "".join(
        f'<li><span class="cell {css}">{LETTERS[withheld]}</span> '
        f"{escape(decided_in_words(Foreseen(originator, withheld, ())))}</li>"
        for withheld, css in _CLASSES.items()
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Who gets what: {escape(source.federation)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Who would get what of {escape(originator)}</h1>",
        _about(source, at_ms),
        f'<ul class="legend">{legend}</ul><nav>{links}</nav>',
    ]
    for kind, of_kind in by_kind:
        parts.append(f'<h2 id="{kind}">{escape(_spoken(kind))}</h2>')
        parts += _table(of_kind)
    parts.append(f'<h2 id="rules">The rules that decide</h2><dl>{_rules(rows, source)}</dl></body></html>\n')
    return "\n".join(parts)


def _about(source: ArrangementSource, at_ms: int) -> str:
    return (
        f"<p>The arrangement <b>{escape(source.federation)}</b> as of {instant(at_ms):%Y-%m-%d}, under the labels that "
        "each kind of record starts from. A portion stands alone in its record. Point at a cell to read which rules "
        'decide; <a href="#rules">below</a> is what they say. No agency named takes part.</p>'
    )


def _rules(rows: Sequence[Row], source: ArrangementSource) -> str:
    decide = sorted({rule for row in rows for cell in row.cells for rule in cell.rules})
    told = ((rule, source.policy.rules[rule]) for rule in decide)
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(rule.reason)}</dd>" for name, rule in told)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    heads = "".join(f'<th scope="col"><span>{escape(cell.recipient)}</span></th>' for cell in rows[0].cells)
    head = f'<thead><tr><th scope="col">portion</th>{heads}</tr></thead>'
    yield f'<div class="scroll"><table>{head}<tbody>'
    for row in rows:
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in row.cells)
        yield f'<tr><th scope="row">{_row_name(row)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _row_name(row: Row) -> str:
    words: Iterable[str] = (
        "to every agency by name" if row.to == BY_NAME else f"to the community {row.to}",
        f"TLP:{row.label.handling.tlp}",
        *(() if row.origin is None else (_origin(row.origin),)),
    )
    person = "" if row.person is None else f": {row.person.words}"
    return f"{escape(row.portion + person)}<small>{escape('; '.join(words))}</small>"


def _origin(origin: str) -> str:
    return "origin not known" if origin == UNKNOWN_STATE else f"from {origin}"


def _cell(cell: Foreseen) -> str:
    title = escape(f"{cell.recipient}: {decided_in_words(cell)}", quote=True)
    return f'<span class="cell {_CLASSES[cell.withheld]}" title="{title}">{LETTERS[cell.withheld]}</span>'


def _spoken(kind: str) -> str:
    return kind.replace("_", " ")

"""The figures of a run of the bench as one page: what `--json` writes, with charts.

- One file of HTML with its style and its drawings in it: no script, nothing from elsewhere.
- A part that was not measured has no section; everything that is text is escaped.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from tests.bench.charts import bars, lines, said
from tests.bench.crypto import STAGES

_TEMPLATE: Final = Path(__file__).parent / "page.html"
_WAYS: Final = {
    "step": "the broker's step",
    "same": "its messages, bare",
    "single": "one each, bare",
    "send": "one each, send loop",
}
_BUSY: Final = 0.5  # processes that want to run, a core

Found = Mapping[str, Any]


def page(found: Found) -> str:
    """The page as text, from what a run found."""
    made = [(part, title, of(found[part])) for part, (title, of) in _SECTIONS.items() if part in found]
    seconds = ", ".join(f"{part} {s:.0f} s" for part, s in found["seconds"].items())
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        subtitle=escape(
            f"Measured {found['at']} on {found['cores']} cores ({found['machine']}), Python {found['python']}; "
            f"load of the machine before it began: {found['load_before']}."
        ),
        warning="".join(f'<p class="warning">{escape(text)}</p>' for text in _warnings(found)),
        figures="".join(_tile(*tile) for tile in _tiles(found)),
        contents=" ".join(f'<a href="#{part}">{escape(title)}</a>' for part, title, _ in made),
        sections="\n".join(
            f'<section id="{part}"><h2>{escape(title)}</h2>{html}</section>' for part, title, html in made
        ),
        seconds=escape(f"Time taken: {seconds}."),
    )


def _warnings(found: Found) -> Iterator[str]:
    if found["quick"]:
        yield "A quick run: few rounds, to see that it works. These are no figures to quote."
    if found["load_before"] > _BUSY * found["cores"]:
        yield "The machine had other work: compare ratios, and believe no absolute figure."
    for part, why in found["failed"].items():
        yield f"The part '{part}' broke off: {why}"


def _tiles(found: Found) -> Iterator[tuple[str, str, float | None, bool | None]]:
    """Name, value, goal, and whether it was met."""
    for one in found.get("crypto", ()):
        for stage in STAGES:
            if "goal" in one[stage]:
                ratio = f"{one[stage]['ratio_of_min']:.1f}x"
                yield f"{stage}, against JOSE", ratio, one[stage]["goal"], one[stage]["met"]
    for name, load in found.get("step", {}).items():
        for way, goal in (("same", 0.6), ("send", 1.0)):
            best = load["step_over"][way]["best"]
            yield f"step over {_WAYS[way]} ({name})", f"{best:.2f}", goal, best >= goal
    for name, one in found.get("sql", {}).items():
        yield (
            f"inbox over bare rows, {name}",
            f"{one['inbox_over']['bare']['best']:.2f}",
            one["goal"],
            one["met"],
        )
    if "running" in found:
        for quantile, ms in found["running"]["half"]["latency_ms"].items():
            yield f"sealed to stored at half load, {quantile}", f"{ms:,} ms", None, None


def _tile(name: str, value: str, goal: float | None, met: bool | None) -> str:
    word = "met" if met else "missed"
    said_goal = "" if goal is None else f'<small>goal {goal:g}: <span class="{word}">{word}</span></small>'
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{said_goal}</dd></div>"


def _crypto(found: Sequence[Found]) -> str:
    counts = [one["recipients"] for one in found]
    charts, rows = [], []
    if len(found) > 1:
        for stage in STAGES:
            series = {
                name: [(one["recipients"], one[stage][who]["min_us"]) for one in found]
                for name, who in (("Entente", "ours"), ("JOSE", "joserfc"))
            }
            charts.append(lines(stage.capitalize(), series, "recipients", "us a record", counts))
        series = {
            name: [(one["recipients"], one["bytes_a_record"][who]) for one in found]
            for name, who in (
                ("Entente", "ours"),
                ("JOSE", "jose"),
                ("as delivered", "ours_as_delivered"),
            )
        }
        charts.append(lines("Size", series, "recipients", "bytes a record", counts))
    for one in found:
        for stage in STAGES:
            s = one[stage]
            rows.append(
                [
                    f"{one['recipients']}, {stage}",
                    _both(s["ours"]["min_us"], s["ours"]["median_us"]),
                    _both(s["joserfc"]["min_us"], s["joserfc"]["median_us"]),
                    _both(s["ratio_of_min"], s["ratio_median"]),
                    f"{s['goal']:g}, {'met' if s['met'] else 'missed'}" if "goal" in s else "",
                ]
            )
    sizes = [
        [
            f"{one['recipients']}",
            f"{one['records_a_window']}",
            *(f"{one['bytes_a_record'][k]:,}" for k in ("ours", "jose", "ours_as_delivered")),
            f"{one['seal_a_window']['min_us'] / one['records_a_window']:.0f}",
        ]
        for one in found
    ]
    return (
        "<p>One record of three portions of 1 KiB: closed and signed, admitted without rules, opened by one recipient; "
        "against JWE + JWS by joserfc, keys parsed once. Admission checks there is one signature; a "
        "broker that decides reads labels and recipients as well.</p>"
        + _charts(charts)
        + _table("Microseconds a record", ["recipients", "Entente", "joserfc", "ratio", "goal"], rows)
        + _table(
            "Bytes a record, and what a window's seal comes to",
            [
                "recipients",
                "records a window",
                "Entente",
                "JOSE",
                "as delivered to one",
                "seal, us a record",
            ],
            sizes,
        )
    )


def _step(found: Mapping[str, Found]) -> str:
    charts, rows = [], []
    for name, load in found.items():
        per_second = load["deliveries_per_s"]
        charts.append(
            bars(
                f"Load '{name}'",
                [
                    (said_way, per_second[way]["best"], 0 if way == "step" else 1)
                    for way, said_way in _WAYS.items()
                ],
                "deliveries/s",
            )
        )
        for way, said_way in _WAYS.items():
            ratio = load["step_over"].get(way)
            rows.append(
                [
                    f"{name}: {said_way}",
                    _both(per_second[way]["best"], per_second[way]["median"]),
                    _both(ratio["best"], ratio["median"]) if ratio else "",
                ]
            )
    parts = [
        [
            name,
            *(f"{t['min_us']:.1f}" for t in load["step_us_a_delivery"].values()),
            f"{load['fold_asking_rules_us_a_delivery']['min_us']:.0f}",
        ]
        for name, load in found.items()
    ]
    names = next(iter(found.values()))["step_us_a_delivery"]
    return (
        "<p>What a shard commits at once, with crypto, rules and ledger on, against writing the same to the same "
        "topics without them. Goals: 0.6 of its own messages bare, more than 1 of the send loop.</p>"
        + _charts(charts)
        + _table("Deliveries a second", ["", "best (median)", "step / this"], rows)
        + _table("The step, us a delivery", ["", *names, "fold that asks the rules"], parts)
    )


def _sql(found: Mapping[str, Found]) -> str:
    charts = [
        bars(
            name,
            [(way, each["best"], place) for place, (way, each) in enumerate(one["rows_per_s"].items())],
            "rows/s",
        )
        for name, one in found.items()
    ]
    rows = [
        [
            name,
            *(_both(each["best"], each["median"]) for each in one["rows_per_s"].values()),
            *(_both(each["best"], each["median"]) for each in one["inbox_over"].values()),
            f"{one['goal']:g}, {'met' if one['met'] else 'missed'}",
        ]
        for name, one in found.items()
    ]
    return (
        "<p>An inbox that verifies, opens and stores what lies in memory, against the same rows and nothing else: "
        "bare, as SQLAlchemy writes them, and by the same statements as the inbox.</p>"
        + _charts(charts)
        + _table("Rows a second", ["", "inbox", "bare", "same", "inbox / bare", "inbox / same", "goal"], rows)
    )


def _running(found: Found) -> str:
    full, half, memory = found["full"], found["half"], found["memory_mb"]
    charts = []
    for name, one in (("At half of what it takes", half), ("As fast as it goes", full)):
        quantiles = [(q, ms, 0) for q, ms in one["latency_ms"].items()]
        charts.append(bars(f"{name}: from sealed to stored", quantiles, "ms"))
    charts.append(bars("Most memory of each process", [(n, mb, 2) for n, mb in memory.items()], "MB"))
    names = list(dict.fromkeys([*half["latency_ms"], *full["latency_ms"]]))
    rows = [
        [
            name,
            f"{rate:,.1f}",
            f"{one['deliveries']:,}",
            *(f"{one['latency_ms'][q]:,}" if q in one["latency_ms"] else "too few" for q in names),
        ]
        for name, one, rate in (
            ("as fast as it goes", full, full["records_per_s"]),
            ("at half of that", half, half["records_per_s_wanted"]),
        )
    ]
    return (
        f"<p>A real cluster, a broker and {found['agencies']} nodes in a host, all on this machine, playing the "
        f"simulation's plan. At full speed {full['records']:,} records took {full['seconds']:.1f} s.</p>"
        + _charts(charts)
        + _table("From sealed to stored, ms", ["", "records/s", "deliveries counted", *names], rows)
    )


def _rulings(found: Sequence[Found]) -> str:
    names = [f"{one['arrangement']}, {one['agencies']} agencies" for one in found]
    rows = []
    for how in dict.fromkeys(h for one in found for h in one["us"]):
        cells = (one["us"].get(how) for one in found)
        rows.append([how, *(_both(t["min_us"], t["median_us"]) if t else "-" for t in cells)])
    for what, title in (("hit_rate", "hit rate"), ("answers_remembered", "answers known from other labels")):
        rows += (
            [f"{title}, {int(records):,} records", *(f"{one[what][records]:.1%}" for one in found)]
            for records in found[0][what]
        )
    return (
        "<p>The ruling on one portion of the simulation's records, from an engine that starts empty.</p>"
        + _table("Microseconds a ruling", ["", *names], rows)
    )


def _scale(found: Sequence[Found]) -> str:
    series: dict[str, list[tuple[float, float]]] = {}
    for cell in found:
        if "miss" in cell["us"]:
            points = series.setdefault(f"{cell['agencies']:,} agencies", [])
            points.append((cell["rules"], cell["us"]["miss"]["median_us"] / 1000))
    rows = []
    for cell in found:
        us = cell["us"]
        cells = (
            _both(us[how]["min_us"], us[how]["median_us"]) if how in us else "not reached"
            for how in ("ruling_hit", "key_hit", "miss")
        )
        misses = us.get("miss", {}).get("count", 0)
        asked = f"{cell['asked_a_miss']:.0f}" if misses else ""
        load = f"{cell['load_s']:.1f}" if misses else ""
        rows.append(
            [f"{cell['agencies']:,} agencies, {cell['rules']:,} rules", *cells, f"{misses}", asked, load]
        )
    drawn = {name: points for name, points in series.items() if len(points) > 1}
    ticks = sorted({cell["rules"] for cell in found})
    charts = [lines("A miss, median", drawn, "rules", "ms", ticks)] if drawn else []
    return (
        "<p>Synthetic federations and rules. Each row had a limit of time; what was not reached in it is said, and "
        "nothing is extrapolated. A miss asks the rules about every recipient that they can tell apart.</p>"
        + _charts(charts)
        + _table(
            "Microseconds a decision",
            ["", "same label", "a label no rule tells apart", "miss", "misses", "asked a miss", "loading, s"],
            rows,
        )
    )


def _policies(found: Found) -> str:
    replayed = found["replay"]
    names = list(found["tools"][0]["seconds"])
    rows = [
        [
            f"{one['rules']} rules",
            *(f"{one['seconds'][n]:.1f}" if n in one["seconds"] else "-" for n in names),
            f"{one['mutants']:,}" if one["mutants"] else "-",
            f"{one['classes']}",
        ]
        for one in found["tools"]
    ]
    return (
        f"<p>History under a draft: {replayed['decisions']:,} decisions in {replayed['seconds']:.1f} s, "
        f"{replayed['per_s']:,} a second; {replayed['memory_over_none']:.0f} times as many as without memory.</p>"
        + _table("Seconds of processor", ["", *names, "mutants", "classes of flow"], rows)
    )


def _profiles(found: Mapping[str, Sequence[Found]]) -> str:
    parts = []
    for stage, rows in found.items():
        table = _table(
            "A record; the profiler charges every call, so read it for the order",
            ["function", "calls", "own us", "with callees us"],
            [[r["function"], f"{r['calls']:.1f}", f"{r['own_us']:.1f}", f"{r['all_us']:.1f}"] for r in rows],
        )
        parts.append(f"<details><summary>{escape(stage)}</summary>{table}</details>")
    return "".join(parts)


_SECTIONS: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "crypto": ("Closing, admission, opening", _crypto),
    "step": ("The broker's step", _step),
    "sql": ("Into SQL", _sql),
    "running": ("A federation that runs", _running),
    "rulings": ("A decision", _rulings),
    "scale": ("A decision as a federation grows", _scale),
    "policies": ("The tools for policies", _policies),
    "profiles": ("Profiles", _profiles),
}


def _both(first: float, second: float) -> str:
    """The best and, behind it, the median."""
    return f"{said(first)} ({said(second)})"


def _charts(charts: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(charts)}</div>' if charts else ""


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )

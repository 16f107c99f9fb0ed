"""The figures as tables for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.crypto import GOALS, STAGES, Crypto
from tests.bench.profiles import Row
from tests.bench.rulings import Rulings
from tests.bench.running import QUANTILES
from tests.bench.step import PARTS, WAYS, Load
from tests.bench.stored import GOAL, Stored

LATENCIES = tuple(f"p{q * 100:g}" for q in QUANTILES)
_STORED = {"inbox": "inbox", "bare": "bare", "same": "bare, by the inbox's statements"}
_MEANING = {
    "step": "the real step",
    "same": "send_batch, the step's messages",
    "single": "send_batch, one a delivery",
    "send": "send loop, one a delivery",
}


def show_crypto(console: Console, found: Sequence[Crypto]) -> None:
    table = Table(title="A record of 3 portions of 1 KiB: us of processor, min (median)")
    for column in ("recipients", "", "Entente", "joserfc", "ratio", "goal", ""):
        table.add_column(column, justify="left" if not column else "right")
    for one in found:
        for name in STAGES:
            goal = GOALS.get(name) if one.bound else None
            ours, jose = one.ours[name], one.jose[name]
            low, median = one.ratios(name)
            table.add_row(
                f"{one.recipients}",
                name,
                f"{ours.low:,.0f} ({ours.median:,.0f})",
                f"{jose.low:,.0f} ({jose.median:,.0f})",
                f"{low:.1f} ({median:.1f})",
                f"{goal:.0f}" if goal else "",
                ("met" if low >= goal else "missed") if goal else "",
            )
        table.add_section()
    console.print(table)
    for one in found:
        pairs = (
            f" New keys of a pair, once a day: {one.pair_close.low:,.0f} us to make, "
            f"{one.pair_open.low:,.0f} us to open."
            if one.bound
            else ""
        )
        console.print(
            f"{one.recipients} recipients: windows of {one.window} records, {one.parcel_bytes / 1000:,.0f} kB; its "
            f"seal {one.seal.low:,.0f} us, so {one.seal.low / one.window:.0f} us a record. Bytes a record: "
            f"{one.parcel_bytes // one.window:,} here, {one.jose_bytes:,} with JOSE; as delivered to one recipient "
            f"{one.delivered_bytes // one.window:,}.{pairs}",
            highlight=False,
        )
    console.print()


def show_loads(console: Console, loads: Sequence[Load]) -> None:
    for load in loads:
        shape = load.shape
        table = Table(
            title=f"Broker step, load '{load.name}': {shape['records_released']:.0f} records, "
            f"{shape['deliveries']:.0f} deliveries a step"
        )
        for column in ("", "deliveries/s, best (median)", "step / this"):
            table.add_column(column, justify="left" if not column else "right")
        for way in WAYS:
            best, median = load.per_second(way)
            ratio = "" if way == "step" else f"{load.ratio(way)[0]:.2f} ({load.ratio(way)[1]:.2f})"
            table.add_row(_MEANING[way], f"{best:,.0f} ({median:,.0f})", ratio)
        console.print(table)
        parts = ", ".join(f"{part} {load.parts[part].low:.1f}" for part in PARTS)
        console.print(
            f"Step, us a delivery (min): {parts}; fold when it must ask the rules: {load.asking.low:.0f}.\n"
            f"{shape['portions_a_delivery']} portions a delivery; "
            f"{shape['messages']:.0f} messages of {shape['megabytes']} MB in all, "
            f"one each: {shape['messages_one_each']:.0f} of {shape['megabytes_one_each']} MB.\n",
            highlight=False,
        )


def show_rulings(console: Console, found: Sequence[Rulings]) -> None:
    table = Table(title="A ruling on one portion: us of processor, min (median)")
    table.add_column("")
    for one in found:
        table.add_column(f"{one.arrangement}, {one.agencies} agencies", justify="right")
    for how in found[0].ways:
        cells = [f"{t.low:,.1f} ({t.median:,.1f})" if (t := one.ways[how]).samples else "-" for one in found]
        table.add_row(how, *cells)
    for records in found[0].rates:
        table.add_row(
            f"hit rate, {records:,} planned records", *(f"{one.rates[records]:.1%}" for one in found)
        )
    for records in found[0].remembered:
        table.add_row(
            f"answers known from other labels, {records:,}",
            *(f"{one.remembered[records]:.1%}" for one in found),
        )
    console.print(table)


def show_profiles(console: Console, profiles: Mapping[str, Sequence[Row]]) -> None:
    for stage, rows in profiles.items():
        table = Table(title=f"Profile of {stage}, a record")
        for column in ("function", "calls", "own us", "with callees us"):
            table.add_column(column, justify="left" if column == "function" else "right")
        for row in rows:
            table.add_row(row.function, f"{row.calls:.1f}", f"{row.own_us:.1f}", f"{row.all_us:.1f}")
        console.print(table, markup=False)


def show_stored(console: Console, found: Sequence[Stored]) -> None:
    table = Table(title="Into SQL: rows a second, best (median)")
    for column in ("", "rows/s", "inbox / this", "goal"):
        table.add_column(column, justify="left" if not column else "right")
    for one in found:
        for way, timer in one.ways.items():
            ratio, goal = "", ""
            if way != "inbox":
                best, median = one.ratio(way)
                ratio = f"{best:.2f} ({median:.2f})"
                if way == "bare":
                    goal = f"{GOAL}, {'met' if best >= GOAL else 'missed'}"
            name = f"{one.database}, {_STORED[way]}"
            table.add_row(name, f"{1e6 / timer.low:,.0f} ({1e6 / timer.median:,.0f})", ratio, goal)
    console.print(table)
    console.print(
        f"{found[0].rows} rows of {found[0].deliveries} deliveries a round.\n",
        highlight=False,
    )


def show_running(console: Console, found: Mapping[str, Any]) -> None:
    full, half = found["full"], found["half"]
    table = Table(title="A federation of 5 agencies, from sealed to stored")
    for column in ("", "records/s", "deliveries", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one, rate in (
        ("as fast as it goes", full, full["records_per_s"]),
        ("at half of that", half, half["records_per_s_wanted"]),
    ):
        cells = (f"{one['latency_ms'][q]:,}" if q in one["latency_ms"] else "too few" for q in LATENCIES)
        table.add_row(name, f"{rate:,.1f}", f"{one['deliveries']:,}", *cells)
    console.print(table)
    console.print(
        "Memory at most, MB: "
        + ", ".join(f"{name} {mb:,.0f}" for name, mb in found["memory_mb"].items())
        + "\n",
        highlight=False,
    )


def show_scale(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="A decision as a federation grows: us of processor, min (median)")
    for column in (
        "agencies",
        "rules",
        "same label",
        "label no rule tells apart",
        "miss",
        "misses",
        "asked",
        "load s",
    ):
        table.add_column(column, justify="right")
    for cell in found:
        us = cell["us"]
        cells = (
            f"{us[how]['min_us']:,.1f} ({us[how]['median_us']:,.1f})" if how in us else "not reached"
            for how in ("ruling_hit", "key_hit", "miss")
        )
        misses = us.get("miss", {}).get("count", 0)
        row = (*cells, f"{misses}", f"{cell['asked_a_miss'] or 0:.0f}", f"{cell['load_s']:.1f}")
        table.add_row(f"{cell['agencies']:,}", f"{cell['rules']:,}", *row)
    console.print(table)


def show_policies(console: Console, found: Mapping[str, Any]) -> None:
    replayed = found["replay"]
    console.print(
        f"History under a draft: {replayed['decisions']:,} decisions in {replayed['seconds']:.1f} s, "
        f"{replayed['per_s']:,} a second, {replayed['memory_over_none']:.0f} times as many as without memory",
        highlight=False,
    )
    table = Table(title="The tools for policies: seconds of processor")
    names = list(found["tools"][0]["seconds"])
    for column in ("rules", *names, "mutants", "classes of flow"):
        table.add_column(column, justify="right")
    for one in found["tools"]:
        seconds = (f"{one['seconds'][n]:.1f}" if n in one["seconds"] else "-" for n in names)
        table.add_row(f"{one['rules']}", *seconds, f"{one['mutants'] or '-'}", f"{one['classes']}")
    console.print(table)

"""The figures as tables for a terminal of 100 columns."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.bench.crypto import GOALS, Crypto
from tests.bench.material import RECIPIENTS
from tests.bench.profiles import Row
from tests.bench.rulings import Rulings
from tests.bench.step import PARTS, WAYS, Load

_MEANING = {
    "step": "the real step",
    "same": "send_batch, the step's messages",
    "single": "send_batch, one a delivery",
    "send": "send loop, one a delivery",
}


def show_crypto(console: Console, found: Crypto) -> None:
    table = Table(
        title=f"A record for {RECIPIENTS} recipients, 3 portions of 1 KiB: us of processor, min (median)"
    )
    for column in ("", "Entente", "joserfc", "ratio", "goal", ""):
        table.add_column(column, justify="left" if not column else "right")
    for name, goal in GOALS.items():
        ours, jose = found.ours[name], found.jose[name]
        low, median = found.ratios(name)
        table.add_row(
            name,
            f"{ours.low:,.0f} ({ours.median:,.0f})",
            f"{jose.low:,.0f} ({jose.median:,.0f})",
            f"{low:.1f} ({median:.1f})",
            f"{goal:.0f}",
            "met" if low >= goal else "missed",
        )
    console.print(table)
    console.print(
        f"Windows of {found.window} records ({found.parcel_bytes / 1000:,.0f} kB, what a parcel takes). "
        f"A window's seal: {found.seal.low:,.0f} us, so {found.seal.low / found.window:.0f} us a record.\n"
        f"Bytes a record: {found.parcel_bytes // found.window:,} here, {found.jose_bytes:,} with JOSE. "
        f"New keys of a pair, once a day: {found.pair_close.low:,.0f} us to make, "
        f"{found.pair_open.low:,.0f} us to open.\n",
        highlight=False,
    )


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

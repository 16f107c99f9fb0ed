"""Drawings of a run as SVG, to stand in a page: flows between agencies, records over time, how long deliveries took.

- Colours come from the page's style by class, so that light, dark and print are the page's matter.
- Each has a title and a description for those who do not see it; all text is escaped.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import Final

_WIDTH: Final = 1120
_LEFT, _RIGHT = 56, _WIDTH - 16
_FATES: Final = ("delivered", "withheld", "quarantined")

_HOUR_MS: Final = 3_600_000
_STEPS_MS: Final = (
    *(seconds * 1000 for seconds in (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)),
    *(hours * _HOUR_MS for hours in (1, 3, 6, 12, 24, 168)),
)
_UNITS_MS: Final = {"day": 24 * _HOUR_MS, "hour": _HOUR_MS, "minute": 60_000, "second": 1000}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at an instant of domain time. `number`: of the version that came with it, if one did."""

    at_ms: int
    note: str
    number: int | None = None


def step_of(span_ms: int) -> int:
    """How much time a bar stands for: three hours in a week or so, less in a shorter run."""
    return next((step for step in _STEPS_MS if span_ms / step <= 90), _STEPS_MS[-1])


def step_in_words(step_ms: int) -> str:
    """`3 hours`, `10 seconds`, `1 day`."""
    unit, size = next((unit, size) for unit, size in _UNITS_MS.items() if step_ms >= size)
    return f"{step_ms // size} {unit}{'s' if step_ms >= 2 * size else ''}"


def delay_in_words(ms: float) -> str:
    """`250 ms`, `1.4 s`, `2 min`."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.3g} s" if ms < 120_000 else f"{ms / 60_000:.3g} min"


def flows(
    agencies: Sequence[str], given: Mapping[tuple[str, str], int], class_of: Callable[[str], str]
) -> str:
    """A band from each giver to each taker, as wide as records were delivered; its class is the taker's."""
    left, right, gap, top = 176, _WIDTH - 176, 18.0, 34.0
    total = max(1, sum(given.values()))
    scale = 420 / total
    gave, got = Counter[str](), Counter[str]()
    for (originator, recipient), count in given.items():
        gave[originator] += count
        got[recipient] += count

    def stacked(sizes: Mapping[str, int]) -> dict[str, float]:
        at, starts = top, {}
        for agency in agencies:
            starts[agency] = at
            at += sizes[agency] * scale + gap
        return starts

    starts, ends = stacked(gave), stacked(got)
    shapes = [_text(left - 8, 18, "gave", "head", "end"), _text(right + 8, 18, "got", "head")]
    from_at, to_at, middle = dict(starts), dict(ends), (left + right) / 2
    for originator in agencies:
        for recipient in agencies:
            if count := given.get((originator, recipient), 0):
                wide = count * scale
                y0, y1 = from_at[originator] + wide / 2, to_at[recipient] + wide / 2
                from_at[originator] += wide
                to_at[recipient] += wide
                curve = (
                    f"M{left + 8} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {right - 8} {y1:.1f}"
                )
                said = f"{originator} to {recipient}: {count:,}"
                band = f"band {class_of(recipient)}"
                shapes.append(_shape("path", band, said, d=curve, stroke_width=max(0.6, wide)))
    for agency in agencies:
        for at, sizes, x, name_x, anchor, of_class in (
            (starts, gave, left, left - 8, "end", "giver"),
            (ends, got, right - 8, right + 8, "start", class_of(agency)),
        ):
            tall = max(1.5, sizes[agency] * scale)
            block = _shape("rect", f"node {of_class}", x=x, y=at[agency], width=8, height=tall)
            said = f"{agency}  {sizes[agency]:,}"
            shapes += [block, _text(name_x, at[agency] + tall / 2 + 4, said, "", anchor)]
    widest = sorted(given.items(), key=lambda item: (-item[1], item[0]))[:3]
    return _drawing(
        "flows",
        round(
            max(d[agencies[-1]] + sizes[agencies[-1]] * scale for d, sizes in ((starts, gave), (ends, got)))
        )
        + 16,
        "Who gave to whom",
        f"A band from each agency that gave to each that got, as wide as records were delivered: {total:,} in all. "
        f"The widest: {'; '.join(f'{o} to {r}, {n:,}' for (o, r), n in widest)}.",
        shapes,
    )


def timeline(bars: Mapping[int, Counter[str]], step_ms: int, marks: Sequence[Mark]) -> str:
    """What became of pairs in each step of domain time, stacked. `bars`: by the step's beginning."""
    top, bottom = 34, 300
    times = [*bars, *(mark.at_ms for mark in marks)] or [0]
    begin, end = min(times) // step_ms * step_ms, (max(times) // step_ms + 1) * step_ms
    tallest = max([1, *(fates.total() for fates in bars.values())])
    line = _even(tallest / 5)
    most = ceil(tallest / line) * line

    def x(at_ms: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (at_ms - begin) / (end - begin)

    def y(count: float) -> float:
        return bottom - (bottom - top) * count / most

    shapes = []
    for count in range(0, most + 1, line):
        shapes.append(_shape("path", "grid", d=f"M{_LEFT} {y(count):.1f}H{_RIGHT}"))
        shapes.append(_text(_LEFT - 8, y(count) + 4, f"{count:,}", "quiet", "end"))
    wide = max(1.0, x(begin + step_ms) - x(begin) - 1.5)
    for at_ms, fates in sorted(bars.items()):
        said = f"from {_when(at_ms)}: {', '.join(f'{fates[fate]:,} {fate}' for fate in _FATES)}"
        base = 0
        for fate in _FATES:
            tall = y(base) - y(base + fates[fate])
            base += fates[fate]
            if fates[fate]:
                shapes.append(_shape("rect", fate, said, x=x(at_ms), y=y(base), width=wide, height=tall))
    shapes += _days_or_hours(begin, end, x, bottom)
    for mark in marks:
        at, said = x(mark.at_ms), f"{_when(mark.at_ms)}: {mark.note}"
        if mark.number is None:
            shapes.append(_shape("path", "tick", said, d=f"M{at:.1f} {bottom}v-7"))
        else:
            shapes.append(_shape("path", "mark", said, d=f"M{at:.1f} {top - 8}V{bottom}"))
            shapes.append(_shape("circle", "mark", said, cx=at, cy=top - 18, r=10))
            shapes.append(_text(at, top - 14, str(mark.number), "on-mark", "middle"))
    sums = sum(bars.values(), Counter[str]())
    return _drawing(
        "timeline",
        bottom + 34,
        "What was decided when",
        f"Bars of {step_in_words(step_ms)} each, stacked: {', '.join(f'{sums[fate]:,} {fate}' for fate in _FATES)} "
        "in all. Numbered lines are new versions of the arrangement.",
        shapes,
    )


def _days_or_hours(begin: int, end: int, x: Callable[[float], float], bottom: int) -> Iterable[str]:
    """The axis of time: names of days between midnights, or times of day."""
    step = next((s for s in _STEPS_MS if (end - begin) / s <= 14), _STEPS_MS[-1])
    days = step >= 24 * _HOUR_MS
    yield _shape("path", "axis", d=f"M{x(begin):.1f} {bottom}H{x(end):.1f}")
    for at in range(begin // step * step, end, step):
        moment = datetime.fromtimestamp(at / 1000, UTC)
        said = f"{moment:%a} {moment.day} {moment:%b}" if days else f"{moment:%H:%M:%S}".removesuffix(":00")
        first, last = x(max(at, begin)), x(min(at + step, end))
        if at >= begin:
            yield _shape("path", "axis", d=f"M{first:.1f} {bottom}v6")
        if days and last - first > 60:
            yield _text((first + last) / 2, bottom + 22, said, "quiet", "middle")
        elif not days and at >= begin:
            yield _text(first, bottom + 22, said, "quiet", "middle")


def latencies(values_ms: Sequence[int]) -> str:
    """How long deliveries took, on a scale of tenfold steps; half and 99 of 100 are marked."""
    top, bottom = 40, 230
    values = sorted(max(1, value) for value in values_ms)
    low, high = floor(log10(values[0])), max(floor(log10(values[0])) + 1, ceil(log10(values[-1])))
    count = 12 * (high - low)
    p50, p99 = (values[min(len(values) - 1, int(q * len(values)))] for q in (0.5, 0.99))

    def part(ms: float) -> float:
        return (log10(ms) - low) / (high - low)

    def x(ms: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * part(ms)

    bins = Counter(min(count - 1, int(count * part(value))) for value in values)
    most, wide = max(bins.values()), (_RIGHT - _LEFT) / count
    shapes = [_shape("path", "axis", d=f"M{_LEFT} {bottom}H{_RIGHT}")]
    for at, number in sorted(bins.items()):
        first, last = (delay_in_words(10 ** (low + n / count * (high - low))) for n in (at, at + 1))
        tall = (bottom - top) * number / most
        said = f"{first} to {last}: {number:,} deliveries"
        box = {"x": _LEFT + at * wide, "y": bottom - tall, "width": wide - 1.5, "height": tall}
        shapes.append(_shape("rect", "delivered", said, **box))
    for power in range(low, high + 1):
        shapes.append(_shape("path", "axis", d=f"M{x(10**power):.1f} {bottom}v6"))
        anchor = "start" if power == low else "end" if power == high else "middle"
        shapes.append(_text(x(10**power), bottom + 22, delay_in_words(10**power), "quiet", anchor))
    for name, value, row in (
        ("p50", p50, 14),
        ("p99", p99, 30),
    ):  # a row each: the two may stand side by side
        late = x(value) > _RIGHT - 110
        shapes.append(_shape("path", "mark", d=f"M{x(value):.1f} {row - 10}V{bottom}"))
        said, beside = f"{name} {delay_in_words(value)}", -6 if late else 6
        shapes.append(_text(x(value) + beside, row, said, "head", "end" if late else "start"))
    return _drawing(
        "latencies",
        bottom + 34,
        "From sealed to stored",
        f"Of {len(values):,} deliveries half took less than {delay_in_words(p50)}, 99 of 100 less than "
        f"{delay_in_words(p99)}; the slowest took {delay_in_words(values[-1])}.",
        shapes,
    )


def _drawing(name: str, height: int, title: str, description: str, shapes: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{"".join(shapes)}</svg>'
    )


def _shape(tag: str, of_class: str, said: str = "", **attributes: str | float) -> str:
    """An element; `said` is shown when one points at it."""
    told = "".join(
        f' {name.replace("_", "-")}="{escape(value) if isinstance(value, str) else f"{value:.1f}"}"'
        for name, value in attributes.items()
    )
    opened = f'<{tag} class="{escape(of_class)}"{told}'
    return f"{opened}><title>{escape(said)}</title></{tag}>" if said else f"{opened}/>"


def _text(x: float, y: float, said: str, of_class: str = "", anchor: str = "start") -> str:
    return f'<text class="{of_class}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _when(at_ms: int) -> str:
    at = datetime.fromtimestamp(round(at_ms / 1000), UTC)
    return f"{at:%a} {at.day} {at:%B} " + f"{at:%H:%M:%S}".removesuffix(":00")


def _even(least: float) -> int:
    """The next number that people count by: 1, 2, 5, 10, 20, ..."""
    unit = 1
    while 5 * unit < least:
        unit *= 10
    return next(n * unit for n in (1, 2, 5) if n * unit >= least)

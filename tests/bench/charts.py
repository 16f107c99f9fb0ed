"""Charts of the bench as SVG, to stand in its page: lines on scales of tenfold steps, and bars.

- Colours come from the page's style by class, so that light, dark and print are the page's matter.
- Each has a title and a description for those who do not see it; all text is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import count, pairwise
from math import ceil, floor, log10
from typing import Final

Points = Sequence[tuple[float, float]]

_W: Final = 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 400, 16, 230
_numbers = count(1)


def said(value: float) -> str:
    """A number as people read it: three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def lines(title: str, series: Mapping[str, Points], x_name: str, y_name: str, ticks: Sequence[float]) -> str:
    """A line for each series through its points, both axes logarithmic; its name stands at its end."""
    values = [y for points in series.values() for _, y in points]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    high = max(high, low + 1)
    first, last = log10(min(ticks)), log10(max(ticks))

    def x(at: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (log10(at) - first) / (last - first)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (log10(value) - low) / (high - low)

    shapes = []
    for power in range(low, high + 1):
        at = y(10**power)
        shapes.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_RIGHT}"/>')
        shapes.append(_text(_LEFT - 8, at + 4, said(10**power), "quiet", "end"))
    for tick in ticks:
        shapes.append(f'<path class="axis" d="M{x(tick):.1f} {_BOTTOM}v5"/>')
        shapes.append(_text(x(tick), _BOTTOM + 20, said(tick), "quiet", "middle"))
    shapes.append(f'<path class="axis" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>')
    shapes.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 40, x_name, "quiet", "middle"))
    ends = _apart([y(points[-1][1]) for points in series.values()])
    for number, ((name, points), end) in enumerate(zip(series.items(), ends, strict=True)):
        way = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
        last_x = x(points[-1][0])
        shapes.append(f'<path class="line s{number}" d="M{way}"/>')
        for a, b in points:
            told = escape(f"{name}, {said(a)} {x_name}: {said(b)} {y_name}")
            where = f'cx="{x(a):.1f}" cy="{y(b):.1f}"'
            shapes.append(f'<circle class="dot s{number}" {where} r="4"><title>{told}</title></circle>')
        shapes.append(_text(last_x + 10, end + 4, name, f"name s{number}"))
    ranges = "; ".join(
        f"{name} from {said(points[0][1])} to {said(points[-1][1])}" for name, points in series.items()
    )
    return _drawing(_BOTTOM + 50, f"{title}, {y_name}", f"By {x_name}: {ranges}.", shapes)


def bars(title: str, rows: Sequence[tuple[str, float, int]], unit: str) -> str:
    """A bar for each row (name, value, colour), from nought, with its value."""
    most, left, right = max(value for _, value, _ in rows), 190, _W - 70
    shapes = []
    for at, (name, value, number) in enumerate(rows):
        top, wide = 6 + at * 30, (right - left) * value / most
        shapes.append(_text(left - 10, top + 15, name, "", "end"))
        box = f'x="{left}" y="{top}" width="{max(1.0, wide):.1f}" height="20" rx="2"'
        shapes.append(
            f'<rect class="bar s{number}" {box}><title>{escape(f"{name}: {said(value)} {unit}")}</title></rect>'
        )
        shapes.append(_text(left + wide + 8, top + 15, said(value), "head"))
    told = "; ".join(f"{name} {said(value)}" for name, value, _ in rows)
    return _drawing(12 + len(rows) * 30, f"{title}, {unit}", f"{told}.", shapes)


def _apart(places: Sequence[float]) -> list[float]:
    """The places of names, moved so that no two stand on each other."""
    out = list(places)
    order = sorted(range(len(out)), key=lambda n: out[n])
    for before, after in pairwise(order):
        out[after] = max(out[after], out[before] + 16)
    return out


def _drawing(height: float, title: str, description: str, shapes: Sequence[str]) -> str:
    name = f"chart-{next(_numbers)}"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_W} {height:.0f}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
        f"{''.join(shapes)}</svg></figure>"
    )


def _text(x: float, y: float, text: str, of_class: str = "", anchor: str = "start") -> str:
    return f'<text class="{of_class}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

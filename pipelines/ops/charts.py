"""Small inline SVG charts for pages that load nothing: marks only, colours come from the page's CSS.

A chart is drawn for 360 units, the width of a phone, so that its text stays readable there; the
figures stand beside it in a table for who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 180
LINE_HEIGHT = 140
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 22, 34
HEAT_STEPS = 6


def compact(value: float) -> str:
    """A number short enough for an axis.

    >>> [compact(v) for v in (0, 950, 1500, 20000, 3400000)]
    ['0', '950', '1.5k', '20k', '3.4M']
    """
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return f"{value:.1f}".removesuffix(".0")


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``wanted`` of them.

    >>> ticks(0, 100)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    if high <= low:
        return [float(low)]
    rough = (high - low) / wanted
    size = 10 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 5, 10) if s * size >= rough * 0.75)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(float(i * step), 10) for i in range(first, last + 1)]


def heat_step(value: float, largest: float) -> int:
    """0 for nothing, else 1 … 6: the colour step of a heat table's cell.

    >>> [heat_step(v, 60) for v in (0, 1, 30, 60)]
    [0, 1, 3, 6]
    """
    return max(1, math.ceil(HEAT_STEPS * value / largest)) if value > 0 and largest > 0 else 0


def bar(value: float, largest: float) -> Markup:
    """A horizontal bar as wide as its cell; the number stands beside it, so readers skip it."""
    share = min(value / largest, 1) if largest > 0 else 0
    width = max(share * 100, 0.8) if value > 0 else 0
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100" height="8"/><rect class="fill" width="{:.2f}" height="8"/></svg>'
    ).format(width)


def _frame(label: str, marks: Sequence[Markup], height: int = HEIGHT) -> Markup:
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, height, escape(label)
    )
    return head + Markup("").join(marks) + Markup("</svg>")


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )


def _grid(values: Sequence[float], y_of: dict[float, float]) -> list[Markup]:
    marks = []
    short = [compact(value) for value in values]
    names = short if len(set(short)) == len(short) else [f"{value:,.0f}" for value in values]
    for value, name in zip(values, names, strict=True):
        line = Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(line.format(_LEFT, WIDTH - _RIGHT, y=y_of[value]))
        marks.append(_text(_LEFT - 5, y_of[value] + 3.5, name, "end"))
    return marks


def histogram(
    bins: Sequence[tuple[float, float, int]],
    *,
    label: str,
    axis: str,
    mark: float | None = None,
    note: str = "",
    is_log: bool = False,
) -> Markup:
    """Columns over (lower, upper, count) bins; those from ``mark`` up stand out, and ``note`` names it.

    ``is_log``: each step up is ten times as many, for counts of very different size.
    """
    low, high = bins[0][0], bins[-1][1]
    largest = max((count for _, _, count in bins), default=0) or 1
    scale = [float(10**i) for i in range(len(str(largest)))] if is_log else ticks(0, largest)
    width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    base = _TOP + height

    def level(count: float) -> float:
        # One pair must still be seen, so a column of one is not of no height.
        return math.log10(2 * count) if is_log and count else count

    top = level(max(largest, scale[-1]))

    def x(value: float) -> float:
        return _LEFT + (value - low) / ((high - low) or 1) * width

    marks = _grid(scale, {v: base - level(v) / top * height for v in scale})
    column = Markup(
        '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>'
    )
    for lower, upper, count in bins:
        tall = max(level(count) / top * height, 0.8) if count else 0
        kind = "fill" if mark is None or lower >= mark - 1e-9 else "quiet"
        gap = min(2.0, (x(upper) - x(lower)) / 4)
        marks.append(
            column.format(
                kind,
                x(lower) + gap / 2,
                base - tall,
                x(upper) - x(lower) - gap,
                tall,
                f"{lower:g} to {upper:g}: {count:,}",
            )
        )
    marks += [_text(x(v), base + 14, f"{v:g}") for v in ticks(low, high, 6)]
    marks.append(_text(_LEFT + width / 2, HEIGHT - 5, axis, kind="axis"))
    if mark is not None and low <= mark <= high:
        line = Markup('<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>')
        marks.append(line.format(_TOP - 6, base, x=x(mark)))
        is_right = x(mark) > _LEFT + width / 2
        marks.append(_text(x(mark) + (-4 if is_right else 4), _TOP - 8, note, "end" if is_right else "start"))
    return _frame(label, marks)


def line(points: Sequence[tuple[str, float]], *, label: str) -> Markup:
    """A line over equally spaced (name, value) points; the axis need not start at zero."""
    values = [value for _, value in points]
    spread = (max(values) - min(values)) or max(abs(max(values)) * 0.1, 1)
    low, high = max(0.0, min(values) - spread * 0.3), max(values) + spread * 0.3
    width, height = WIDTH - _LEFT - _RIGHT - 44, LINE_HEIGHT - _TOP - 22
    base = _TOP + height

    def y(value: float) -> float:
        return base - (value - low) / (high - low) * height

    xs = [_LEFT + 22 + i * width / max(len(points) - 1, 1) for i in range(len(points))]
    scale = [v for v in ticks(low, high, 3) if v == int(v)]
    marks = _grid(scale, {v: y(v) for v in scale})
    path = " ".join(f"{px:.1f},{y(v):.1f}" for px, v in zip(xs, values, strict=True))
    marks.append(Markup('<polyline class="stroke" points="{}"/>').format(path))
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>')
    every = max(1, math.ceil(len(points) / 4))
    for i, (px, (name, value)) in enumerate(zip(xs, points, strict=True)):
        is_last = i == len(points) - 1
        if len(points) <= 16 or is_last:
            marks.append(dot.format(px, y(value), f"{name}: {value:,.0f}"))
        if is_last or i == 0:
            marks.append(_text(px, y(value) - 9, f"{value:,.0f}", kind="value"))
        if is_last or (i % every == 0 and i + every / 2 < len(points)):
            marks.append(_text(px, base + 16, name))
    return _frame(label, marks, LINE_HEIGHT)


def spark(values: Sequence[float], told: Sequence[tuple[str, str]]) -> Markup:
    """A small line without axes, for a cell of a table; ``told``: the same points in words."""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    step = 92 / max(len(values) - 1, 1)
    points = [
        (4 + i * step, 18 - 14 * (v - low) / spread if high > low else 11) for i, v in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    words = ", ".join(f"{name}: {value}" for name, value in told)
    head = Markup(
        '<svg class="spark" viewBox="0 0 100 22" width="100" height="22" role="img" aria-label="{}">'
    )
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(*points[-1])
    title = Markup("<title>{}</title>").format(words)
    return (
        head.format(words)
        + title
        + Markup('<polyline class="stroke" points="{}"/>').format(path)
        + dot
        + Markup("</svg>")
    )


CURVE_HEIGHT = 220


def curves(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    label: str,
    axis: str,
    mark: float | None = None,
    note: str = "",
) -> Markup:
    """Up to three lines of shares, 0 to 1, over shares; told apart by dashes too. ``mark`` is a place on the axis."""
    lowest = min((y for _, points in series for _, y in points), default=0.0)
    floor = max(0.0, math.floor((lowest - 0.02) * 10) / 10)
    width, height = WIDTH - _LEFT - _RIGHT, CURVE_HEIGHT - _TOP - 18 - _BOTTOM
    top = _TOP + 18
    base = top + height

    def x(value: float) -> float:
        return _LEFT + value * width

    def y(value: float) -> float:
        return base - (value - floor) / (1 - floor) * height

    scale = ticks(floor, 1, 4)
    marks = []
    for value in scale:
        line = Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(line.format(_LEFT, WIDTH - _RIGHT, y=y(value)))
        marks.append(_text(_LEFT - 5, y(value) + 3.5, f"{value:g}", "end"))
    for i, (name, points) in enumerate(series):
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in points)
        marks.append(Markup('<polyline class="stroke s{}" points="{}"/>').format(i + 1, path))
        at = _LEFT + i * width / 3
        key = Markup('<line class="stroke s{}" x1="{:.1f}" x2="{:.1f}" y1="10" y2="10"/>')
        marks.append(key.format(i + 1, at, at + 22))
        marks.append(_text(at + 27, 13.5, name, "start", "value"))
    marks += [_text(x(v), base + 14, f"{v:g}") for v in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    marks.append(_text(_LEFT + width / 2, CURVE_HEIGHT - 5, axis, kind="axis"))
    if mark is not None:
        rule = Markup('<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>')
        marks.append(rule.format(top - 6, base, x=x(mark)))
        is_right = mark > 0.5
        marks.append(_text(x(mark) + (-4 if is_right else 4), top - 8, note, "end" if is_right else "start"))
    return _frame(label, marks, CURVE_HEIGHT)


_ALONE = (
    "text{font:10.5px system-ui,sans-serif;fill:#505b66}text.value{fill:#15191e;font-weight:600}"
    ".grid{stroke:#d9dfe5}.mark{stroke:#15191e;stroke-dasharray:3 3}.stroke{fill:none;stroke-width:2}"
    ".s1{stroke:#2470b8}.s2{stroke:#a3530b;stroke-dasharray:7 3}.s3{stroke:#15191e;stroke-dasharray:2 2}"
)


def standalone(chart: Markup) -> str:
    """A chart as an SVG file of its own: colours inside, white ground, nothing loaded."""
    head, _, rest = str(chart).partition(">")
    size = head.split('viewBox="0 0 ')[1].split('"')[0].split()
    ground = f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>'
    # A size of its own, or viewers draw it as wide as their window.
    bounds = f' xmlns="http://www.w3.org/2000/svg" width="{2 * int(size[0])}" height="{2 * int(size[1])}"'
    return f"{head}{bounds}><style>{_ALONE}</style>{ground}{rest}\n"

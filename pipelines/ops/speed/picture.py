"""Seconds and memory over records, a line a peer, both axes in powers of ten, as one SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from pipelines.ops.charts import compact
from pipelines.ops.speed.figures import GIGABYTE, Figure

WIDTH, HEIGHT = 760, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 58, 40
_COLOURS = ("#2470b8", "#a3530b", "#15191e", "#7b3fa0", "#2f7d32")
_DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4")
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#505b66}text.title{font-weight:600;fill:#15191e}"
    ".grid{stroke:#d9dfe5}polyline{fill:none;stroke-width:2}"
)


def picture(found: Sequence[Figure]) -> str:
    """The SVG. A hollow mark is a peer that was stopped at the cap: it takes longer than that."""
    peers = list(dict.fromkeys(figure.peer for figure in found))
    panel = WIDTH / 2
    marks = _key(peers)
    marks += _panel(0, panel, "Seconds, whole process", found, peers, lambda f: f.seconds)
    ended = [figure for figure in found if figure.outcome == "done"]
    marks += _panel(panel, panel, "Peak memory, GB", ended, peers, lambda f: f.peak_bytes / GIGABYTE)
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
        'aria-label="Seconds and memory by records and peer"><style>{style}</style>'
        '<rect width="{w}" height="{h}" fill="#fff"/>'
    ).format(w=WIDTH, h=HEIGHT, style=Markup(_STYLE))
    return str(head + Markup("").join(marks) + Markup("</svg>\n"))


def _key(peers: Sequence[str]) -> list[Markup]:
    marks = []
    for i, peer in enumerate(peers):
        at = _LEFT + i * 150
        marks.append(_line([(at, 16), (at + 26, 16)], i))
        marks.append(_text(at + 32, 20, peer, "start"))
    return marks


def _panel(
    left: float,
    width: float,
    title: str,
    found: Sequence[Figure],
    peers: Sequence[str],
    value: Callable[[Figure], float],
) -> list[Markup]:
    shown = [figure for figure in found if figure.outcome != "died" and value(figure) > 0]
    marks = [_text(left + _LEFT, _TOP - 14, title, "start", "title")]
    if not shown:
        return [*marks, _text(left + _LEFT, _TOP + 20, "no cell ended", "start")]
    sizes = sorted({figure.size for figure in shown})
    scale = _scale([value(figure) for figure in shown])
    low, high = math.log10(scale[0]), math.log10(scale[-1])
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])
    base = HEIGHT - _BOTTOM

    def x(size: int) -> float:
        inside = width - _LEFT - _RIGHT - 24
        share = (math.log10(size) - first) / (last - first) if last > first else 0.5
        return left + _LEFT + 12 + share * inside

    def y(amount: float) -> float:
        return base - (math.log10(amount) - low) / (high - low) * (base - _TOP)

    for step in scale:
        grid = Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(grid.format(left + _LEFT, left + width - _RIGHT, y=y(step)))
        marks.append(_text(left + _LEFT - 6, y(step) + 4, f"{step:g}", "end"))
    marks += [_text(x(size), base + 17, compact(size)) for size in sizes]
    marks.append(_text(left + _LEFT + (width - _LEFT - _RIGHT) / 2, HEIGHT - 6, "records"))
    dot = Markup(
        '<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}" stroke="{}" stroke-width="2"><title>{}</title></circle>'
    )
    for i, peer in enumerate(peers):
        own = [figure for figure in shown if figure.peer == peer]
        marks.append(_line([(x(f.size), y(value(f))) for f in own], i))
        for figure in own:
            fill = _COLOURS[i % len(_COLOURS)] if figure.outcome == "done" else "#fff"
            said = f"{peer}, {figure.size:,}: {value(figure):,.1f}"
            marks.append(
                dot.format(x(figure.size), y(value(figure)), fill, _COLOURS[i % len(_COLOURS)], said)
            )
    return marks


def _scale(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times powers of ten from below the least to above the most.

    >>> _scale([3, 40])
    [2, 5, 10, 20, 50]
    """
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    steps = [n * 10.0**p for p in powers for n in (1, 2, 5)]
    below = max(step for step in steps if step <= min(values))
    above = min(step for step in steps if step >= max(values))
    chosen = [step for step in steps if below <= step <= above]
    if len(chosen) == 1:
        chosen.append(chosen[0] * 2)
    return [int(step) if step >= 1 else step for step in chosen]


def _line(points: Sequence[tuple[float, float]], number: int) -> Markup:
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    return Markup('<polyline points="{}" stroke="{}" stroke-dasharray="{}"/>').format(
        path, _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )

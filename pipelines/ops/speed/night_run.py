"""All nights of one benchmark, and the three files that say what they came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipelines.ops.speed.cells import Cell
from pipelines.ops.speed.config import NightBench
from pipelines.ops.speed.figures import figures
from pipelines.ops.speed.night_bars import verdicts
from pipelines.ops.speed.night_page import as_dict, markdown
from pipelines.ops.speed.peers import Peer
from pipelines.ops.speed.retailers import Retailer
from pipelines.ops.speed.run import Ended, Outcome, leave, measure
from pipelines.queries import Say, silent


def run(
    out: str,
    conf: NightBench,
    nights: Sequence[Peer],
    repeat: int,
    cap: float,
    given: Callable[[int], Retailer],
    ended: Ended,
    say: Say = silent,
) -> Outcome:
    """Measure every night that ``out`` does not hold yet, and write night.md, night.json and night.svg there."""
    retailers: dict[int, Retailer] = {}

    def of(size: int) -> Retailer:
        retailers[size] = given(size)
        return retailers[size]

    def write(cells: Sequence[Cell]) -> Outcome:
        found = figures(cells)
        judged = verdicts(found, conf)
        outcome = Outcome(found, judged, markdown(found, judged, nights, retailers, conf))
        leave(out, "night", outcome, as_dict(found, judged, nights, retailers, conf))
        return outcome

    return measure(out, (conf.tiny, *conf.sizes), nights, repeat, cap, of, ended, write, say)

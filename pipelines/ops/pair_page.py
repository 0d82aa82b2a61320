"""The page of ``padron explain``: what the terminal says of a pair around Splink's chart, in one file that loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.linkage.explanation import GENERIC, VERDICTS, judgement, kinds_of, meeting_of
from pipelines.linkage.waterfall import waterfall_chart
from pipelines.ops.pages import Tile, page
from pipelines.ops.vega import Chart, drawn_with, scripts

if TYPE_CHECKING:
    from pipelines.linkage.explanation import Explanation
    from pipelines.linkage.said import RoleValues

ABOUT = "From two records at random to the match weight, in bits: what each comparison adds."


@dataclass(frozen=True)
class Row:
    """What both records say in one role."""

    role: str
    left: str
    right: str
    is_same: bool


def pair_page(found: Explanation, *, values: bool = False) -> str:
    """The page; what the records say stands in it only with ``values``: the file may go anywhere."""
    known = judgement(found)
    kinds = kinds_of(found)
    facts = {name: said for name, said in known.items() if name != "relation" or not kinds}
    spec = waterfall_chart(dict(found.settings), found.scored, found.compared if values else None)
    charts = [] if spec is None else [Chart("waterfall", "Match weights", ABOUT, drawn_with(spec))]
    met, *members = meeting_of(found) or [""]
    return page(
        "pair.html.j2",
        found=found,
        because=VERDICTS[found.verdict],
        is_together=found.same_cluster["cluster_final"],
        tiles=[
            Tile(
                "Match weight",
                f"{found.waterfall.match_weight:+.2f} bits",
                f"probability {found.waterfall.match_probability:.6g}",
            ),
            Tile("Same person", f"{found.same_person_probability:.4f}", f"joined from {found.cut:g} on"),
            Tile("Blocked by", f"{len(found.rules) or 'no'} rule{'s' if len(found.rules) > 1 else ''}"),
        ],
        facts=facts,
        kinds=kinds,
        met=met,
        members=[line.strip() for line in members],
        rows=[_row(value, is_shown=values) for value in found.values],
        is_shown=values,
        generic=GENERIC if any(not (v.left_counts and v.right_counts) for v in found.values) else "",
        charts=charts,
        scripts=scripts() if charts else [],
    )


def _row(value: RoleValues, *, is_shown: bool) -> Row:
    def cell(text: str | None, counts: bool) -> str:
        said = "–" if text is None else text if is_shown else "known"
        return said if counts else f"{said} (generic)"

    return Row(
        value.role.replace("_", " "),
        cell(value.left, value.left_counts),
        cell(value.right, value.right_counts),
        value.left is not None and value.left == value.right,
    )

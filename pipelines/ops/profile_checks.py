"""The gates on what a feed looks like: codes without a translation, columns that changed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.ops.delivery_checks import failed_or_one
from pipelines.ops.gates import Verdict, bounds_of, graded, owned
from pipelines.ops.profiles import PROFILES

if TYPE_CHECKING:
    from pipelines.config import Project
    from pipelines.stages import Inputs

NAMED = 3
"""Columns that one message names; more of them are counted."""


def feeds_look_right(inputs: Inputs) -> list[Verdict]:
    """``unmapped_codes`` and ``profile_drift`` of the profiles of what the night took in."""
    stored, feeds = inputs.arrow(PROFILES), {(file.source, file.feed) for file in inputs.night.files}
    rows = [r for r in (stored.to_pylist() if stored else ()) if (r["source"], r["feed"]) in feeds]
    verdicts = judge(inputs.settings.project, rows, inputs.night.business_date)
    return owned(verdicts, inputs.settings.sources)


def judge(project: Project, profiles: list[dict[str, Any]], business_date: date) -> list[Verdict]:
    """The verdicts on the rows of ops/profiles that are of the night."""
    tonight = sorted(
        (r for r in profiles if r["business_date"] == business_date),
        key=lambda r: (r["source"], r["feed"], r["column"]),
    )
    unmapped: list[Verdict] = []
    drifted: list[Verdict] = []
    for r in tonight:
        about = f"{r['source']}/{r['feed']}.{r['column']}"
        if r["unmapped"] is not None and r["filled"]:
            share = r["unmapped"] / r["filled"]
            unmapped += graded(
                project,
                "unmapped_codes",
                value=share,
                rows=r["filled"],
                message=f"{r['unmapped']:,} of {r['filled']:,} values ({share:.1%}) have no translation: add them to "
                f"`codes` in conf/sources/{r['source']}.yml.",
                about=about,
            )
        if r["drift"] is not None and r["rows"] >= (bounds_of(project, "profile_drift").least or 0):
            drifted += graded(
                project,
                "profile_drift",
                value=r["drift"],
                rows=r["rows"],
                message=f"{r['null_share']:.0%} of the rows are empty and most values are {r['kind'] or 'none'}; "
                f"a share changed by {r['drift']:.0%} since {r['compared_with']} (ops/profiles). Ask the owner.",
                about=about,
            )
    return [
        *_told(failed_or_one("unmapped_codes", unmapped, "codes are translated")),
        *_told(failed_or_one("profile_drift", drifted, "feeds look as before")),
    ]


def _told(verdicts: list[Verdict]) -> list[Verdict]:
    """The worst few, the last of them saying how many more there are."""
    ordered = sorted(verdicts, key=lambda v: (v["status"] != "blocked", -v["value"]))
    more = len(ordered) - NAMED
    if more > 0:
        last = ordered[NAMED - 1]
        ordered[NAMED - 1] = {**last, "message": f"{last['message']} And {more} more columns."}
    return ordered[:NAMED]

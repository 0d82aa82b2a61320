"""Which nights there are to run: landing folders not taken in yet, against the newest release."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.bronze.landing import LandedFile
    from pipelines.ops.releases import Release


@dataclass(frozen=True)
class PlannedNight:
    """A business date and the files that it takes in, oldest first."""

    business_date: date
    files: tuple[LandedFile, ...] = ()
    late: int = field(default=0)
    """How many of the files are dated on or before the newest release's date."""


def plan_nights(
    pending: list[LandedFile],
    release: Release | None,
    *,
    asked: date | None,
    same_program: bool,
    full: bool,
) -> list[PlannedNight]:
    """The nights to run, in order; empty when there is nothing to do.

    ``pending`` are the landed files that no released night took in; ``same_program`` says that
    code and configuration are those of the newest release. With ``asked`` it is one night that
    takes in every folder up to that date; without, one night a folder, and late files go with
    the first. Raises UsageError for a date before the newest release.
    """
    newest = release.business_date if release else None
    files = sorted(pending, key=lambda f: (f.landing_date, f.source, f.feed, f.name))
    if asked is not None:
        if newest is not None and asked < newest:
            raise UsageError(
                f"--date {asked} is before the newest release ({newest}): nights only go forward. "
                "A late file is taken in by the next night."
            )
        taken = tuple(f for f in files if f.landing_date <= asked)
        if asked == newest and not taken and same_program and not full:
            return []
        return [PlannedNight(asked, taken, _late(taken, newest))]
    if newest is None:
        dates = sorted({f.landing_date for f in files})
        if not dates:
            raise UsageError("There are no files to take in: check --landing, or name a --date.")
        return [PlannedNight(d, tuple(f for f in files if f.landing_date == d)) for d in dates]
    late = tuple(f for f in files if f.landing_date <= newest)
    dates = sorted({f.landing_date for f in files if f.landing_date > newest})
    nights = [PlannedNight(d, tuple(f for f in files if f.landing_date == d)) for d in dates]
    if late:
        if nights:
            first = nights[0]
            nights[0] = PlannedNight(first.business_date, (*late, *first.files), len(late))
        else:
            nights = [PlannedNight(newest, late, len(late))]
    if not nights and (full or not same_program):
        nights = [PlannedNight(newest)]
    return nights


def _late(files: tuple[LandedFile, ...], newest: date | None) -> int:
    return 0 if newest is None else sum(f.landing_date <= newest for f in files)

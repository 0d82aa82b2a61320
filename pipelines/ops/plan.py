"""Which nights there are to run: landing folders not taken in yet, against the newest release."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.bronze.landing import LandedFile
    from pipelines.ops.releases import Release

LANDED_BYTES_A_RECORD = 500
"""Of landed text: a record of a person and the orders, cases and events that come with it."""

PACKED = 5
"""How often a packed file's size its text has."""


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
    since: date | None = None,
) -> list[PlannedNight]:
    """The nights to run, in order; empty when there is nothing to do.

    ``pending`` are the landed files that no released night took in; ``same_program`` says that
    code and configuration are those of the newest release. With ``asked`` it is one night that
    takes in every folder up to that date; without, one night a folder, and late files go with
    the first. With ``since`` it is a range: one night a folder from ``since`` to ``asked``, and what
    is older and not late goes with the first of them; where there is none, with a night of ``since``.
    Raises UsageError for a date before the newest release, and for a first night without files.
    """
    newest = release.business_date if release else None
    files = sorted(pending, key=lambda f: (f.landing_date, f.source, f.feed, f.name))
    if asked is not None:
        if since is not None and since > asked:
            raise UsageError(f"--date {since}..{asked} ends before it begins.")
        if newest is not None and asked < newest:
            raise UsageError(
                f"--date {asked} is before the newest release ({newest}): nights only go forward. "
                "A late file is taken in by the next night."
            )
        files = [f for f in files if f.landing_date <= asked]
    if asked is not None and since is None:
        taken = tuple(files)
        if newest is None and not taken:
            raise UsageError(
                f"There are no files to take in up to {asked}: check --landing, whose folders are named YYYY-MM-DD, and --date. "
                "A first night of nothing would choose the model by which all later ones link."
            )
        if asked == newest and not taken and same_program and not full:
            return []
        return [PlannedNight(asked, taken, _late(taken, newest))]
    nights: dict[date, list[LandedFile]] = {}
    late = []
    for file in files:
        if newest is not None and file.landing_date <= newest:
            late.append(file)
        else:
            nights.setdefault(file.landing_date, []).append(file)
    if since is not None:
        older = [file for day in sorted(nights) if day < since for file in nights.pop(day)]
        if older:
            first = min(nights, default=since)
            nights[first] = [*older, *nights.get(first, [])]
    if newest is None:
        if not nights:
            raise UsageError("There are no files to take in: check --landing, or name a --date.")
    elif (late or full or not same_program) and not nights:
        return [PlannedNight(newest, tuple(late), len(late))]
    return [
        PlannedNight(day, (*([] if at else late), *nights[day]), 0 if at else len(late))
        for at, day in enumerate(sorted(nights))
    ]


def records_looked_at(nights: Sequence[PlannedNight], known: int) -> int:
    """About how many records the nights look at: each at the ``known`` ones and at all that landed since.

    Told from the sizes of files, before anything is read: good enough to choose how Spark is started.
    """
    looked_at = 0
    for night in nights:
        known += sum(_text_bytes(file) for file in night.files) // LANDED_BYTES_A_RECORD
        looked_at += known
    return looked_at


def _text_bytes(file: LandedFile) -> int:
    return file.bytes * (PACKED if file.is_gzip or file.format == "parquet" else 1)


def _late(files: tuple[LandedFile, ...], newest: date | None) -> int:
    return 0 if newest is None else sum(f.landing_date <= newest for f in files)

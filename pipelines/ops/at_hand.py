"""Customer records to train on and to try things with: of a warehouse's newest release, a file, or invented."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.files import read_people
from pipelines.linkage.generations import Generation, newest
from pipelines.ops.generations import current_records, stored
from pipelines.ops.practice import NIGHT, practice
from pipelines.ops.sales import Basis
from pipelines.ops.summarise import read_truth
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pipelines.settings import Settings


TRAINED_ON_LESS = (
    "train on a file with a part of them (`padron train FILE`). The first night of a warehouse trains on a sample, "
    "however many there are"
)
"""What to do where a release's records are too many to train on in one process."""


@dataclass(frozen=True)
class AtHand:
    """Records in standard form, and what goes with them."""

    records: pa.Table
    """Columns of ``read_records``."""
    conf: Linkage
    """With a file's categories and texts among the fields."""
    business_date: date
    about: str
    """Where they come from, in words."""
    fields: Mapping[str, tuple[str, ...]]
    """Of a file: field → the columns that fill it."""
    truth: pa.Table | None = None
    """source, record_id, entity_id; None where nobody knows it."""
    generation: Generation | None = None
    """The one in use; a warehouse has one."""
    warehouse: Warehouse | None = None
    basis: Basis = field(default_factory=Basis)
    """What counts as revenue."""
    by_content: tuple[str, ...] = ()
    """Of a file: columns of ``fields`` that were recognised by their values."""


def at_hand(
    place: str | None,
    settings: Settings,
    *,
    id_column: str | None = None,
    country: str | None = None,
    fields: Mapping[str, str] | None = None,
    truth: str | None = None,
) -> AtHand:
    """The records of ``place``: a warehouse's folder, a CSV or Parquet file, or None for invented people.

    A file needs its ``id_column``; ``fields`` (column → role) say what its columns are where their names
    do not, ``country`` (ISO code) where records without one are from. ``truth`` is a file's column of
    the true person, a warehouse's file (CSV: source, record_id, entity_id). Raises UsageError, and
    NoReleaseError where nothing is released yet.
    """
    if place is None:
        records, known = practice()
        return AtHand(records, Linkage(), NIGHT, "invented people", {}, known)
    if "://" in place or os.path.isdir(place):
        return of_warehouse(Warehouse(place), settings, None if truth is None else read_truth(truth))
    if not id_column:
        raise UsageError(f"{place} is a file: name its column of unique ids.")
    today = datetime.now(UTC).date()
    where = (country or settings.project.country).upper()
    people = read_people(place, settings.linkage, id_column, where, today, fields or {}, truth)
    known = None
    if truth is not None:
        known = people.keyed.select(["source", "record_id"])
        known = known.append_column("entity_id", people.received[truth])
        known = known.filter(pc.is_valid(known["entity_id"]))
    about = os.path.basename(place)
    return AtHand(people.keyed, people.conf, today, about, people.fields, known, by_content=people.by_content)


def of_warehouse(warehouse: Warehouse, settings: Settings, truth: pa.Table | None = None) -> AtHand:
    """The newest release's records. Raises NoReleaseError, UsageError."""
    records, release = current_records(warehouse, settings.linkage, TRAINED_ON_LESS)
    return AtHand(
        records,
        settings.linkage,
        release.business_date,
        f"release {release.release_id}",
        {},
        truth,
        newest(stored(warehouse, release)),
        warehouse,
        Basis.of(settings),
    )

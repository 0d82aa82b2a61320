"""conf/renames.yml: sources and keys that were given another name, so that their records keep their ids.

A source rename changes the name of a source with all its records; a key rename gives records of one source
new keys, by a CSV with the columns ``old`` and ``new``. ``since`` is the first landing date that uses the new
names: what landed before is read under them, and renames follow one another by it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ConfigDict, Field

from pipelines.config import Conf, Strict
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pipelines.sources import Source

FILE = "conf/renames.yml"
DECLARED = pa.schema(
    [
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("new_source", pa.string()),
        ("new_record_id", pa.string()),
        ("since", pa.date32()),
    ]
)
"""One row a rename; record_id and new_record_id NULL: every record of the source, under its own key."""


class SourceRename(Strict):
    """A source that has another name."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    former: str = Field(alias="from", description="The name until then; conf/sources does not declare it.")
    to: str = Field(description="The name from then on, as conf/sources declares it.")
    since: date = Field(description="First landing date under the new name.")


class KeyRename(Strict):
    """Records of a source that have other keys."""

    source: str = Field(description="The source, by its name at that time.")
    file: str = Field(description="CSV with the columns old and new, in the folder of configuration.")
    since: date = Field(description="First landing date with the new keys.")


class Renames(Strict):
    """conf/renames.yml."""

    sources: tuple[SourceRename, ...] = ()
    keys: tuple[KeyRename, ...] = ()


def load_renames(conf: Conf, sources: Mapping[str, Source]) -> pa.Table:
    """The declared renames as rows of ``DECLARED``. Raises UsageError with every problem that it finds first."""
    declared = conf.load("renames.yml", Renames)
    _check_sources(declared.sources, sources)
    rows: list[dict[str, object]] = [
        {"source": r.former, "new_source": r.to, "since": r.since} for r in declared.sources
    ]
    known = {*sources, *(r.former for r in declared.sources)}
    seen: dict[tuple[str, date], dict[str, str]] = {}
    for rename in declared.keys:
        if rename.source not in known:
            raise UsageError(f"{FILE}: keys: {rename.source} is no source of conf/sources.")
        path = conf.folder / rename.file
        pairs = _read_keys(path, f"conf/{rename.file}")
        of_date = seen.setdefault((rename.source, rename.since), {})
        for old, new in pairs:
            if old in of_date:
                raise UsageError(
                    f"{FILE}: {rename.file} and an earlier file rename the same key of {rename.source}."
                )
            of_date[old] = new
            rows.append(
                {
                    "source": rename.source,
                    "record_id": old,
                    "new_source": rename.source,
                    "new_record_id": new,
                    "since": rename.since,
                }
            )
    for (source, since), pairs_of_date in seen.items():
        _check_one_to_one(pairs_of_date.items(), f"{FILE}: the keys of {source} since {since}")
    return pa.Table.from_pylist(rows, schema=DECLARED)


def _check_sources(renames: tuple[SourceRename, ...], sources: Mapping[str, Source]) -> None:
    _check_one_to_one([(r.former, r.to) for r in renames], f"{FILE}: sources", named=True)
    former = {r.former for r in renames}
    for rename in renames:
        if rename.former in sources:
            raise UsageError(
                f"{FILE}: {rename.former} is still declared in conf/sources: rename it there too "
                f"(source: {rename.to}), so that it has one name."
            )
        if rename.to not in sources and rename.to not in former:
            raise UsageError(
                f"{FILE}: {rename.to}, which {rename.former} became, is no source of conf/sources."
            )
    dates = {r.former: r.since for r in renames}
    for rename in renames:
        later = dates.get(rename.to)
        if later is not None and later <= rename.since:
            raise UsageError(
                f"{FILE}: {rename.former} became {rename.to} on {rename.since}, which had become another "
                f"source by {later}: give the later rename the later date."
            )


def _check_one_to_one(pairs: Iterable[tuple[str, str]], where: str, *, named: bool = False) -> None:
    """Raises UsageError where two become one, one becomes two, or names go round in a circle."""
    becomes: dict[str, str] = {}
    came_from: dict[str, str] = {}
    for old, new in pairs:
        if old in becomes:
            raise UsageError(f"{where}: {old if named else 'a key'} is renamed twice.")
        if new in came_from:
            raise UsageError(f"{where}: two become one{f', {new}' if named else ''}: a rename joins nobody.")
        becomes[old], came_from[new] = new, old
    settled: set[str] = set()
    for start in becomes:
        path: set[str] = set()
        name: str | None = start
        while name is not None and name not in settled:
            if name in path:
                raise UsageError(f"{where}: names go round in a circle{f' at {name}' if named else ''}.")
            path.add(name)
            name = becomes.get(name)
        settled |= path


def _read_keys(path: Traversable, name: str) -> list[tuple[str, str]]:
    """(old, new) of a CSV. Raises UsageError with the line, never with a key."""
    if not path.is_file():
        raise UsageError(f"{FILE}: {name} does not exist.")
    with io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="") as file:
        reader = csv.DictReader(file)
        if not {"old", "new"} <= set(reader.fieldnames or ()):
            raise UsageError(f"{name}: expected the columns old and new.")
        found: dict[str, str] = {}
        for row in reader:
            old, new = (row[column] or "" for column in ("old", "new"))
            old, new = old.strip(), new.strip()
            if not old or not new or old == new:
                raise UsageError(f"{name}:{reader.line_num}: give an old key and another new one.")
            if old in found:
                raise UsageError(f"{name}:{reader.line_num}: the old key stands twice.")
            found[old] = new
    return list(found.items())

"""What ``padron link`` leaves in its folder, read again: clusters and pairs, and the engine's own tables where kept.

The engine's tables hold personal data (the standard records, frequent and generic values), so they
are written on request only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import UsageError
from pipelines.linkage import scored_pairs
from pipelines.linkage.config import Linkage
from pipelines.linkage.files import read_any
from pipelines.linkage.generations import Generation
from pipelines.linkage.linked_file import ONE_FILE, LinkedFile

FOLDER = "engine"
"""Folder inside the result that holds the engine's tables."""


@dataclass(frozen=True)
class Kept:
    """The engine's tables of one linkage."""

    records: pa.Table
    scored: pa.Table
    clusters: pa.Table
    generation: Generation
    conf: Linkage


def keep(made: LinkedFile, folder: str) -> None:
    """Write the engine's tables into ``folder``/engine: the standard records are personal data."""
    inside = os.path.join(folder, FOLDER)
    os.makedirs(inside, exist_ok=True)
    for name, table in (
        ("records", made.records),
        ("scored_pairs", made.linked.scored_pairs),
        ("clusters", made.linked.clusters),
    ):
        pq.write_table(table, os.path.join(inside, f"{name}.parquet"))
    for name, text in (
        ("generation.json", made.linked.generation.to_json()),
        ("linkage.json", made.conf.model_dump_json(indent=1)),
    ):
        with open(os.path.join(inside, name), "w", encoding="utf-8") as file:
            file.write(text)


def kept(folder: str) -> Kept | None:
    """The engine's tables of a result's folder; None where they were not kept. Raises UsageError."""
    _require(folder)
    inside = os.path.join(folder, FOLDER)
    if not os.path.isdir(inside):
        return None
    try:
        records, scored, clusters = (
            pq.read_table(os.path.join(inside, f"{name}.parquet"))
            for name in ("records", "scored_pairs", "clusters")
        )
        generation = Generation.from_json(_text(inside, "generation.json"))
        conf = Linkage.model_validate_json(_text(inside, "linkage.json"))
    except (OSError, ValueError):
        raise UsageError(
            f"{inside} cannot be read: run padron link with --keep-records again into this folder."
        ) from None
    return Kept(records, scored, clusters, generation, conf)


def _text(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def _require(folder: str) -> None:
    for name in ("clusters.parquet", "pairs.parquet", "report.json"):
        if not os.path.isfile(os.path.join(folder, name)):
            raise UsageError(f"{folder} is no folder that padron link wrote: {name} is not there.")


@dataclass(frozen=True)
class Result:
    """The clusters and pairs of a result's folder in the engine's columns; their layers are not known."""

    id_column: str
    clusters: pa.Table
    """source, record_id, cluster_final."""
    scored: pa.Table
    """Columns of ``linkage/scored_pairs``."""
    cut: float
    has_sources: bool
    """True where several files were linked: an id is one file's."""


def result(folder: str) -> Result:
    """Read clusters.parquet, pairs.parquet and report.json. Raises UsageError where they are none of ours."""
    _require(folder)
    try:
        found = pq.read_table(os.path.join(folder, "clusters.parquet"))
        pairs = pq.read_table(os.path.join(folder, "pairs.parquet"))
        cut = float(json.loads(_text(folder, "report.json"))["cut"])
        *sources, id_column = [name for name in found.column_names if name != "cluster_id"]
        source = found["source"] if sources else _one_file(found.num_rows)
        clusters = pa.table(
            {"source": source, "record_id": found[id_column], "cluster_final": found["cluster_id"]}
        )
        ends = {f"{id_column}_l": "record_id_l", f"{id_column}_r": "record_id_r"}
        pairs = pairs.rename_columns([ends.get(name, name) for name in pairs.column_names])
        for side in () if sources else ("source_l", "source_r"):
            pairs = pairs.append_column(side, _one_file(pairs.num_rows))
        scored = pairs.select(scored_pairs.SCHEMA.names)
    except (OSError, ValueError, KeyError):
        raise UsageError(f"{folder} cannot be read: run padron link into it again.") from None
    return Result(id_column, clusters, scored, cut, bool(sources))


def _one_file(rows: int) -> pa.Array:
    return pa.array([ONE_FILE] * rows, pa.string())


def key_of(text: str, sources: Collection[str]) -> tuple[str, str]:
    """A record of a linked file as somebody names it: by its id, where several were linked by file:id."""
    source, colon, record_id = text.partition(":")
    if colon and source in sources:
        return source, record_id
    if set(sources) - {ONE_FILE}:
        raise UsageError(
            f"{text!r} names no file: write file:id, the file one of {', '.join(sorted(sources))}."
        )
    return ONE_FILE, text


def truth_of(path: str, made: Result, column: str | None, conf: Linkage, case: str | None = None) -> pa.Table:
    """The truth of a result's records as source, record_id, entity_id, from a CSV or Parquet file.

    Of several files it has their names in a column ``source``. ``column`` names the true entity; without it true_id or
    entity_id. ``case`` names what becomes hard_case. Raises UsageError.
    """
    table = read_any(path, conf)
    entity = column or next((n for n in ("true_id", "entity_id") if n in table.column_names), None)
    if entity is None:
        raise UsageError(f"{path}: say with --truth-column which column is the true person.")
    named = {"record_id": made.id_column, "entity_id": entity, **({"hard_case": case} if case else {})}
    if made.has_sources:
        named["source"] = "source"
    for name in named.values():
        if name not in table.column_names:
            why = ", which says of which file a record is" if made.has_sources and name == "source" else ""
            raise UsageError(f"{path} has no column {name}{why}; there are {', '.join(table.column_names)}.")
    found = pa.table({column: table[name] for column, name in named.items()})
    return found if made.has_sources else found.append_column("source", _one_file(found.num_rows))

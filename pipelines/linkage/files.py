"""``padron link``: the night's linkage over any CSV or Parquet file, without Spark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import UsageError
from pipelines.linkage.columns import FIELDS, JOINED, KNOWN, LISTS, folded, recognised
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import KEY_COLUMNS, check_fits, engine, free_memory
from pipelines.linkage.evaluate import Quality, quality
from pipelines.linkage.link import Linked, link_night
from pipelines.standardise import Hints, standardise_records

SAMPLE = 1_000
"""Rows whose content says what a column is."""
DATE_FORMATS = ("yyyy-MM-dd", "yyyyMMdd", "dd/MM/yyyy", "dd-MM-yyyy", "dd.MM.yyyy", "yyyy/MM/dd")
IGNORE = "ignore"
"""The role of a column that says nothing."""
CHUNK = 50_000
"""Records that are standardised at a time."""


@dataclass(frozen=True)
class LinkedFile:
    """What became of a file's records."""

    fields: dict[str, tuple[str, ...]]
    """Field → the columns that filled it."""
    linked: Linked
    clusters: pa.Table
    """The id column, and cluster_id: the smallest id of the cluster."""
    pairs: pa.Table
    """Scored pairs: the two ids, match_weight, match_probability, same_person_probability, relation …"""
    quality: Quality | None


@dataclass(frozen=True)
class People:
    """A file's records, as received and as linkage takes them."""

    fields: dict[str, tuple[str, ...]]
    """Field → the columns that filled it."""
    received: pa.Table
    keyed: pa.Table
    """Columns of ``read_records``; source is ``file``, record_id the file's id."""


def read_any(path: str, conf: Linkage) -> pa.Table:
    """A CSV (any delimiter) or Parquet file as text columns. Raises UsageError where it cannot be read."""
    if not os.path.exists(path):
        raise UsageError(f"{path} does not exist: name a CSV or Parquet file.")
    reader = "read_parquet($path)"
    if not path.endswith((".parquet", ".pq")):
        reader = "read_csv($path, all_varchar = true, header = true, sample_size = -1)"
    with engine(conf) as connection:
        try:
            found = connection.sql(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {reader}", params={"path": path})
            table = found.to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(
                f"{os.path.basename(path)} cannot be read as CSV or Parquet ({type(error).__name__}): "
                "save it as UTF-8 with one header line."
            ) from None
    return table.rename_columns([name.strip() for name in table.column_names])


def chosen_fields(
    records: pa.Table, given: Mapping[str, str], without: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """``recognised`` of the file's columns but ``without``; ``given`` (column → role) goes first.

    A role is a field with or without ``_raw``, or any name that is known for it. Raises UsageError for
    an unknown column or role, for two columns of one value, and where no column says anything about a person.
    """
    known = KNOWN | {field.removesuffix("_raw"): field for field in FIELDS} | {IGNORE: IGNORE}
    wanted: dict[str, list[str]] = {}
    for name, role in given.items():
        if name not in records.column_names:
            raise UsageError(f"--fields: no column {name}; there are {', '.join(records.column_names)}.")
        if folded(role) not in known:
            roles = ", ".join(sorted({field.removesuffix("_raw") for field in FIELDS}))
            raise UsageError(f"--fields: {role} is no role; the roles are {roles}, {IGNORE}.")
        wanted.setdefault(known[folded(role)], []).append(name)
    for field, names in wanted.items():
        if len(names) > 1 and field not in (*LISTS, *JOINED, IGNORE):
            raise UsageError(
                f"--fields: {field.removesuffix('_raw')} takes one column, not {', '.join(names)}."
            )
    left = [name for name in records.column_names if name not in given and name not in without]
    sample = {
        name: [v for v in records[name].slice(0, SAMPLE).to_pylist() if v and v.strip()] for name in left
    }
    found = {field: names for field, names in recognised(left, sample).items() if field not in wanted}
    fields = found | {field: tuple(names) for field, names in wanted.items() if field != IGNORE}
    if not fields:
        raise UsageError(
            "no column is recognised as a name, birth date, e-mail, phone or address: "
            "say what they are with --fields role=column,…"
        )
    return fields


def received(records: pa.Table, fields: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """The records in the raw columns that standardisation takes."""
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for field, names in fields.items():
        values = [records[name].to_pylist() for name in names]
        if field in LISTS:
            columns[field] = pa.array([list(row) for row in zip(*values, strict=True)], pa.list_(pa.string()))
        elif field in JOINED:
            joined = (
                " ".join(v.strip() for v in row if v and v.strip()) for row in zip(*values, strict=True)
            )
            columns[field] = pa.array([text or None for text in joined], pa.string())
        else:
            columns[field] = records[names[0]]
    return pa.table(columns)


def read_people(
    path: str,
    conf: Linkage,
    id_column: str,
    country: str,
    today: date,
    fields: Mapping[str, str],
    truth_column: str | None = None,
) -> People:
    """The records of a file in standard form. Arguments and errors are those of ``link_file``."""
    records = read_any(path, conf)
    for name in (id_column, *([truth_column] if truth_column else [])):
        if name not in records.column_names:
            raise UsageError(f"no column {name}; there are {', '.join(records.column_names)}.")
    check_fits(records.num_rows, free_memory())
    ids = records[id_column]
    if ids.null_count:
        raise UsageError(f"{ids.null_count} records have no {id_column}.")
    doubled = records.num_rows - len(ids.unique())
    if doubled:
        raise UsageError(
            f"{doubled} records share their {id_column} with another: name a column of unique ids."
        )
    without = (id_column, *([truth_column] if truth_column else []))
    found = chosen_fields(records, fields, without)
    raw = received(records, found)
    hints = _of_their_time(raw, Hints("auto", country, DATE_FORMATS, today))
    parts = [standardise_records(raw.slice(at, CHUNK), hints) for at in range(0, raw.num_rows, CHUNK)]
    standard = pa.concat_tables(parts) if parts else standardise_records(raw, hints)
    keyed = standard.append_column("source", pa.array(["file"] * len(ids), pa.string()))
    keyed = keyed.append_column("record_id", ids)
    wanted = (*KEY_COLUMNS, *dict.fromkeys(conf.fields.values()))
    # A column that conf names and nobody makes is complained of by the engine itself.
    keyed = keyed.select([name for name in wanted if name in keyed.column_names])
    return People(found, records, keyed)


def link_file(
    path: str,
    conf: Linkage,
    *,
    id_column: str,
    country: str,
    today: date,
    fields: Mapping[str, str] | None = None,
    truth_column: str | None = None,
) -> LinkedFile:
    """Link the records of a file by the engine of the night.

    ``country``: ISO code of records that name none. ``fields``: column → role, where the names do not
    say it. Raises UsageError where a column is missing, an id stands twice or is missing.
    """
    people = read_people(path, conf, id_column, country, today, fields or {}, truth_column)
    found, records, ids = people.fields, people.received, people.received[id_column]
    linked = link_night(people.keyed, None, conf, today)
    clusters, pairs = _named(linked, id_column)
    measured = None
    if truth_column:
        true = dict(zip(ids.to_pylist(), records[truth_column].to_pylist(), strict=True))
        made = dict(zip(*[clusters[n].to_pylist() for n in (id_column, "cluster_id")], strict=True))
        known = [i for i in made if true[i] is not None]
        measured = quality([made[i] for i in known], [true[i] for i in known])
    return LinkedFile(found, linked, clusters, pairs, measured)


def _of_their_time(raw: pa.Table, hints: Hints) -> Hints:
    """``hints`` for people of the past too, where most of a sample's birth dates are older than a life."""
    sample = raw.slice(0, SAMPLE)
    timeless = replace(hints, oldest=hints.business_date.year - 1)
    known, at_most = (standardise_records(sample, h)["birth_date"] for h in (hints, timeless))
    are_old = len(at_most) - at_most.null_count > 2 * (len(known) - known.null_count)
    return timeless if are_old else hints


def _named(linked: Linked, id_column: str) -> tuple[pa.Table, pa.Table]:
    """Clusters and pairs by the file's own ids."""
    rows = linked.clusters
    prefix = len("file:")
    clusters = pa.table(
        {
            id_column: rows["record_id"],
            "cluster_id": pa.array(
                [name[prefix:] for name in rows["cluster_final"].to_pylist()], pa.string()
            ),
        }
    )
    pairs = linked.scored_pairs.drop_columns(["source_l", "source_r"])
    names = {"record_id_l": f"{id_column}_l", "record_id_r": f"{id_column}_r"}
    return clusters, pairs.rename_columns([names.get(name, name) for name in pairs.column_names])


def write(made: LinkedFile, folder: str) -> None:
    """``clusters.parquet`` and ``pairs.parquet`` in ``folder``, which is made where it is not there."""
    os.makedirs(folder, exist_ok=True)
    pq.write_table(made.clusters, os.path.join(folder, "clusters.parquet"))
    pq.write_table(made.pairs, os.path.join(folder, "pairs.parquet"))

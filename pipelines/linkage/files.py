"""``padron link``: the night's linkage over any CSV or Parquet file, without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.columns import APART, JOINED, KNOWN, LISTS, SEVERAL, by_content, folded, recognised
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import KEY_COLUMNS, check_fits, engine, free_memory
from pipelines.linkage.evaluation import Basis
from pipelines.linkage.headers import CATEGORY, FIELDS
from pipelines.linkage.link import link_night
from pipelines.linkage.linked_file import ONE_FILE, LinkedFile, measured, named, sources
from pipelines.linkage.tabular import Tabular, opened
from pipelines.queries import Say, silent
from pipelines.standardise import Hints, standardise_records
from pipelines.standardise.arrow import mapped
from pipelines.standardise.placeholders import blank_to_none

SAMPLE = 1_000
"""Rows whose content says what a column is."""
DATE_FORMATS = ("yyyy-MM-dd", "yyyyMMdd", "dd/MM/yyyy", "dd-MM-yyyy", "dd.MM.yyyy", "yyyy/MM/dd")
IGNORE = "ignore"
"""The role of a column that says nothing."""
CHUNK = 50_000
"""Records that are standardised at a time."""


@dataclass(frozen=True)
class People:
    """A file's records, as received and as linkage takes them."""

    fields: dict[str, tuple[str, ...]]
    """Field → the columns that filled it."""
    received: pa.Table
    keyed: pa.Table
    """Columns of ``read_records``; source is ``file``, or the name of each of several; record_id the file's id."""
    conf: Linkage
    """With the file's categories and texts among the fields."""
    by_content: tuple[str, ...] = ()
    """Columns of ``fields`` that were recognised by their values."""
    notes: tuple[str, ...] = ()
    """What was taken for granted about the files."""


def read_any(path: str, conf: Linkage, rows: int | None = None) -> pa.Table:
    """A CSV (any delimiter) or Parquet file as text columns; its first ``rows``, where they are given.

    Raises UsageError where it cannot be read.
    """
    with opened(path) as file:
        return read_tabular(file, conf, rows)


def read_tabular(file: Tabular, conf: Linkage, rows: int | None = None) -> pa.Table:
    """``read_any`` of a file that is open."""
    limit = "" if rows is None else f" LIMIT {rows}"
    source = file.rows(", all_varchar = true, sample_size = -1")
    with engine(conf) as connection:
        try:
            table = connection.sql(
                f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {source}{limit}"
            ).to_arrow_table()
        except duckdb.Error as error:
            raise file.unreadable(error) from None
    file.check(table.column_names)
    return table.rename_columns([name.strip() for name in table.column_names])


def chosen_fields(
    records: pa.Table, given: Mapping[str, str], without: tuple[str, ...], country: str
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
        if len(names) > 1 and field not in (*SEVERAL, IGNORE):
            raise UsageError(
                f"--fields: {field.removesuffix('_raw')} takes one column, not {', '.join(names)}."
            )
    left = [name for name in records.column_names if name not in given and name not in without]
    spread = records.take(np.arange(0, records.num_rows, max(1, records.num_rows // SAMPLE)))
    sample = {name: [v for v in spread[name].to_pylist() if v and v.strip()] for name in left}
    different = {
        name: len(records[name].unique()) / max(1, records.num_rows - records[name].null_count)
        for name in left
    }
    found = {
        field: names
        for field, names in recognised(left, sample, different, country).items()
        # Naming one category or text does not unmake the others; any other role has what was given.
        if field not in wanted or field in APART
    }
    fields = dict(found)
    for field, given_names in wanted.items():
        if field != IGNORE:
            fields[field] = (*(found.get(field, ()) if field in APART else ()), *given_names)
    if not set(fields) - {CATEGORY}:
        raise UsageError(
            "no column is recognised as a name, birth date, e-mail, phone or address: "
            "say what they are with --fields role=column,…"
        )
    return fields


def received(records: pa.Table, fields: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """The records in the raw columns that standardisation takes."""
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for field, names in fields.items():
        if field in APART:
            continue
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
    if not columns:
        columns["full_name_raw"] = pa.nulls(records.num_rows, pa.string())
    return pa.table(columns)


def _apart(records: pa.Table, fields: Mapping[str, tuple[str, ...]]) -> dict[str, pa.Array]:
    """Categories and texts by their role (``category_occupation``), what stands for no value as NULL."""
    found: dict[str, pa.Array] = {}
    for field in APART:
        for name in fields.get(field, ()):
            role = f"{field}_{folded(name) or 'column'}"
            while role in found:
                role += "_2"
            found[role] = mapped(blank_to_none, records[name], kind=pa.string())
    return found


def read_people(
    path: str,
    conf: Linkage,
    id_column: str,
    country: str,
    today: date,
    fields: Mapping[str, str],
    truth_column: str | None = None,
    source: str = ONE_FILE,
) -> People:
    """The records of a file in standard form. Arguments and errors are those of ``link_file``."""
    with opened(path) as file:
        records = read_tabular(file, conf)
    for name in (id_column, *([truth_column] if truth_column else [])):
        if name not in records.column_names:
            raise UsageError(f"{file.name}: no column {name}; there are {', '.join(records.column_names)}.")
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
    found = chosen_fields(records, fields, without, country)
    raw = received(records, found)
    hints = _of_their_time(raw, Hints("auto", country, DATE_FORMATS, today))
    parts = [standardise_records(raw.slice(at, CHUNK), hints) for at in range(0, raw.num_rows, CHUNK)]
    standard = pa.concat_tables(parts) if parts else standardise_records(raw, hints)
    keyed = standard.append_column("source", pa.array([source] * len(ids), pa.string()))
    keyed = keyed.append_column("record_id", ids)
    for role, values in _apart(records, found).items():
        keyed = keyed.append_column(role, values)
        conf = conf.model_copy(update={"fields": {**conf.fields, role: role}})
    wanted = (*KEY_COLUMNS, *dict.fromkeys(conf.fields.values()))
    # A column that conf names and nobody makes is complained of by the engine itself.
    keyed = keyed.select([name for name in wanted if name in keyed.column_names])
    guessed = by_content(name for names in found.values() for name in names if name not in fields)
    return People(found, records, keyed, conf, guessed, file.notes)


def read_all(
    paths: Sequence[str],
    conf: Linkage,
    id_column: str,
    country: str,
    today: date,
    fields: Mapping[str, str],
    truth_column: str | None = None,
) -> People:
    """The records of several files in standard form, each file a source of its name without the ending.

    The files may name their columns differently; ``received`` has those that all of them have.
    """
    names = sources(paths)
    headers = {path: read_any(path, conf, rows=0).column_names for path in paths}
    for column in fields:
        if not any(column in header for header in headers.values()):
            raise UsageError(f"--fields: no column {column} in any of {', '.join(names)}.")
    parts = [
        read_people(
            path,
            conf,
            id_column,
            country,
            today,
            {column: role for column, role in fields.items() if column in headers[path]},
            truth_column,
            source,
        )
        for path, source in zip(paths, names, strict=True)
    ]
    check_fits(sum(part.received.num_rows for part in parts), free_memory())
    shared = [name for name in parts[0].received.column_names if all(name in headers[p] for p in paths)]
    found: dict[str, tuple[str, ...]] = {}
    for field in dict.fromkeys(field for part in parts for field in part.fields):
        columns = [part.fields.get(field, ()) for part in parts]
        if len(set(columns)) == 1:
            found[field] = columns[0]
        else:
            found[field] = tuple(
                f"{source}.{name}" for source, own in zip(names, columns, strict=True) for name in own
            )
    return People(
        found,
        pa.concat_tables([part.received.select(shared) for part in parts]),
        pa.concat_tables([part.keyed for part in parts], promote_options="default"),
        conf.model_copy(
            update={"fields": {role: c for part in parts for role, c in part.conf.fields.items()}}
        ),
        tuple(
            dict.fromkeys(
                called
                for source, part in zip(names, parts, strict=True)
                for name in part.by_content
                for called in (name, f"{source}.{name}")
                if any(called in columns for columns in found.values())
            )
        ),
        tuple(note for part in parts for note in part.notes),
    )


def link_file(
    path: str | Sequence[str],
    conf: Linkage,
    *,
    id_column: str,
    country: str,
    today: date,
    fields: Mapping[str, str] | None = None,
    truth_column: str | None = None,
    say: Say = silent,
) -> LinkedFile:
    """Link the records of a file, or of several, by the engine of the night.

    ``country``: ISO code of records that name none. ``fields``: column → role, where the names do not
    say it. Several files are as many sources: ``conf.duplicate_free`` may name them. Raises UsageError
    where a column is missing, an id stands twice in one file or is missing.
    """
    given = fields or {}
    if isinstance(path, str):
        people = read_people(path, conf, id_column, country, today, given, truth_column)
    else:
        people = read_all(path, conf, id_column, country, today, given, truth_column)
    found, records, ids = people.fields, people.received, people.received[id_column]
    linked = link_night(people.keyed, None, people.conf, today, say=say)
    clusters, pairs = named(linked, id_column, with_source=not isinstance(path, str))
    judged = None
    if truth_column:
        truth = pa.table(
            {"source": people.keyed["source"], "record_id": ids, "entity_id": records[truth_column]}
        )
        basis = Basis(people.keyed, linked.generation, people.conf, linked)
        judged = measured(linked, truth, people.conf, basis)
    used = {id_column, truth_column, *(name for names in found.values() for name in names)}
    unused = tuple(name for name in records.column_names if name not in used)
    return LinkedFile(
        found,
        linked,
        clusters,
        pairs,
        judged,
        people.keyed,
        unused,
        people.conf,
        people.by_content,
        people.notes,
    )


def _of_their_time(raw: pa.Table, hints: Hints) -> Hints:
    """``hints`` for people of the past too, where most of a sample's birth dates are older than a life."""
    sample = raw.slice(0, SAMPLE)
    timeless = replace(hints, oldest=hints.business_date.year - 1)
    known, at_most = (standardise_records(sample, h)["birth_date"] for h in (hints, timeless))
    are_old = len(at_most) - at_most.null_count > 2 * (len(known) - known.null_count)
    return timeless if are_old else hints

"""The contract of a feed against one file, checked before Spark reads a row.

A file that cannot be read, or lacks a column that the feed must have, stops the night; a column
that nobody declared is landed and reported. Names are compared without regard to case.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyarrow import ArrowException

from pipelines.bronze import columnar, delimited, jsonlines
from pipelines.bronze.column_names import told_names
from pipelines.bronze.landing import READERS, LandedFile
from pipelines.bronze.problems import Problem, stop, warn
from pipelines.bronze.secrets import secret_columns
from pipelines.bronze.tables import TECHNICAL, declared_columns, stored_name
from pipelines.bronze.text import check_text, known_codec, open_text
from pipelines.sources import OP

if TYPE_CHECKING:
    from pipelines.sources import Source

HEAD_ROWS = 1_000
"""JSON rows whose keys make the columns; a key seen first in a later row stays in its ``_raw``."""


@dataclass(frozen=True)
class FileHead:
    """What one file brings, by its header alone."""

    file: LandedFile
    columns: tuple[str, ...] = ()
    """Columns of the bronze table that the file fills, in its own order."""
    is_snapshot: bool = False
    """True where the file is the feed's full state: mode snapshot and no ``op``."""
    new_columns: tuple[str, ...] = ()
    """Of ``columns``, those that the feed does not declare."""
    missing_columns: tuple[str, ...] = ()
    """Declared columns that the file lacks."""
    secret_columns: tuple[str, ...] = ()
    """Of ``columns``, those that hold credentials: they are never stored."""
    problems: tuple[Problem, ...] = ()
    is_cut_off: bool = False
    """True where a text file ends in the middle of a row."""


def delimiter_of(file: LandedFile, source: Source) -> str:
    """What separates the fields of a delimited file."""
    return "\t" if file.extension == "tsv" else source.delimiter_of(file.feed)


def inspect_all(found: Sequence[LandedFile], sources: Mapping[str, Source]) -> list[FileHead]:
    """``inspect`` of every file, several at once, in the order given."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda file: inspect(file, sources[file.source]), found))


def inspect(file: LandedFile, source: Source) -> FileHead:
    """What ``file`` brings, and every problem with it.

    Reads text files whole once (gzip, encoding) and parses only their head; of Parquet the footer.
    Codes that stop: empty_file, truncated_gzip, corrupt_gzip, misnamed_gzip, wrong_encoding,
    unreadable_header, unreadable_json, unreadable_parquet, missing_column, unknown_header,
    duplicate_column, reserved_column. Codes that warn: new_column, header_only, secret_column.
    """
    encoding = source.encoding_of(file.feed)
    known_codec(encoding, source.source)
    problem, last = (None, "") if file.format == "parquet" else check_text(file, encoding)
    if problem is not None:
        return FileHead(file, problems=(problem,))
    if file.format == "delimited":
        names, has_rows, problem = _delimited_head(file, encoding, delimiter_of(file, source))
    elif file.format == "jsonl":
        names, has_rows, problem = _json_head(file, encoding)
    else:
        names, has_rows, problem = _parquet_head(file)
    if problem is not None:
        return FileHead(file, problems=(problem,))
    is_cut = False
    if file.format == "delimited":
        is_cut = delimited.is_cut_off(last, delimiter_of(file, source), len(names))
    elif file.format == "jsonl":
        is_cut = jsonlines.is_cut_off(last)
    return replace(_against(file, source, names, has_rows=has_rows), is_cut_off=is_cut)


Head = tuple[list[str], bool, Problem | None]
"""Names as received, whether a row follows, and what makes the file unreadable."""


def _delimited_head(file: LandedFile, encoding: str, delimiter: str) -> Head:
    with open_text(file.uri, encoding, is_gzip=file.is_gzip) as lines:
        found = list(itertools.islice(delimited.records(lines, delimiter), 2))
    if not found:
        return (
            [],
            False,
            stop("empty_file", file.path, "has no header line. Have it delivered again, or remove it."),
        )
    fields = found[0][1]
    if fields is None:
        reason = found[0][3]
        return (
            [],
            False,
            stop("unreadable_header", file.path, f"its header is malformed ({reason}). Have it mended."),
        )
    return fields, len(found) > 1, None


def _json_head(file: LandedFile, encoding: str) -> Head:
    names: dict[str, None] = {}
    seen = good = 0
    with open_text(file.uri, encoding, is_gzip=file.is_gzip) as lines:
        for _, values, text, _ in itertools.islice(jsonlines.rows(lines), HEAD_ROWS):
            if not seen and text.lstrip().startswith("["):
                return (
                    [],
                    False,
                    stop(
                        "unreadable_json",
                        file.path,
                        "is a JSON array; deliver JSON lines, one object a line.",
                    ),
                )
            seen += 1
            good += values is not None
            names.update(dict.fromkeys(values or ()))
    if seen and not good:
        return (
            [],
            False,
            stop(
                "unreadable_json",
                file.path,
                f"none of its first {seen} lines is a JSON object; deliver JSON lines, one object a line.",
            ),
        )
    return list(names), seen > 0, None


def _parquet_head(file: LandedFile) -> Head:
    try:
        return columnar.schema(file.uri).names, columnar.row_count(file.uri) > 0, None
    except (ArrowException, OSError):
        return (
            [],
            False,
            stop(
                "unreadable_parquet",
                file.path,
                "is no whole Parquet file. Have it delivered again, or remove it.",
            ),
        )


def column_names(names: Iterable[str], declared: Mapping[str, str]) -> list[str]:
    """The bronze column of each name as received; ``declared`` is that of ``declared_columns``.

    A declared column has the declared spelling; a column without a name is ``column_<position>``.
    """
    made = []
    for position, name in enumerate(names, 1):
        stored = stored_name(name) or f"column_{position}"
        made.append(declared.get(stored.casefold(), stored))
    return made


def _against(file: LandedFile, source: Source, names: list[str], *, has_rows: bool) -> FileHead:
    spec = source.feeds[file.feed]
    declared = declared_columns(source, file.feed)
    columns = column_names(names, declared)
    if file.format == "jsonl":
        # Rows may spell a key in different ways; two of them in one row are seen when it is read.
        spelling: dict[str, str] = {}
        for name in columns:
            spelling.setdefault(name.casefold(), name)
        columns = list(spelling.values())
    present = {name.casefold() for name in columns}
    secret = secret_columns(columns, source, file.feed)
    new = tuple(n for n in columns if n.casefold() not in declared and n not in secret)
    missing = tuple(n for n in declared.values() if n.casefold() not in present and n != OP)
    may_be_row = file.format == "delimited" and present.isdisjoint(declared)
    problems = []
    if file.format != "jsonl" or has_rows:
        required = [stored_name(n) for n in spec.required]
        if spec.mode == "delta" and OP not in required:
            required.append(OP)
        absent = [n for n in required if n.casefold() not in present]
        if absent:
            hint = _header_hint(names, declared, may_be_row=may_be_row)
            problems.append(
                stop(
                    "missing_column",
                    file.path,
                    f"lacks the required column{'s' if len(absent) > 1 else ''} {', '.join(absent)} of "
                    f"{source.source}/{file.feed}{hint}. Have it delivered with it, or change "
                    f"conf/sources/{source.source}.yml.",
                )
            )
        elif may_be_row:
            problems.append(
                stop(
                    "unknown_header",
                    file.path,
                    f"has no column that {source.source}/{file.feed} declares"
                    f"{_header_hint(names, declared, may_be_row=may_be_row)}. Have it delivered with its "
                    f"header, or change conf/sources/{source.source}.yml.",
                )
            )
    twice = sorted({n for n in columns if [c.casefold() for c in columns].count(n.casefold()) > 1})
    if twice:
        # What may be no header is a row: its fields are values, which no message holds.
        may_tell = file.format != "delimited" or not problems
        told = ", ".join(twice) if may_tell else f"{len({n.casefold() for n in twice})} of its first line"
        problems.append(stop("duplicate_column", file.path, f"has a column twice: {told}. Have it mended."))
    reserved = sorted(n for n in columns if n.casefold() in TECHNICAL)
    if reserved:
        problems.append(
            stop(
                "reserved_column",
                file.path,
                f"has columns whose names padron uses itself: {', '.join(reserved)}. Have them renamed.",
            )
        )
    is_snapshot = spec.mode == "snapshot" and OP not in present
    if not problems and new:
        problems.append(
            warn(
                "new_column",
                file.path,
                f"brings columns that {source.source}/{file.feed} does not declare: {', '.join(told_names(new))}; "
                "they are landed in bronze only.",
            )
        )
    if secret and not any(p.severity == "stop" for p in problems):
        problems.append(
            warn(
                "secret_column",
                file.path,
                f"brings columns whose names say that they hold credentials: {', '.join(secret)}; they are not "
                f"stored. Have it delivered without them, or say `credential: false` in "
                f"conf/sources/{source.source}.yml.",
            )
        )
    if is_snapshot and not has_rows and not problems:
        problems.append(
            warn(
                "header_only",
                file.path,
                "has no rows: as a full snapshot it deletes every record of the feed.",
            )
        )
    return FileHead(file, tuple(columns), is_snapshot, new, missing, secret, tuple(problems))


def _header_hint(names: list[str], declared: Mapping[str, str], *, may_be_row: bool) -> str:
    """What may be wrong with a header that lacks columns: another delimiter, or that it is a row of data."""
    if len(names) == 1:
        for other, called in ((",", "a comma"), (";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")):
            fields = {stored_name(n).casefold() for n in next(csv.reader([names[0]], delimiter=other))}
            if not fields.isdisjoint(declared) and len(fields) > 1:
                return f" (its fields seem to be separated by {called}: declare `delimiter`)"
    return " (its first line may be no header)" if may_be_row else ""

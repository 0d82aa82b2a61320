"""One DuckDB in memory for a piece of linkage work, bounded in memory and gone when it ends."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import duckdb
import pyarrow as pa

from pipelines import files
from pipelines.errors import PadronError, UsageError
from pipelines.linkage.config import DEFAULT_FIELDS, Linkage

KEY_COLUMNS = ("source", "record_id", "party_type")
BYTES_A_RECORD = 8_192
"""Memory that linking takes a record in one process: 192,317 records with 45 candidate pairs each took 6.2 kB."""


class DoesNotFitError(PadronError):
    """The records are more than the free memory of this machine can link in one process."""


def free_memory() -> int | None:
    """Bytes that processes may still take without swapping; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    return kilobytes * 1024


def placement(conf: Linkage, records: int, free: int | None) -> Literal["one", "many"]:
    """Where ``records`` are linked: as conf says, or in one process while the ``free`` bytes hold them.

    Raises DoesNotFitError where conf says one and they do not fit.
    """
    if conf.placement == "many":
        return "many"
    try:
        check_fits(records, free)
    except DoesNotFitError:
        if conf.placement == "one":
            raise
        return "many"
    return "one"


def check_fits(records: int, free: int | None, instead: str = "") -> None:
    """Raises DoesNotFitError where linking ``records`` takes more than the ``free`` bytes.

    ``instead``: what to do but to take a larger machine, where it is not a night in many tasks.
    """
    needed = records * BYTES_A_RECORD
    if free is not None and needed > free:
        raise DoesNotFitError(
            f"linkage: {records:,} records take about {needed / 2**30:.1f} GB in one process, and "
            f"{free / 2**30:.1f} GB are free: run it on a machine with more memory, or "
            f"{instead or 'a night with placement: auto or many in conf/linkage.yml'}."
        )


def quiet_splink() -> None:
    """Keep Splink's progress and warnings out of the night's log; what matters becomes a note."""
    logging.getLogger("splink").setLevel(logging.CRITICAL)


@contextmanager
def engine(conf: Linkage) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that takes at most ``conf.memory_limit``, spills beyond it, and leaves no file behind."""
    with tempfile.TemporaryDirectory(prefix="padron-linkage-") as spill:
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": conf.memory_limit,
            "temp_directory": spill,
        }
        if conf.threads:
            options["threads"] = str(conf.threads)
        connection = duckdb.connect(":memory:", config=options)
        try:
            # Progress bars of Splink's queries would land in the night's log. A notebook that cannot draw
            # one has it off already and refuses to be told.
            if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
                connection.execute("SET enable_progress_bar = false")
            yield connection
        finally:
            connection.close()


def read_records(uris: list[str], conf: Linkage | None = None) -> pa.Table:
    """The columns that linkage needs of ``silver/customer_records``, from its Parquet files.

    ``uris`` are the files of one version of the table; no file gives an empty table. Columns:
    source, record_id, party_type and the matching columns that ``conf.fields`` names. Raises
    UsageError where one of them is not there.
    """
    conf = conf or Linkage()
    columns = list(dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
    if not uris:
        return empty_records(conf)
    with engine(conf) as connection:
        chosen = ", ".join(f'"{name}"' for name in columns)
        stored, files_of = "read_parquet($files, union_by_name = true)", {"files": uris}
        if not all(files.is_local(uri) for uri in uris):
            # DuckDB reaches object stores by an extension that it would fetch from its maker.
            stored, files_of = "stored", {}
            connection.register(stored, files.parquet(uris))
        try:
            return connection.sql(f"SELECT {chosen} FROM {stored}", params=files_of).to_arrow_table()
        except duckdb.BinderException:
            there = connection.sql(f"DESCRIBE SELECT * FROM {stored}", params=files_of).fetchall()
            missing = sorted(set(columns) - {row[0] for row in there})
            raise UsageError(
                f"linkage: the records have no column {', '.join(missing)} (conf/linkage.yml: fields)."
            ) from None


def empty_records(conf: Linkage | None = None) -> pa.Table:
    """No records, with the columns of ``read_records``."""
    conf = conf or Linkage()
    types = {DEFAULT_FIELDS[role]: kind for role, kind in ROLE_TYPES.items()}
    columns = list(dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
    return pa.schema([(name, types.get(name, pa.string())) for name in columns]).empty_table()


_STRINGS = pa.list_(pa.string())
ROLE_TYPES: dict[str, pa.DataType] = {
    "given_name": pa.string(),
    "given_tokens": _STRINGS,
    "given_formal": _STRINGS,
    "given_phonetic": pa.string(),
    "surname": pa.string(),
    "second_surname": pa.string(),
    "surname_phonetic": pa.string(),
    "name_tokens": _STRINGS,
    "company_name": pa.string(),
    "birth_date": pa.date32(),
    "tax_id": pa.string(),
    "tax_id_type": pa.string(),
    "emails": _STRINGS,
    "email_local": pa.string(),
    "email_births": _STRINGS,
    "phones": _STRINGS,
    "postal_code": pa.string(),
    "city": pa.string(),
    "street": pa.string(),
    "loyalty_id": pa.string(),
}
"""The Arrow type of each role's column."""


def role_type(role: str) -> pa.DataType:
    """The Arrow type of a role's column; categories and texts are text."""
    return ROLE_TYPES.get(role, pa.string())

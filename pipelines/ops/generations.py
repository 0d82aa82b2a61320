"""Generations of a warehouse, without Spark: found, trained, compared, kept as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines import files
from pipelines.errors import UsageError
from pipelines.gold.xref import XREF
from pipelines.identity.tables import ASSIGNMENTS
from pipelines.linkage.adoption import check_fields
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.effect import TOUCHED, Effect, effect, effect_in
from pipelines.linkage.engine import check_fits, engine, free_memory, read_records
from pipelines.linkage.exported import about, frequency_tables, splink_settings
from pipelines.linkage.generations import GENERATIONS, Generation, generation_of, lineage, newest
from pipelines.linkage.link import link_night
from pipelines.ops import releases
from pipelines.ops.reading import lay_out_views
from pipelines.ops.sales import VIEW
from pipelines.ops.training_reports import FILE, REPORT, beside, kept
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDERS
from pipelines.silver.renames import RENAMES, decisions_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pyarrow.dataset import Dataset

    from pipelines.linkage.config import Linkage
    from pipelines.ops.at_hand import AtHand
    from pipelines.ops.reading import Connection
    from pipelines.ops.releases import Release
    from pipelines.ops.sales import Basis
    from pipelines.ops.training_reports import TrainingReport
    from pipelines.storage import Warehouse

CURRENT = "current"
"""Stands for the generation in use."""


@dataclass(frozen=True)
class Listed:
    """A generation as the release knows it."""

    generation_id: str
    kind: str
    created_on: str
    records: int | None
    pairs: int | None
    revises: str | None
    in_use: bool


@dataclass(frozen=True)
class Revenue:
    """Money of the customers that a change touches, in one currency (``sales``)."""

    currency: str
    touched: str
    """Exact decimal."""
    total: str
    share: float | None

    def in_words(self) -> str:
        """Such as ``1,200.00 EUR (3.00% of 40,000.00)``."""
        share = "" if self.share is None else f" ({self.share:.2%} of {float(self.total):,.2f})"
        return f"{float(self.touched):,.2f} {self.currency}{share}"


@dataclass(frozen=True)
class Change:
    """What adopting a generation changes for customers."""

    effect: Effect
    revenue: tuple[Revenue, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**self.effect.as_dict(), "revenue": [vars(r) for r in self.revenue]}

    def in_words(self) -> str:
        """One line: customers and records merged, split, rearranged, unchanged, and the revenue of those touched."""
        money = ", ".join(row.in_words() for row in self.revenue) or "no order is known"
        return f"{self.effect.in_words()}; revenue of the customers touched: {money}"


def stored(warehouse: Warehouse, release: Release | None = None) -> pa.Table | None:
    """``linkage/generations`` of the newest release; None where it names none. Raises NoReleaseError."""
    release = release or releases.required(warehouse)
    version = release.tables.get(GENERATIONS.path)
    return None if version is None else warehouse.arrow(GENERATIONS.path, version)


def listed(warehouse: Warehouse) -> list[Listed]:
    """The generations of the newest release, the last that came into use first."""
    rows = stored(warehouse)
    known = lineage(rows)
    found: dict[str, Listed] = {}
    plain = [] if rows is None else rows.drop_columns(["content"]).to_pylist()
    # One that came into use again stands where it did so last.
    plain.sort(key=lambda row: row.get("sequence") or 0)
    for row in plain:
        found[row["generation_id"]] = Listed(
            row["generation_id"],
            row["kind"],
            row["created_on"].isoformat(),
            row["records"],
            row["pairs"],
            row["previous_id"],
            in_use=bool(known) and known[0] == row["generation_id"],
        )
    order = {row["generation_id"]: row.get("sequence") or 0 for row in plain}
    return sorted(found.values(), key=lambda g: (-order[g.generation_id], g.generation_id))


def in_use(warehouse: Warehouse, generation: Generation) -> bool:
    """True where the newest release is linked by ``generation`` or a minor revision of it."""
    return generation.generation_id in lineage(stored(warehouse))


def find(name: str, warehouse: Warehouse) -> Generation:
    """The generation that ``name`` means: a folder or file, ``current``, or the beginning of an id.

    Raises UsageError where there is none, or several.
    """
    if files.exists(name):
        return read(name)
    rows = stored(warehouse)
    if name == CURRENT:
        current = newest(rows)
        if current is None:
            raise UsageError("no generation is in use in this warehouse: train one with `padron train`.")
        return current
    fitting = (
        set() if rows is None else {key for key in rows["generation_id"].to_pylist() if key.startswith(name)}
    )
    if rows is None or len(fitting) != 1:
        told = "several generations begin" if fitting else "no file, folder or generation begins"
        raise UsageError(f"{told} with {name}: `padron generations list` shows which there are.")
    return generation_of(rows, fitting.pop())


def training_report(name: str, warehouse: Warehouse, generation: Generation) -> TrainingReport | None:
    """The training report of the ``generation`` that was found by ``name``; None where none is kept."""
    return beside(name) if files.exists(name) else kept(warehouse, generation, stored(warehouse))


def read(path: str) -> Generation:
    """The generation of a file, or of a folder that holds ``generation.json``. Raises UsageError."""
    inside = files.join(path, FILE)
    try:
        return Generation.from_json(files.read_text(inside if files.exists(inside) else path))
    except (FileNotFoundError, IsADirectoryError, OSError, UnicodeDecodeError):
        raise UsageError(f"{path} holds no generation: name a folder with {FILE}, or such a file.") from None


TRIED_BY_A_NIGHT = (
    "have it tried by a night, which links them in many tasks: `padron run --generation …` stops before it adopts "
    "a generation and says what it changes"
)
"""What to do where the records are too many to show the effect of a generation in one process."""


def current_records(
    warehouse: Warehouse, conf: Linkage, instead: str = TRIED_BY_A_NIGHT
) -> tuple[pa.Table, Release]:
    """The newest release's customer records as linkage reads them.

    Raises NoReleaseError, UsageError, and DoesNotFitError before it reads more than one process can link;
    ``instead``: what to do then.
    """
    release = releases.required(warehouse)
    version = release.tables.get(CUSTOMER_RECORDS.path)
    if version is None:
        raise UsageError(f"release {release.release_id} has no {CUSTOMER_RECORDS.path}: run a night first.")
    check_fits(warehouse.rows(CUSTOMER_RECORDS.path, version), free_memory(), instead)
    return read_records(warehouse.ref(CUSTOMER_RECORDS.path, version).file_uris(), conf), release


def change(warehouse: Warehouse, generation: Generation, conf: Linkage, basis: Basis) -> Change:
    """What linking the released records by ``generation``, with all decisions, makes of the released customers."""
    check_fields(generation, conf)
    records, release = current_records(warehouse, conf)
    if ASSIGNMENTS.path not in release.tables:
        raise UsageError(f"release {release.release_id} has no {ASSIGNMENTS.path}: run a night first.")
    customers = warehouse.dataset(ASSIGNMENTS.path, release.tables[ASSIGNMENTS.path])
    renames = release.tables.get(RENAMES.path)
    decisions = decisions_now(
        warehouse.arrow(DECISIONS.path), None if renames is None else warehouse.arrow(RENAMES.path, renames)
    )
    linked = link_night(records, generation, conf, release.business_date, decisions=decisions)
    standing = {p: warehouse.dataset(p, release.tables[p]) for p in STANDING if p in release.tables}
    return change_by(customers, linked.clusters, standing, conf, basis)


STANDING = (ORDERS.path, XREF.path)
"""Tables that say what revenue the customers had before a change."""
MOST_NAMED = 1_000
"""Customers that a change names; it counts all."""


def change_by(
    customers: Dataset,
    clusters: pa.Table | Dataset,
    standing: Mapping[str, Dataset | None],
    conf: Linkage,
    basis: Basis,
) -> Change:
    """What ``clusters`` of the same records make of ``customers`` (``identity/assignments`` of before).

    ``standing``: the tables of ``STANDING`` by their path, as they stood before. Whatever their size, memory stays
    below ``conf.memory_limit``; ``Effect.touched`` names some customers only.
    """
    with engine(conf) as connection:
        found = effect_in(connection, customers, clusters, "customer_id", "cluster_final", MOST_NAMED)
        lay_out_views(connection, standing)
        basis.lay_out(connection, [path for path, table in standing.items() if table is not None])
        return Change(found, revenue_of(connection, TOUCHED))


def change_between(warehouse: Warehouse, a: Generation, b: Generation, conf: Linkage) -> Change:
    """What linking the released records by ``b`` makes of the clusters that ``a`` gives."""
    records, release = current_records(warehouse, conf)
    return Change(_effect_between(records, a, b, conf, release.business_date), ())


def _effect_between(
    records: pa.Table, a: Generation, b: Generation, conf: Linkage, business_date: date
) -> Effect:
    for generation in (a, b):
        check_fields(generation, conf)
    before, after = (link_night(records, g, conf, business_date).clusters for g in (a, b))
    return effect(before, after, "cluster_final", "cluster_final", conf)


def compare(data: AtHand, a: Generation, b: Generation) -> Change:
    """What linking the records of ``data`` by ``b`` changes from ``a``.

    Of a warehouse where ``a`` is in use: what ``b`` makes of the released customers, with the revenue
    of those touched. Raises UsageError where a generation does not fit the fields.
    """
    if data.warehouse is not None and in_use(data.warehouse, a):
        return change(data.warehouse, b, data.conf, data.basis)
    return Change(_effect_between(data.records, a, b, data.conf, data.business_date), ())


def revenue_of(connection: Connection, touched: str) -> tuple[Revenue, ...]:
    """Revenue of the customers of table ``touched`` (customer), by currency; none where no order is known.

    The ``connection`` has the view of ``sales``.
    """
    rows = connection.sql(
        f"""SELECT currency, coalesce(sum(net) FILTER (t.customer IS NOT NULL), 0) AS touched, sum(net) AS total
        FROM {VIEW} s LEFT JOIN {touched} t ON t.customer = s.customer_id GROUP BY currency ORDER BY currency"""
    ).to_arrow_table()
    return tuple(
        Revenue(
            str(row["currency"]),
            str(row["touched"]),
            str(row["total"]),
            float(row["touched"]) / float(row["total"]) if row["total"] else None,
        )
        for row in rows.to_pylist()
    )


def keep(folder: str, generation: Generation, report: str) -> str:
    """Write a trained generation and its report to ``<folder>/<id>``; that folder."""
    place = files.join(folder, generation.generation_id)
    files.write_text(files.join(place, FILE), generation.to_json())
    files.write_text(files.join(place, REPORT), report)
    return place


def export(folder: str, generation: Generation, report: TrainingReport | None = None) -> list[str]:
    """Write a generation whole, its models as Splink's files, and the ``report`` of its training; the names of the files.

    Raises UsageError where the folder holds another generation.
    """
    if files.exists(files.join(folder, FILE)):
        there = read(folder)
        if there.digest != generation.digest:
            raise UsageError(f"{folder} holds generation {there.generation_id}: name another folder.")
    written = {FILE: generation.to_json(), "README.md": about(generation)}
    for name, model in sorted(generation.models.items()):
        written[f"splink_{name}.json"] = (
            json.dumps(splink_settings(model), indent=2, ensure_ascii=False) + "\n"
        )
        for column, text in frequency_tables(model).items():
            written[f"frequencies_{name}_{column}.csv"] = text
    if report is not None and report.tells_of is not None:
        written[REPORT] = files.read_text(report.path)
    for name, text in written.items():
        files.write_text(files.join(folder, name), text)
    return list(written)

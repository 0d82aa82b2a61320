"""The linkage of the newest release, read without Spark: to judge it, and to explain one pair of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import PadronError, UsageError
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.engine import DoesNotFitError, check_fits, free_memory, read_records
from pipelines.linkage.evaluation import Basis, Evaluation, evaluation
from pipelines.linkage.explain import explain_pair
from pipelines.linkage.explanation import Explanation
from pipelines.linkage.generations import GENERATIONS, Generation, newest
from pipelines.linkage.nearby import Key, nearby
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.ops.reading import Reader
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.linkage.config import Linkage

_PAIRS = ", ".join(SCORED_PAIRS.names)


@dataclass(frozen=True)
class ReleasedLinkage:
    """The tables of linkage at the versions of one release."""

    release_id: str
    records: pa.Table
    """Columns of ``read_records``."""
    scored: pa.Table
    clusters: pa.Table
    generation: Generation


def _generation(reader: Reader) -> Generation:
    """The generation in use. Raises UsageError where the release has no linkage or no generation yet."""
    for table in (CUSTOMER_RECORDS, SCORED_PAIRS, CLUSTERS, GENERATIONS):
        if not reader.has(table.path):
            raise UsageError(
                f"Release {reader.release.release_id} has no {table.path}: nothing was linked in it yet."
            )
    versions, house = reader.release.tables, reader.warehouse
    generation = newest(house.arrow(GENERATIONS.path, versions[GENERATIONS.path]))
    if generation is None:
        raise UsageError(
            f"Release {reader.release.release_id} has no generation of linkage: run `padron run` or `padron train`."
        )
    return generation


def released_linkage(reader: Reader, conf: Linkage) -> ReleasedLinkage:
    """Read the release. Raises UsageError where it has no linkage or no generation yet."""
    generation = _generation(reader)
    versions, house = reader.release.tables, reader.warehouse
    uris = house.ref(CUSTOMER_RECORDS.path, versions[CUSTOMER_RECORDS.path]).file_uris()
    return ReleasedLinkage(
        reader.release.release_id,
        read_records(uris, conf),
        reader.arrow(f"SELECT {_PAIRS} FROM linkage.scored_pairs"),
        reader.arrow("SELECT * FROM linkage.clusters ORDER BY source, record_id"),
        generation,
    )


def explain_released(warehouse: str, conf: Linkage, left: Key, right: Key) -> Explanation:
    """Explain a pair of the newest release; only what that depends on is read into memory.

    Raises UsageError, NoReleaseError, DoesNotFitError.
    """
    reader = Reader(Warehouse(warehouse), only=())
    generation = _generation(reader)
    records, scored, clusters = (
        reader.warehouse.dataset(table.path, reader.release.tables[table.path])
        for table in (CUSTOMER_RECORDS, SCORED_PAIRS, CLUSTERS)
    )
    found = nearby(records, scored, clusters, generation, conf, left, right)
    return explain_pair(*found, generation, conf, left, right)


def evaluate_released(warehouse: str, conf: Linkage, truth: pa.Table) -> Evaluation:
    """Judge the newest release's customers against ``truth`` (source, record_id, entity_id).

    The records are linked once more by the generation in use, for the curve and the reasons; where
    memory does not allow it both are less exact, which the notes say. Raises UsageError, PadronError.
    """
    reader = Reader(Warehouse(warehouse))
    found = released_linkage(reader, conf)
    customers = reader.arrow(
        """SELECT source, record_id, customer_id, party_type, cluster_model, cluster_rules, cluster_final
        FROM identity.assignments LEFT JOIN linkage.clusters USING (source, record_id)"""
    )
    basis: Basis | None = Basis(found.records, found.generation, conf)
    notes: tuple[str, ...] = ()
    try:
        check_fits(found.records.num_rows, free_memory())
    except DoesNotFitError as error:
        basis, notes = None, (f"The records were not linked once more. {error}",)
    judged = evaluation(
        customers,
        truth,
        found.scored,
        found.generation.cut,
        made="customer_id",
        least=conf.review_probability,
        basis=basis,
        notes=notes,
    )
    if not judged.quality.records:
        raise PadronError("The truth knows none of the released records: is it of this landing?")
    return judged

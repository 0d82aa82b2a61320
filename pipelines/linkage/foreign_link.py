"""`padron link --settings`: a file linked by Splink settings or a trained model of the user's own.

Nothing here standardises, so that nothing of that is loaded: on small files loading is most of the time.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import check_fits, engine, free_memory
from pipelines.linkage.foreign import read_foreign
from pipelines.linkage.foreign_people import TRUTH, load_foreign
from pipelines.linkage.foreign_training import foreign_model
from pipelines.linkage.link import link_foreign
from pipelines.linkage.linked_file import LinkedFile, measured, named
from pipelines.queries import Say, silent


def link_by_settings(
    path: str,
    conf: Linkage,
    *,
    settings: str,
    id_column: str,
    today: date,
    truth_column: str | None = None,
    say: Say = silent,
) -> LinkedFile:
    """Link the records of a file by Splink settings or a trained model of the user's own (a JSON file).

    The columns are those that the settings name, as the file holds them. Raises UsageError where the
    settings cannot be used on this file, or an id stands twice or is missing.
    """
    foreign = read_foreign(settings)
    with engine(conf) as connection:
        nodes = load_foreign(connection, path, foreign, id_column, truth_column)
        check_fits(len(nodes), free_memory())
        model = foreign_model(connection, foreign, len(nodes), conf)
        linked = link_foreign(connection, nodes, model, conf, today, say)
        true = connection.sql(f"SELECT {TRUTH} FROM people ORDER BY node").to_arrow_table()[TRUTH]
    clusters, pairs = named(linked, id_column)
    judged = None
    if truth_column:
        truth = linked.clusters.select(["source", "record_id"]).append_column("entity_id", true)
        # The rules of the settings are not the engine's: what they bring cannot be asked pair by pair.
        judged = measured(linked, truth, conf, None)
    none = pa.table(
        {"source": [], "record_id": []}, schema=linked.clusters.select(["source", "record_id"]).schema
    )
    return LinkedFile(foreign.columns, linked, clusters, pairs, judged, none, (), conf)

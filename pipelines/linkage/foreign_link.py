"""`padron link --settings`: a file linked by Splink settings or a trained model of the user's own.

Nothing here standardises, so that nothing of that is loaded: on small files loading is most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date

import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import check_fits, engine, free_memory
from pipelines.linkage.foreign import read_foreign
from pipelines.linkage.foreign_people import TRUTH, load_foreign
from pipelines.linkage.foreign_training import all_pairs, foreign_model
from pipelines.linkage.link import link_foreign
from pipelines.linkage.linked_file import ONE_FILE, LinkedFile, measured, named, sources
from pipelines.linkage.tabular import opened
from pipelines.queries import Say, silent


def link_by_settings(
    paths: Sequence[str],
    conf: Linkage,
    *,
    settings: str,
    id_column: str,
    today: date,
    truth_column: str | None = None,
    with_relations: bool = False,
    say: Say = silent,
) -> LinkedFile:
    """Link the records of a file by Splink settings or a trained model of the user's own (a JSON file).

    The columns are those that the settings name, as the file holds them. Several files are as many
    sources, of which ``conf.duplicate_free`` may name some: all, and no file holds a party twice.
    ``with_relations``: classes of relation without names decide beside Splink's weight. Raises
    UsageError where the settings cannot be used on the files, or an id stands twice or is missing.
    """
    names = sources(paths) if len(paths) > 1 else [ONE_FILE]
    conf = conf.model_copy(update={"duplicate_free": tuple(n for n in conf.duplicate_free if n in names)})
    foreign = read_foreign(settings, is_link_only=set(conf.duplicate_free) == set(names) and len(names) > 1)
    with ExitStack() as stack:
        files = {name: stack.enter_context(opened(path)) for name, path in zip(names, paths, strict=True)}
        connection = stack.enter_context(engine(conf))
        nodes = load_foreign(connection, files, foreign, id_column, truth_column)
        check_fits(len(nodes), free_memory())
        model = foreign_model(connection, foreign, len(nodes), conf, with_levels=with_relations)
        every_pair = all_pairs(connection, is_link_only=foreign.is_link_only) if with_relations else None
        linked = link_foreign(connection, nodes, model, conf, today, say, every_pair=every_pair)
        true = connection.sql(f"SELECT {TRUTH} FROM people ORDER BY node").to_arrow_table()[TRUTH]
    clusters, pairs = named(linked, id_column, with_source=len(names) > 1)
    judged = None
    if truth_column:
        truth = linked.clusters.select(["source", "record_id"]).append_column("entity_id", true)
        # The rules of the settings are not the engine's: what they bring cannot be asked pair by pair.
        judged = measured(linked, truth, conf, None)
    none = pa.table(
        {"source": [], "record_id": []}, schema=linked.clusters.select(["source", "record_id"]).schema
    )
    notes = tuple(note for file in files.values() for note in file.notes)
    return LinkedFile(foreign.columns, linked, clusters, pairs, judged, none, (), conf, notes=notes)

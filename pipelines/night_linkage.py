"""The linkage stage of a night: fetches its frames or files, and links them in one process or in many tasks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipelines.linkage.blocks import BLOCKS, block_rows
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.cut_components import CUT_COMPONENTS
from pipelines.linkage.decisions import DECISION_STATES, DECISIONS
from pipelines.linkage.engine import free_memory, placement, read_records
from pipelines.linkage.generations import GENERATIONS, came_into_use, newest
from pipelines.linkage.generic_values import GENERIC_VALUES
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.linked_many import LinkedFrames
from pipelines.linkage.links import LINKS
from pipelines.linkage.many import link_many
from pipelines.linkage.over_large_keys import OVER_LARGE_KEYS
from pipelines.linkage.recall import Remembered
from pipelines.linkage.recall_many import RememberedFrames
from pipelines.linkage.review_queue import REVIEW_QUEUE
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.touched_records import TOUCHED_RECORDS, touched_frame, touched_records
from pipelines.linkage.training_run import TrainingRun
from pipelines.ops.training_page import training_page
from pipelines.ops.training_reports import kept_at
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.renames import RENAMES, decisions_now
from pipelines.spark import give_back_memory
from pipelines.stages import Content, Inputs

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

WORTH_COLLECTING = 50_000
"""Records; fewer take less memory in one process than collecting Java's garbage gives back."""


def link(inputs: Inputs) -> Content:
    """Tonight's tables of linkage."""
    conf = inputs.settings.linkage
    adopted, known = inputs.night.generation, inputs.previous_arrow(GENERATIONS)
    generation, today = adopted or newest(known), inputs.night.business_date
    decisions = decisions_now(inputs.arrow(DECISIONS), inputs.arrow(RENAMES))
    # Only the first night of a warehouse trains.
    run = TrainingRun() if generation is None else None
    linked: Linked | LinkedFrames
    touched: DataFrame | pa.Table
    count = inputs.rows(CUSTOMER_RECORDS)
    if conf.placement != "many" and count >= WORTH_COLLECTING:
        give_back_memory(inputs.spark)
    if placement(conf, count, free_memory()) == "many":
        linked = link_many(
            inputs.frame(CUSTOMER_RECORDS),
            generation,
            conf,
            today,
            inputs.say,
            _last_frames(inputs),
            decisions,
            run,
        )
        touched = touched_frame(linked.clusters, linked.changed, inputs.previous(CLUSTERS))
    else:
        records, last = inputs.ref(CUSTOMER_RECORDS), _last(inputs)
        uris = records.file_uris() if records else []
        found = read_records(uris, conf)
        linked = link_night(found, generation, conf, today, run, inputs.say, last=last, decisions=decisions)
        before = inputs.previous_arrow(CLUSTERS) if last is None else last.clusters
        touched = touched_records(linked.clusters, linked.is_changed, before, conf)
    content: dict[str, DataFrame | pa.Table] = {
        SCORED_PAIRS.path: linked.scored_pairs,
        LINKS.path: linked.links,
        CLUSTERS.path: linked.clusters,
        TOUCHED_RECORDS.path: touched,
        BLOCKS.path: block_rows(linked.figures),
        CUT_COMPONENTS.path: linked.cut_components,
        GENERIC_VALUES.path: linked.generic_values,
        OVER_LARGE_KEYS.path: linked.over_large_keys,
        REVIEW_QUEUE.path: linked.review_queue,
        DECISION_STATES.path: linked.decision_states,
    }
    new = came_into_use(linked.generation, adopted, known)
    if new is not None:
        content[GENERATIONS.path] = new
    if run is not None:
        page = partial(training_page, linked, run, f"run {inputs.night.run_id}")
        inputs.pages[kept_at(linked.generation.generation_id)] = page
    return content


REMEMBERED = (CLUSTERS, LINKS, SCORED_PAIRS)
"""What linkage needs of an earlier night, to score only what changed since."""


def _remembers(inputs: Inputs) -> bool:
    """True where the prior state has all of it, and the night is not told to forget it."""
    return not inputs.night.is_full and all(inputs.previous_fits(table) for table in REMEMBERED)


def _last(inputs: Inputs) -> Remembered | None:
    if not _remembers(inputs):
        return None
    clusters, links, pairs = (inputs.previous_arrow(table) for table in REMEMBERED)
    return Remembered(clusters, links, pairs)


def _last_frames(inputs: Inputs) -> RememberedFrames | None:
    if not _remembers(inputs):
        return None
    return RememberedFrames(*(inputs.previous(table) for table in REMEMBERED))

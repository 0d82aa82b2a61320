"""A clustering judged in full: overall, by sources, party types, hard cases and size, over the cut, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage import curve as curves
from pipelines.linkage.breakdown import (
    CaseQuality,
    PairQuality,
    RecordQuality,
    SizeCount,
    by_case,
    by_group,
    by_group_pair,
    judged_records,
    size_counts,
)
from pipelines.linkage.brought import rules_of_pairs
from pipelines.linkage.config import Linkage
from pipelines.linkage.curve import CUTS, CurvePoint, curve, inside_of_pairs
from pipelines.linkage.evaluate import Ints, Quality, quality
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Inside, Linked, link_night
from pipelines.linkage.mistakes import MOST_LISTED, Mistakes, false_pairs, missed_pairs, unscored_missed_pairs


@dataclass(frozen=True)
class Basis:
    """What a clustering came from; with it the curve and the reasons are exact."""

    records: pa.Table
    """Columns of ``read_records``."""
    generation: Generation
    conf: Linkage
    linked: Linked | None = None
    """What linking the records by the generation gave, where it is at hand."""

    def relinked(self) -> Linked:
        """``linked``, or the records linked by the generation once more: the same again."""
        if self.linked is not None:
            return self.linked
        return link_night(self.records, self.generation, self.conf, self.generation.created_on)


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluation`` found."""

    quality: Quality
    sizes: tuple[SizeCount, ...]
    by_source_pair: tuple[PairQuality, ...]
    by_source: tuple[RecordQuality, ...]
    by_party_pair: tuple[PairQuality, ...]
    by_party_type: tuple[RecordQuality, ...]
    by_case: tuple[CaseQuality, ...]
    """Among the pairs that touch people who are hard to tell apart, where the truth says who is."""
    cut: float
    curve: tuple[CurvePoint, ...]
    curve_is: str
    """What a point of the curve is."""
    missed: Mistakes | None
    """None where they are too many to list."""
    false: Mistakes | None
    notes: tuple[str, ...]

    @property
    def best(self) -> CurvePoint | None:
        """The point of the curve with the highest pairwise F1."""
        return curves.best(self.curve)

    @property
    def expected_precision(self) -> float | None:
        """What the model expects at the cut in use, over all records; None where that is not known."""
        return next((p.expected for p in self.curve if p.cut == self.cut), None)

    def as_dict(self) -> dict[str, Any]:
        """Figures as plain values: those of ``Quality`` on top, no keys of records."""
        best = self.best
        return {
            **self.quality.as_dict(),
            "cut": self.cut,
            "expected_precision": self.expected_precision,
            "cluster_sizes": [asdict(s) for s in self.sizes],
            "by_source_pair": [asdict(p) for p in self.by_source_pair],
            "by_source": [asdict(g) for g in self.by_source],
            "by_party_type_pair": [asdict(p) for p in self.by_party_pair],
            "by_party_type": [asdict(g) for g in self.by_party_type],
            "by_case": [asdict(c) for c in self.by_case],
            "curve": [{"cut": p.cut, "expected": p.expected, **p.quality.as_dict()} for p in self.curve],
            "curve_is": self.curve_is,
            "best": None if best is None else {"cut": best.cut, **best.quality.as_dict()},
            "missed": None if self.missed is None else self.missed.by_reason(),
            "false": None if self.false is None else self.false.by_reason(),
            "notes": list(self.notes),
        }


def evaluation(
    clusters: pa.Table,
    truth: pa.Table,
    scored: pa.Table,
    cut: float,
    *,
    made: str = "cluster_final",
    least: float = 0.1,
    basis: Basis | None = None,
    duplicate_free: Sequence[str] = (),
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """Judge the column ``made`` of ``clusters`` (source, record_id; party_type and the layers of
    ``linkage/clusters`` where known) against ``truth`` (source, record_id, entity_id; hard_case
    where it says what makes a person hard to tell from another).

    ``scored`` has the columns of ``linkage/scored_pairs``, kept from probability ``least`` up. Without a
    ``basis`` the curve is approximate (``curve.APPROXIMATE``) and pairs that were not kept have no closer reason.
    ``duplicate_free``: sources of which no two records are compared; with a ``basis`` those of its configuration.
    ``notes`` go before its own.
    Raises UsageError where a column is missing or a record stands twice.
    """
    judged = judged_records(clusters, truth, made=made)
    overall = quality(_labels(judged, "made"), _labels(judged, "entity"))
    said = list(notes)
    linked = basis.relinked() if basis is not None else None
    keys = (linked.clusters if linked is not None else clusters).select(["source", "record_id"])
    keys = keys.sort_by([("source", "ascending"), ("record_id", "ascending")])
    inside = linked.all_inside() if linked is not None else inside_of_pairs(keys, scored, least)
    cuts = [c for c in CUTS if c >= least]
    free = duplicate_free if basis is None else basis.conf.duplicate_free
    missed, false = _mistakes(judged, scored, cut, overall, basis, keys, inside, least, free, said)
    return Evaluation(
        quality=overall,
        sizes=size_counts(judged),
        by_source_pair=by_group_pair(judged, "source"),
        by_source=by_group(judged, "source"),
        by_party_pair=by_group_pair(judged, "party_type"),
        by_party_type=by_group(judged, "party_type"),
        by_case=by_case(judged),
        cut=cut,
        curve=curve(inside, _entity_of_nodes(keys, judged), [*cuts, cut]),
        curve_is=curves.EXACT if linked is not None else curves.APPROXIMATE,
        missed=missed,
        false=false,
        notes=tuple(said),
    )


def _labels(judged: pa.Table, column: str) -> Any:
    return judged[column].to_numpy(zero_copy_only=False)


def _entity_of_nodes(keys: pa.Table, judged: pa.Table) -> Ints:
    """The entity of each key as a number; -1 where the truth does not know it. Keys keep their order."""
    numbered = keys.append_column("node", pa.array(np.arange(keys.num_rows)))
    entity = judged["entity"].combine_chunks().dictionary_encode().indices
    known = judged.select(["source", "record_id"]).append_column("entity", entity.cast(pa.int64()))
    joined = numbered.join(known, keys=["source", "record_id"]).sort_by("node")
    found: Ints = joined["entity"].fill_null(-1).to_numpy().astype(np.int64)
    return found


def _mistakes(
    judged: pa.Table,
    scored: pa.Table,
    cut: float,
    overall: Quality,
    basis: Basis | None,
    keys: pa.Table,
    inside: Inside,
    least: float,
    duplicate_free: Sequence[str],
    notes: list[str],
) -> tuple[Mistakes | None, Mistakes | None]:
    missed = false = None
    if overall.true_pairs - overall.right_pairs > MOST_LISTED:
        notes.append("too many true pairs are missed to list them: does the truth name people?")
    else:
        brought, homes = None, None
        if basis is not None:
            asked = unscored_missed_pairs(judged, scored)
            brought = rules_of_pairs(basis.records, basis.generation, basis.conf, asked)
            homes = keys.append_column("component", pa.array(inside.label))
        missed = missed_pairs(judged, scored, cut, brought, homes, least, duplicate_free)
    if overall.made_pairs - overall.right_pairs > MOST_LISTED:
        notes.append("too many false pairs were made to list them")
    else:
        false = false_pairs(judged, scored, cut)
    return missed, false

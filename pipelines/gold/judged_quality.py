"""Precision and recall of tonight's clusters by the pairs that stewards judged, as rows of ``gold/measures``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from pipelines.linkage.judgements import SAID, JudgedQuality, Standing, digest_of, newest_sample, quality_now
from pipelines.silver.renames import names_now

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.linkage.judgements import Row

_RECORD = ("source", "record_id")


def judged_quality(
    judgements: pa.Table, renames: pa.Table | None, records: DataFrame, clusters: DataFrame
) -> JudgedQuality | None:
    """What ``linkage/judgements`` say of ``clusters``; None where the newest sample says nothing of them.

    ``records``: silver/customer_records. Only the sample's records are fetched.
    """
    sample = _named_now(newest_sample(judgements.to_pylist()), renames)
    if not sample:
        return None
    names = {(row[f"source_{side}"], row[f"record_id_{side}"]) for row in sample for side in ("l", "r")}
    asked = F.broadcast(records.sparkSession.createDataFrame(sorted(names), list(_RECORD)))
    found = (
        records.select(*_RECORD, *SAID)
        .join(asked, on=list(_RECORD), how="semi")
        .join(clusters.select(*_RECORD, "cluster_final"), on=list(_RECORD), how="inner")
    )
    standing = {
        (row["source"], row["record_id"]): Standing(row["cluster_final"], digest_of(row))
        for row in found.toArrow().to_pylist()
    }
    return quality_now(sample, standing)


def measured_rows(found: JudgedQuality, business_date: date) -> list[dict[str, object]]:
    """The rows of ``gold/measures``: precision_estimate and recall_estimate with their interval, and what is left out.

    Of a recall that is not known there are none.
    """

    def row(measure: str, part: str, value: float, of: int) -> dict[str, object]:
        return {
            "business_date": business_date,
            "measure": measure,
            "part": part,
            "value": value,
            "numerator": value * of,
            "denominator": float(of),
        }

    def rows() -> Iterator[dict[str, object]]:
        quality = found.estimate
        for measure, share in (
            ("precision_estimate", quality.precision),
            ("recall_estimate", quality.recall),
        ):
            if share.value is None:
                continue
            for part, value in (("all", share.value), ("low", share.low), ("high", share.high)):
                yield row(measure, part, value, quality.labelled)
        yield row("precision_estimate", "left_out", found.left_out / found.pairs, found.pairs)

    return list(rows())


def _named_now(sample: list[Row], renames: pa.Table | None) -> list[Row]:
    """The sample with its records as they are called now."""
    if not renames:
        return sample
    named: list[Row] = []
    for row in sample:
        now: dict[str, str] = {}
        for side in ("l", "r"):
            name = f"{row[f'source_{side}']}:{row[f'record_id_{side}']}"
            source, _, record_id = names_now([(name, row["judged_at"].date())], renames)[0].partition(":")
            now |= {f"source_{side}": source, f"record_id_{side}": record_id}
        named.append({**row, **now})
    return named

"""Pairs that stewards judged, and what they say of the clusters of a later night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.linkage.judgements import SAID, Standing, digest_of, newest_sample, quality_now

T = datetime(2026, 7, 1, tzinfo=UTC)


def pair(left: str, right: str, answer: str, pairs: int = 4, **said: Any) -> dict[str, Any]:
    """A judged pair of crm records, inside a cluster when it was drawn, of a stratum of ``pairs``."""
    ends = {"source_l": "crm", "record_id_l": left, "source_r": "crm", "record_id_r": right}
    drawn = {"stratum": "s", "band": "b", "stratum_pairs": pairs, "is_inside": True, "release_id": "r1"}
    return {**ends, **drawn, "answer": answer, "digest_l": left, "digest_r": right, "judged_at": T, **said}


def standing(**clusters: str) -> dict[tuple[str, str], Standing]:
    """Records with their clusters, each as it was judged."""
    return {("crm", record): Standing(cluster, record) for record, cluster in clusters.items()}


PAIRS = [
    pair("A", "B", "match"),
    pair("C", "D", "match"),
    pair("E", "F", "match"),
    pair("G", "H", "no_match"),
]
TOGETHER = standing(A="1", B="1", C="2", D="2", E="3", F="3", G="4", H="4")


def test_the_whole_stratum_judged_is_the_truth() -> None:
    found = quality_now(PAIRS, TOGETHER)
    assert found is not None
    assert found.estimate.precision.value == pytest.approx(3 / 4)
    assert (found.estimate.labelled, found.left_out, found.pairs) == (4, 0, 4)


def test_a_split_since_takes_its_pair_out_of_the_clusters_and_into_what_is_missed() -> None:
    wrong_split = quality_now(PAIRS, TOGETHER | standing(B="5"))
    right_split = quality_now(PAIRS, TOGETHER | standing(H="5"))
    assert wrong_split is not None
    assert right_split is not None
    assert wrong_split.estimate.precision.value == pytest.approx(2 / 3)
    assert wrong_split.estimate.recall.value == pytest.approx(2 / 3)
    assert right_split.estimate.precision.value == pytest.approx(1)
    assert right_split.estimate.recall.value == pytest.approx(1)


def test_strata_weigh_by_their_pairs() -> None:
    rare = pair("X", "Y", "no_match", pairs=1, stratum="rare", band="c")
    common = [pair("A", "B", "match", pairs=99), pair("C", "D", "match", pairs=99)]
    found = quality_now([rare, *common], TOGETHER | standing(X="6", Y="6"))
    assert found is not None
    assert found.estimate.precision.value == pytest.approx(0.99)
    assert found.estimate.pairs == 100


def test_pairs_whose_records_changed_or_went_are_left_out_and_counted() -> None:
    changed = TOGETHER | {("crm", "H"): Standing("4", "says something else")}
    del changed["crm", "A"]
    found = quality_now(PAIRS, changed)
    assert found is not None
    assert (found.left_out, found.pairs, found.estimate.labelled) == (2, 4, 2)
    assert found.estimate.precision.value == pytest.approx(1)
    assert quality_now(PAIRS, {}) is None


def test_the_newest_sample_counts_with_its_last_answers() -> None:
    later = T + timedelta(hours=1)
    old = pair("A", "B", "no_match", release_id="r0", judged_at=T - timedelta(days=1))
    first, again = pair("A", "B", "unsure"), pair("A", "B", "match", judged_at=later)
    found = {row["record_id_l"]: row["answer"] for row in newest_sample([again, old, first, PAIRS[3]])}
    assert found == {"A": "match", "G": "no_match"}
    assert newest_sample([]) == []


def test_a_digest_is_of_what_the_steward_saw() -> None:
    record: dict[str, Any] = dict.fromkeys((*SAID, "source"), None)
    assert digest_of(record) == digest_of({**record, "source": "crm"})
    assert digest_of(record) != digest_of({**record, "emails": ["a@x.com"]})

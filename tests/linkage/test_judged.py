"""Precision and recall from a few judged pairs, against what a person can work out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from linkage_people import CONF, record, table

from pipelines.errors import UsageError
from pipelines.linkage.cut import Joins
from pipelines.linkage.judged import answered, judged_curve, pairs_to_judge
from pipelines.linkage.labels import read_labels
from pipelines.linkage.link import Inside, Linked, link_night

RECORDS = table([record("crm", str(n)) for n in range(8)])


@pytest.fixture(scope="module")
def linked() -> Linked:
    """Eight records in four components of two: probabilities .97, .96, .55 and .05."""
    made = link_night(RECORDS, None, CONF, date(2026, 7, 1))
    no = np.zeros(4, bool)
    joins = Joins(
        np.array([0, 2, 4, 6]),
        np.array([1, 3, 5, 7]),
        np.array([0.97, 0.96, 0.55, 0.05]),
        np.ones(4),
        no,
        no,
    )
    return replace(made, inside=Inside(np.repeat(np.arange(0, 8, 2), 2), joins, no))


def labels(*answers: tuple[int, str]) -> pa.Table:
    """(record, is_match) of it and the next record."""
    rows = [
        {
            "source_l": "crm",
            "record_id_l": str(n),
            "source_r": "crm",
            "record_id_r": str(n + 1),
            "is_match": a,
        }
        for n, a in answers
    ]
    return read_labels(pa.Table.from_pylist(rows), CONF)


def test_a_label_stands_for_its_layer(linked: Linked) -> None:
    # One of the two pairs above .95 was judged and stands for both; all other layers have one pair.
    points = judged_curve(linked, labels((0, "1"), (4, "0"), (6, "1")), cuts=[0.01, 0.5, 0.9])
    assert [(p.cut, p.precision, p.recall) for p in points] == [
        (0.01, 3 / 4, 1),
        (0.5, 2 / 3, pytest.approx(2 / 3)),
        (0.9, 1, pytest.approx(2 / 3)),
    ]
    assert points[0].f1 == pytest.approx(6 / 7)
    # Nothing is put together, so nothing is wrong.
    (none,) = judged_curve(linked, labels((0, "1")), cuts=[0.999])
    assert (none.precision, none.recall) == (1, 0)


def test_pairs_to_judge_come_from_every_layer(linked: Linked) -> None:
    assert pairs_to_judge(linked, each=20).num_rows == 4
    drawn = pairs_to_judge(linked, each=1)
    assert sorted(drawn["record_id_l"].to_pylist())[1:] == ["4", "6"]
    assert drawn.equals(pairs_to_judge(linked, each=1))


def test_the_truth_answers_like_a_judge(linked: Linked) -> None:
    truth = pa.table(
        {"source": ["crm"] * 4, "record_id": ["0", "1", "2", "3"], "entity_id": ["a", "a", "b", "c"]}
    )
    rows = answered(pairs_to_judge(linked), truth).to_pylist()
    assert [(r["record_id_l"], r["is_match"]) for r in rows] == [("0", "1"), ("2", "0")]


def test_labels_of_other_pairs_are_refused(linked: Linked) -> None:
    with pytest.raises(UsageError, match="no labelled pair lies inside a component"):
        judged_curve(linked, labels((1, "1")))

"""What the levels that a pair reached say of its relation, by the definition: log(share) and log(likelihood) added up."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from pipelines.linkage.relation import likelihoods_of, posterior_of

NAME = {"same": (0.1, 0.9), "other": (0.8, 0.2)}
PHONE = {"same": (0.2, 0.3, 0.5), "other": (0.90, 0.08, 0.02)}
SHARES = {"same": 0.25, "other": 0.75}


def found(*pairs: tuple[int, int]) -> np.ndarray:
    tables = [[np.array(NAME[kind]), np.array(PHONE[kind])] for kind in SHARES]
    return likelihoods_of(np.array(pairs, np.int64), tables, np.array(list(SHARES.values())))


def test_every_comparison_adds_what_its_level_says() -> None:
    assert found((1, 2)).tolist() == [
        [pytest.approx(log(0.25 * 0.9 * 0.5)), pytest.approx(log(0.75 * 0.2 * 0.02))]
    ]


def test_an_unknown_comparison_says_nothing() -> None:
    nothing, of_name, of_phone = found((-1, -1), (0, -1), (-1, 0)).tolist()
    assert nothing == [log(0.25), log(0.75)]
    assert of_name == pytest.approx([log(0.25 * 0.1), log(0.75 * 0.8)])
    assert of_phone == pytest.approx([log(0.25 * 0.2), log(0.75 * 0.90)])


def test_probabilities_of_a_pair_add_up() -> None:
    by_class, together = posterior_of(found((1, 2), (0, 0)))
    assert by_class.sum(axis=1) == pytest.approx([1, 1])
    assert np.exp(together) == pytest.approx(
        [0.25 * 0.9 * 0.5 + 0.75 * 0.2 * 0.02, 0.25 * 0.1 * 0.2 + 0.75 * 0.8 * 0.90]
    )

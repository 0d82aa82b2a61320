"""SQL of another engine is translated where that is exact."""

from __future__ import annotations

import pytest

from pipelines.linkage.dialects import NotExactError, columns_of, translated


@pytest.mark.parametrize(
    ("sql", "own"),
    [
        ("`a_l` = `a_r`", '"a_l" = "a_r"'),
        ("`a b_l` IS NULL OR `a b_r` IS NULL", '"a b_l" IS NULL OR "a b_r" IS NULL'),
        ("l.`a` = r.`a` AND NOT (l.`b` > 3)", 'l."a" = r."a" AND NOT (l."b" > 3)'),
        ("ELSE", "ELSE"),
    ],
)
def test_what_only_compares_is_translated(sql: str, own: str) -> None:
    assert translated(sql, "spark") == own


@pytest.mark.parametrize(
    "sql", ["levenshtein(`a_l`, `a_r`) <= 1", "soundex(`a_l`) = soundex(`a_r`)", "`a_l` LIKE `a_r`"]
)
def test_what_engines_do_differently_is_not(sql: str) -> None:
    with pytest.raises(NotExactError):
        translated(sql, "spark")


def test_columns_of_a_condition() -> None:
    assert columns_of('l."first name" = r."first name" AND jaro_winkler_similarity(l.b, r.c) > 0.9') == {
        "first name",
        "b",
        "c",
    }
    assert columns_of("len(list_filter(a_l, x -> x <> 'b')) > 0") == {"a_l"}

"""What stands for "no value" in any field, and numbers typed to get past a form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.placeholders import blank_to_none, is_filler


@pytest.mark.parametrize(
    "written",
    [
        None, "", "   ", "\u00a0", "\u200b", "-", "--", ".", "...", "?", "¿?", "/", "*", "0", "000", "x", "XXX",
        "N/A", "#N/A", "n.a.", "NA", "NaN", "null", "NULL", "(null)", "None", "nil", "S/N", "s/d",
        "sin dato", "Sin Datos", "SIN INFORMACIÓN", "no tiene", "No aplica", "no disponible", "ninguno",
        "desconocido", "Desconocida", "se desconoce", "pendiente", "por definir", "unknown", "Not available", "TBD",
    ],
)  # fmt: skip
def test_a_blank_is_no_value(written: str | None) -> None:
    assert blank_to_none(written) is None


@pytest.mark.parametrize(
    "written",
    ["Ana", "Nadia", "Noé", "Nil Ruiz", "X Æ", "Xx3", "0000", "00501", "S/N 3", "Nona", "Sin", "王"],
)
def test_a_value_is_no_blank(written: str) -> None:
    assert blank_to_none(written) == written


def test_blanks_around_a_value_and_invisible_signs_are_dropped() -> None:
    assert blank_to_none(" \u00a0A\u200bna  Ruiz\ufeff\n") == "Ana  Ruiz"


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("5555555", True),
        ("1234567", True),
        ("7654321", True),
        ("4567890", True),
        ("3210987", True),
        ("5555556", False),
        ("1234568", False),
        ("1357913", False),
        ("", False),
    ],
)
def test_a_filler_repeats_one_digit_or_counts(digits: str, expected: bool) -> None:
    assert is_filler(digits) is expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_a_value_without_blanks_stays_as_it_is(text: str) -> None:
    value = blank_to_none(text)
    assert blank_to_none(value) == value

"""Birth dates as sources write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UsageError
from pipelines.standardise.dates import standard_birth_date

TODAY = date(2026, 7, 1)

READ = [
    # as written                 formats                       born
    ("1980-02-03",               ["yyyy-MM-dd"],               date(1980, 2, 3)),
    ("1980-02-03",               ["dd/MM/yyyy"],               date(1980, 2, 3)),  # ISO 8601 is always read
    (" 1980-02-03 ",             ["yyyy-MM-dd"],               date(1980, 2, 3)),
    ("1980-02-03T00:00:00",      ["yyyy-MM-dd"],               date(1980, 2, 3)),
    ("1980-02-03 00:00:00.000",  ["yyyy-MM-dd"],               date(1980, 2, 3)),
    ("1980-02-03T23:30:00Z",     ["yyyy-MM-dd"],               date(1980, 2, 3)),
    ("1980-02-03T10:00:00",      ["yyyy-MM-dd'T'HH:mm:ss"],    date(1980, 2, 3)),
    ("03/02/1980 10:30 p.m.",    ["dd/MM/yyyy hh:mm a"],       date(1980, 2, 3)),
    ("03/02/1980",               ["dd/MM/yyyy"],               date(1980, 2, 3)),
    ("3/2/1980",                 ["dd/MM/yyyy"],               date(1980, 2, 3)),
    ("3/2/1980",                 ["d/M/yyyy"],                 date(1980, 2, 3)),
    ("3-2-1980",                 ["dd/MM/yyyy"],               date(1980, 2, 3)),
    ("03.02.1980",               ["dd.MM.yyyy"],               date(1980, 2, 3)),
    ("19800203",                 ["yyyyMMdd"],                 date(1980, 2, 3)),
    ("02/03/1980",               ["MM/dd/yyyy"],               date(1980, 2, 3)),
    ("02/03/1980",               ["dd/MM/yyyy", "MM/dd/yyyy"], date(1980, 3, 2)),  # the first that fits
    ("02/25/1980",               ["dd/MM/yyyy", "MM/dd/yyyy"], date(1980, 2, 25)),
    ("03-02-80",                 ["dd-MM-yy"],                 date(1980, 2, 3)),
    ("01-07-26",                 ["dd-MM-yy"],                 date(2026, 7, 1)),  # today
    ("02-07-26",                 ["dd-MM-yy"],                 date(1926, 7, 2)),  # has not come yet
    ("11/11/11",                 ["dd/MM/yy"],                 date(2011, 11, 11)),
    ("29/02/2000",               ["dd/MM/yyyy"],               date(2000, 2, 29)),
    ("01/01/2000",               ["dd/MM/yyyy"],               date(2000, 1, 1)),  # a day on which people are born
    ("01/07/1906",               ["dd/MM/yyyy"],               date(1906, 7, 1)),  # 120 years old
]  # fmt: skip

NOT_READ = [
    # as written              formats          why
    ("31/02/1980",            ["dd/MM/yyyy"],  "impossible"),
    ("29/02/2001",            ["dd/MM/yyyy"],  "impossible"),
    ("02/25/1980",            ["dd/MM/yyyy"],  "impossible"),
    ("0202-02-03",            ["yyyy-MM-dd"],  "impossible"),
    ("2026-07-02",            ["yyyy-MM-dd"],  "impossible"),  # tomorrow
    ("1906-06-30",            ["yyyy-MM-dd"],  "impossible"),  # older than 120 years
    ("03/02/1980",            ["yyyy-MM-dd"],  "unreadable"),
    ("1980",                  ["yyyy-MM-dd"],  "unreadable"),
    ("1980-02-03 aprox",      ["yyyy-MM-dd"],  "unreadable"),
    ("3 de febrero",          ["dd/MM/yyyy"],  "unreadable"),
    ("1980203",               ["yyyyMMdd"],    "unreadable"),
    ("1900-01-01",            ["yyyy-MM-dd"],  "placeholder"),
    ("01/01/1900",            ["dd/MM/yyyy"],  "placeholder"),
    ("1900-01-01T00:00:00",   ["yyyy-MM-dd"],  "placeholder"),
    ("01/01/1901",            ["dd/MM/yyyy"],  "placeholder"),
    ("1970-01-01",            ["yyyy-MM-dd"],  "placeholder"),
    ("1753-01-01",            ["yyyy-MM-dd"],  "placeholder"),
    ("1899-12-30",            ["yyyy-MM-dd"],  "placeholder"),
    ("0001-01-01",            ["yyyy-MM-dd"],  "placeholder"),
    ("9999-12-31",            ["yyyy-MM-dd"],  "placeholder"),
    ("1111-11-11",            ["yyyy-MM-dd"],  "placeholder"),
    ("0000-00-00",            ["yyyy-MM-dd"],  "placeholder"),
    ("0000-00-00 00:00:00",   ["yyyy-MM-dd"],  "placeholder"),
    ("00/00/0000",            ["dd/MM/yyyy"],  "placeholder"),
    ("99/99/9999",            ["dd/MM/yyyy"],  "placeholder"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "formats", "born"), READ)
def test_a_date_is_read_by_the_first_format_that_gives_a_possible_day(
    written: str, formats: list[str], born: date
) -> None:
    assert standard_birth_date(written, tuple(formats), TODAY) == (born, born, ())


@pytest.mark.parametrize(("written", "formats", "why"), NOT_READ)
def test_a_date_that_nobody_was_born_on_is_left_out_with_a_reason(
    written: str, formats: list[str], why: str
) -> None:
    assert standard_birth_date(written, tuple(formats), TODAY) == (None, None, (f"birth_date:{why}",))


@pytest.mark.parametrize("written", [None, "", "N/A", "s/n", "-", "0", "?", "sin dato", "desconocido"])
def test_blanks_are_dropped_without_a_reason(written: str | None) -> None:
    assert standard_birth_date(written, ("yyyy-MM-dd",), TODAY) == (None, None, ())


@pytest.mark.parametrize(
    "pattern", ["dd MMM yyyy", "yyyy", "dd/dd/yyyy", "HH:mm dd/MM/yyyy", "E, dd/MM/yyyy", ""]
)
def test_a_pattern_that_is_no_date_in_numbers_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="birth_date_formats"):
        standard_birth_date("1980-02-03", (pattern,), TODAY)


FORMATS = st.lists(
    st.sampled_from(["yyyy-MM-dd", "dd/MM/yyyy", "dd-MM-yy", "d/M/yyyy", "yyyyMMdd", "dd.MM.yyyy"]),
    max_size=3,
)
DATES = st.one_of(st.text(max_size=20), st.text(alphabet="0123456789/-.T: ", max_size=12))


@settings(max_examples=300, deadline=None)
@given(DATES, FORMATS)
def test_any_text_gives_a_possible_day_or_none(raw: str, formats: list[str]) -> None:
    made = standard_birth_date(raw, tuple(formats), TODAY)
    assert made.birth_date == made.usable
    assert made.birth_date is None or (made.reasons == () and date(1906, 7, 1) <= made.birth_date <= TODAY)


@settings(max_examples=200, deadline=None)
@given(st.dates(date(1906, 7, 1), TODAY), FORMATS)
def test_a_standard_date_stays_as_it_is(born: date, formats: list[str]) -> None:
    made = standard_birth_date(born.isoformat(), tuple(formats), TODAY)
    assert made.birth_date == born or made.reasons == ("birth_date:placeholder",)


@settings(max_examples=200, deadline=None)
@given(st.dates(date(1906, 7, 1), TODAY))
def test_every_format_says_the_same_day(born: date) -> None:
    written = {
        "dd/MM/yyyy": f"{born:%d/%m/}{born.year:04}",
        "yyyyMMdd": f"{born:%Y%m%d}",
        "d.M.yyyy": f"{born.day}.{born.month}.{born.year}",
    }
    read = {standard_birth_date(text, (pattern,), TODAY).birth_date for pattern, text in written.items()}
    assert read <= {born, None}
    assert len(read) == 1

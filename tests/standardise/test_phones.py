"""Phones as people write them, and the numbers that they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.phones import standard_phones

WRITTEN = [
    # as written                    country  in E.164
    ("5530934119",                  "MX",    "+525530934119"),
    ("(55) 3093-4119",              "MX",    "+525530934119"),
    ("(66) 4290-9051",              "MX",    "+526642909051"),
    ("222-526-32-11",               "MX",    "+522225263211"),
    ("222/526/32/11",               "MX",    "+522225263211"),
    ("222.526.3211",                "MX",    "+522225263211"),
    ("+52 2225263211",              "MX",    "+522225263211"),
    ("+52 (222) 526 3211",          "MX",    "+522225263211"),
    ("(+52) 222 526 3211",          "MX",    "+522225263211"),
    ("0052 222 526 3211",           "MX",    "+522225263211"),
    ("522225263211",                "MX",    "+522225263211"),
    ("52 1 2225263211",             "MX",    "+522225263211"),
    ("+5212225263211",              "MX",    "+522225263211"),
    ("+52 044 222 526 3211",        "MX",    "+522225263211"),
    ("0442225263211",               "MX",    "+522225263211"),
    ("045 222 526 3211",            "MX",    "+522225263211"),
    ("01 222 526 3211",             "MX",    "+522225263211"),
    ("2225263211 ext 12",           "MX",    "+522225263211"),
    ("2225263211 Ext. 301",         "MX",    "+522225263211"),
    ("2225263211, extensión 301",   "MX",    "+522225263211"),
    ("2225263211x12",               "MX",    "+522225263211"),
    ("2225263211 #12",              "MX",    "+522225263211"),
    ("2225263211 int. 5",           "MX",    "+522225263211"),
    ("Tel: 2225263211 (casa)",      "MX",    "+522225263211"),
    ("2225263211.0",                "MX",    "+522225263211"),
    ("２２２５２６３２１１",          "MX",    "+522225263211"),
    ("666239500",                   "ES",    "+34666239500"),
    ("666 239 500",                 "ES",    "+34666239500"),
    ("666-23-95-00",                "ES",    "+34666239500"),
    ("91 429 87 65",                "ES",    "+34914298765"),
    ("34666239500",                 "ES",    "+34666239500"),
    ("0034 666239500",              "ES",    "+34666239500"),
    ("+34 666 239 500",             "MX",    "+34666239500"),
    ("0034 666239500",              "MX",    "+34666239500"),
    ("34666239500",                 "MX",    "+34666239500"),
    ("52 1 2225263211",             "ES",    "+522225263211"),
    ("0442225263211",               "ES",    "+522225263211"),
    ("300 123 4568",                "CO",    "+573001234568"),
    ("+57 300 123 4568",            "MX",    "+573001234568"),
    ("011 44 20 7946 0958",         "US",    "+442079460958"),
    ("020 7946 0958",               "gb",    "+442079460958"),
]  # fmt: skip

NO_PHONES = [
    # as written            country
    ("55 30 93",            "MX"),  # too short
    ("25530934119",         "MX"),  # a digit too many
    ("12225263211",         "MX"),  # may be +52 1 … or +1 222 …
    ("+52 222526321",       "MX"),  # a digit lost
    ("+34 345 239 500",     "ES"),  # no Spanish number begins with 3
    ("2225263211",          "XX"),  # a country that there is not
    ("2.225263E+09",        "MX"),  # what a spreadsheet left of it
    ("ana5530934119@x.com", "MX"),
    ("llamar por la tarde", "MX"),
]  # fmt: skip

PLACEHOLDERS = [
    # as written        country  in E.164, where such a number exists
    ("1111111111",      "MX",    ()),
    ("0000000000",      "MX",    ()),
    ("1234567890",      "MX",    ()),
    ("1212121212",      "MX",    ()),
    ("+52 1111111111",  "MX",    ()),
    ("5555555555",      "MX",    ("+525555555555",)),
    ("044 9999999999",  "MX",    ("+529999999999",)),
    ("55 1234 5678",    "MX",    ("+525512345678",)),
    ("5587654321",      "MX",    ("+525587654321",)),
    ("999999999",       "ES",    ()),
    ("123456789",       "ES",    ()),
    ("600000000",       "ES",    ("+34600000000",)),
    ("666666666",       "ES",    ("+34666666666",)),
    ("612345678",       "ES",    ("+34612345678",)),
    ("5555555555",      "ES",    ()),
]  # fmt: skip

SEVERAL = [
    # one field                                     the numbers in it
    ("55 3093 4119 / 222 526 3211",                 ("+525530934119", "+522225263211")),
    ("222 526 3211; 55 3093 4119",                  ("+522225263211", "+525530934119")),
    ("2225263211 y 5530934119",                     ("+522225263211", "+525530934119")),
    ("2225263211 5530934119",                       ("+522225263211", "+525530934119")),
    ("2225263211+525530934119",                     ("+522225263211", "+525530934119")),
    ("2225263211 ext. 4, 5530934119 ext. 5",        ("+522225263211", "+525530934119")),
    ("5530934119/18",                               ("+525530934119",)),
]  # fmt: skip


@pytest.mark.parametrize(("written", "country", "phone"), WRITTEN)
def test_a_phone_is_written_in_many_ways(written: str, country: str, phone: str) -> None:
    assert standard_phones((written,), country) == ((phone,), (phone,), ())


@pytest.mark.parametrize(("written", "country"), NO_PHONES)
def test_what_is_no_valid_number_is_left_out_with_a_reason(written: str, country: str) -> None:
    assert standard_phones((written,), country) == ((), (), ("phone:invalid",))


@pytest.mark.parametrize(("written", "country", "phones"), PLACEHOLDERS)
def test_numbers_typed_to_get_past_a_form_are_no_evidence(
    written: str, country: str, phones: tuple[str, ...]
) -> None:
    assert standard_phones((written,), country) == (phones, (), ("phone:placeholder",))


@pytest.mark.parametrize(("written", "phones"), SEVERAL)
def test_a_field_may_hold_several_numbers(written: str, phones: tuple[str, ...]) -> None:
    assert standard_phones((written,), "MX").phones == phones


@pytest.mark.parametrize("written", [None, "", "  ", "N/A", "s/n", "-", "0", "no tiene", "sin teléfono"])
def test_blanks_are_dropped_without_a_reason(written: str | None) -> None:
    assert standard_phones((written,), "MX") == ((), (), ())


@pytest.mark.parametrize(
    ("written", "country", "evidence"),
    [("666239500", "MX", "+34666239500"), ("2225263211", "ES", "+522225263211")],
)
def test_a_number_of_the_other_country_that_does_not_say_so_is_evidence_and_not_published(
    written: str, country: str, evidence: str
) -> None:
    assert standard_phones((written,), country) == ((), (evidence,), ())


def test_phones_keep_the_sources_order_once_each_and_evidence_is_sorted() -> None:
    fields = ("664 290 9051", "0442225263211", None, "5555555555", "+52 664 290 9051", "no sé")
    assert standard_phones(fields, "MX") == (
        ("+526642909051", "+522225263211", "+525555555555"),
        ("+522225263211", "+526642909051"),
        ("phone:invalid", "phone:placeholder"),
    )


NUMBERS = st.text(alphabet="0123456789+-() ./#x", max_size=30)
COUNTRIES = st.sampled_from(["MX", "ES", "CO", "AR", "US", "", "ñ"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), NUMBERS, st.text(max_size=30)), max_size=3), COUNTRIES)
def test_any_text_gives_valid_phones_that_stay_as_they_are(raw: list[str | None], country: str) -> None:
    made = standard_phones(tuple(raw), country)
    assert all(re.fullmatch(r"\+[1-9][0-9]{6,14}", phone) for phone in made.phones + made.usable)
    assert list(made.usable) == sorted(set(made.usable))
    assert standard_phones(made.phones, country).phones == made.phones
    assert standard_phones(made.usable, country).usable == made.usable


@settings(max_examples=100, deadline=None)
@given(
    st.integers(10**9, 10**10 - 1), st.sampled_from(["{}", "+52{}", "52 1 {}", "044{}", "01 {}", "({}) x9"])
)
def test_a_mexican_number_is_the_same_in_every_writing(number: int, writing: str) -> None:
    assert standard_phones((writing.format(number),), "MX") == standard_phones((f"+52{number}",), "MX")

"""How people and clerks write things down: typos, nicknames, capitals, phone styles, made-up values, gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate.names import Names
from pipelines.simulate.people import People
from pipelines.simulate.text import (
    Bools,
    Ints,
    chosen,
    codes,
    constant,
    dates,
    joined,
    numbers,
    pick,
    plain,
    replaced,
    take,
    text,
    where,
)

FAKE_PHONES = (
    ["1111111111", "5555555555", "0000000000", "9999999999", "5512345678"],
    ["600000000", "999999999", "666666666", "000000000", "123456789"],
)
FAKE_EMAILS = [
    "x@x.com",
    "na@na.com",
    "noemail@noemail.com",
    "sincorreo@sincorreo.com",
    "cliente@mostrador.com",
]
FAKE_BIRTHS = (-25_567, 0, 13_878)  # 1900-01-01, 1970-01-01, 2007-12-31
FAKE_BIRTH_SHARES = (70, 20, 10)
SLIPS = [
    ("v", "b"), ("b", "v"), ("z", "s"), ("s", "z"), ("c", "s"), ("ll", "y"), ("y", "ll"), ("g", "j"), ("h", ""), ("rr", "r"),
]  # fmt: skip


@dataclass(frozen=True)
class Hand:
    """How a source's names are written: shares of records."""

    nickname: float = 0.0
    short_given: float = 0.02
    first_only: float = 0.2
    no_given: float = 0.0
    short_surname: float = 0.015
    no_second: float = 0.2
    initial_second: float = 0.0
    no_surname: float = 0.0
    typo: float = 0.03
    no_accents: float = 0.25


def names_written(
    rng: np.random.Generator, names: Names, people: People, rows: Ints, hand: Hand
) -> tuple[pa.StringArray, pa.StringArray, pa.StringArray]:
    """Given name, surname and second surname (NULL where left out) of the people at ``rows``."""
    size = len(rows)
    given, surname, second = people.given[rows], people.surname[rows], people.second[rows]
    chance = rng.random(size)
    nick = (chance < hand.nickname) & (names.nicknames.count[given] > 0)
    short = (chance > 1 - hand.short_given) & (names.short_given.count[given] > 0)
    first = ~nick & ~short & (rng.random(size) < hand.first_only)
    given_text = chosen(
        np.select([nick, short, first], [1, 2, 3], 0),
        [
            lambda r: take(names.given, given[r]),
            lambda r: names.nicknames.draw(rng, given[r]),
            lambda r: names.short_given.draw(rng, given[r]),
            lambda r: take(names.given_first, given[r]),
        ],
    )
    cut = (rng.random(size) < hand.short_surname) & (names.short_surname.count[surname] > 0)
    surname_text = chosen(
        cut.astype(np.int64),
        [lambda r: take(names.surname, surname[r]), lambda r: names.short_surname.draw(rng, surname[r])],
    )
    chance = rng.random(size)
    second_text = take(names.surname, second)
    initial = joined(pc.utf8_slice_codeunits(second_text, 0, 1), ".")
    second_text = where(
        (chance >= hand.no_second) & (chance < hand.no_second + hand.initial_second), initial, second_text
    )
    second_text = where(chance < hand.no_second, None, second_text)
    alone = rng.random(size) < hand.no_surname
    surname_text = where(alone, None, surname_text)
    second_text = where(alone, None, second_text)
    bare = rng.random(size) < hand.no_accents
    return tuple(
        typos(rng, where(bare, plain(column), column), hand.typo)
        for column in (given_text, surname_text, second_text)
    )


def cased(rng: np.random.Generator, column: pa.StringArray, lower: float, upper: float) -> pa.StringArray:
    """Some values all in small letters, some all in capitals."""
    chance = rng.random(len(column))
    low = where(chance < lower, pc.utf8_lower(column), column)
    return where(chance > 1 - upper, pc.utf8_upper(column), low)


def untidy(rng: np.random.Generator, column: pa.StringArray, share: float = 0.01) -> pa.StringArray:
    """Some values with stray or double blanks, a few read in the wrong encoding (``TomÃ¡s``)."""
    style = np.where(rng.random(len(column)) < share, rng.integers(1, 4, len(column)), 0)

    def misread(rows: Ints) -> pa.StringArray:
        value = take(column, rows)
        for letter in "áéíóúñÁÉÍÓÚÑ":
            value = pc.replace_substring(value, letter, letter.encode().decode("cp1252", "replace"))
        return value

    return chosen(
        style,
        [
            lambda r: take(column, r),
            lambda r: pc.if_else(pc.is_valid(take(column, r)), joined(" ", take(column, r), " "), None),
            lambda r: pc.replace_substring(take(column, r), " ", "  "),
            misread,
        ],
    )


def typos(rng: np.random.Generator, column: pa.StringArray, share: float) -> pa.StringArray:
    """Some values with one slip: letters swapped, lost, doubled or replaced, or written as they sound."""
    hit = np.flatnonzero(rng.random(len(column)) < share)
    if hit.size == 0:
        return column
    value = take(column, hit)
    length = pc.fill_null(pc.utf8_length(value), 0).to_numpy(zero_copy_only=False)
    kind = codes(rng, (25, 20, 15, 15, 25), len(hit))
    at = np.minimum(1 + (rng.random(len(hit)) * np.maximum(length - 2, 1)).astype(np.int64), 14)
    kind = np.where(length < 4, 5, kind)
    slip = rng.integers(0, len(SLIPS), len(hit))
    return replaced(
        column,
        hit,
        chosen(
            np.where(kind == 4, 100 + slip, np.where(kind == 5, 0, 1 + kind * 15 + at)),
            _slippery(value, rng),
        ),
    )


def _slippery(value: pa.StringArray, rng: np.random.Generator) -> list:  # type: ignore[type-arg]
    """Makers by code: 0 as it is, 1 + kind × 15 + place, 100 + a spelling that sounds alike."""

    def cut(rows: Ints, start: int, stop: int | None = None) -> pa.StringArray:
        return pc.utf8_slice_codeunits(take(value, rows), start, stop)

    def maker(kind: int, p: int):  # type: ignore[no-untyped-def]
        if kind == 0:
            return lambda r: joined(cut(r, 0, p), cut(r, p + 1, p + 2), cut(r, p, p + 1), cut(r, p + 2))
        if kind == 1:
            return lambda r: joined(cut(r, 0, p), cut(r, p + 1))
        if kind == 2:
            return lambda r: joined(cut(r, 0, p + 1), cut(r, p))
        return lambda r: joined(cut(r, 0, p), pick(rng, list("aeioulnrst"), len(r)), cut(r, p + 1))

    makers = [lambda r: take(value, r)]
    makers += [maker(kind, p) for kind in range(4) for p in range(15)]
    makers += [lambda r: take(value, r)] * (100 - len(makers))
    makers += [
        lambda r, a=a, b=b: pc.replace_substring(take(value, r), a, b, max_replacements=1)  # type: ignore[misc]
        for a, b in SLIPS
    ]
    return makers


def phones(
    rng: np.random.Generator,
    national: Ints,
    country: Ints,
    *,
    missing: float,
    fake: float,
    mask: Bools | None = None,
) -> pa.StringArray:
    """National numbers in the writings of each country; 0 or a missing one is NULL, some are made up."""
    size = len(national)
    chance = rng.random(size)
    gap = (chance < missing) | (national == 0)
    if mask is not None:
        gap |= mask
    mexican = 1 + codes(rng, (26, 14, 14, 12, 10, 7, 5, 6, 6), size)
    spanish = 10 + codes(rng, (34, 24, 12, 8, 18, 4), size)
    style = np.where(country == 1, spanish, mexican)
    style = np.where(chance > 1 - fake, 16 + country, style)
    written = numbers(national)

    def cut(rows: Ints, start: int, stop: int | None = None) -> pa.StringArray:
        return pc.utf8_slice_codeunits(take(written, rows), start, stop)

    return chosen(
        np.where(gap, 0, style),
        [
            lambda r: constant(None, len(r)),
            lambda r: take(written, r),
            lambda r: joined("+52", take(written, r)),
            lambda r: joined("+52 ", take(written, r)),
            lambda r: joined("52 1 ", take(written, r)),
            lambda r: joined("+521", take(written, r)),
            lambda r: joined("044", take(written, r)),
            lambda r: joined("(", cut(r, 0, 2), ") ", cut(r, 2, 6), "-", cut(r, 6)),
            lambda r: joined(cut(r, 0, 3), "-", cut(r, 3, 6), "-", cut(r, 6)),
            lambda r: joined(cut(r, 0, 2), " ", cut(r, 2, 6), " ", cut(r, 6)),
            lambda r: take(written, r),
            lambda r: joined("+34", take(written, r)),
            lambda r: joined("0034 ", take(written, r)),
            lambda r: joined(cut(r, 0, 3), "-", cut(r, 3, 5), "-", cut(r, 5, 7), "-", cut(r, 7)),
            lambda r: joined(cut(r, 0, 3), " ", cut(r, 3, 6), " ", cut(r, 6)),
            lambda r: joined("34", take(written, r)),
            lambda r: pick(rng, FAKE_PHONES[0], len(r)),
            lambda r: pick(rng, FAKE_PHONES[1], len(r)),
        ],
    )


def mails(rng: np.random.Generator, column: pa.StringArray, *, missing: float, fake: float) -> pa.StringArray:
    """E-mail addresses as typed: capitals, ``.con``, ``+tag``, gaps, made-up ones."""
    chance = rng.random(len(column))
    style = codes(rng, (920, 35, 10, 8, 7, 20), len(column))
    style = np.where(chance > 1 - fake, 6, style)
    style = np.where(chance < missing, 7, style)
    return chosen(
        style,
        [
            lambda r: take(column, r),
            lambda r: pc.utf8_upper(take(column, r)),
            lambda r: pc.replace_substring_regex(take(column, r), r"\.com$", ".con"),
            lambda r: pc.replace_substring(take(column, r), "hotmail", "hotmial"),
            lambda r: pc.replace_substring_regex(take(column, r), "@gmail", "+tienda@gmail"),
            lambda r: typos(rng, take(column, r), 1.0),
            lambda r: pick(rng, FAKE_EMAILS, len(r)),
            lambda r: constant(None, len(r)),
        ],
    )


def births(
    rng: np.random.Generator,
    days: Ints,
    *,
    missing: float,
    fake: float,
    wrong: float = 0.015,
    pattern: str = "%Y-%m-%d",
) -> pa.StringArray:
    """Birth dates: some missing, some made up (1900-01-01 …), some with day and month or the year wrong."""
    chance = rng.random(len(days))
    off = np.where(
        rng.random(len(days)) < 0.5, rng.integers(-1, 2, len(days)) * 365, rng.integers(-9, 10, len(days))
    )
    shown = np.where(rng.random(len(days)) < wrong, days + off, days)
    made_up = np.array(FAKE_BIRTHS)[codes(rng, FAKE_BIRTH_SHARES, len(days))]
    shown = np.where(chance > 1 - fake, made_up, shown)
    return where(chance < missing, None, dates(shown, pattern))


def gaps(rng: np.random.Generator, column: pa.StringArray, missing: float) -> pa.StringArray:
    """Some values left out."""
    return where(rng.random(len(column)) < missing, None, column)


def fake_tax_ids(
    rng: np.random.Generator, column: pa.StringArray, country: Ints, share: float
) -> pa.StringArray:
    """Some Mexican records under the tax office's generic ids for the public."""
    generic = pick(rng, ["XAXX010101000"] * 19 + ["XEXX010101000"], len(column))
    return where((rng.random(len(column)) < share) & (country == 0), generic, column)


def listed(values: str) -> pa.StringArray:
    """A list written with semicolons."""
    return text([v.strip() for v in values.split(";")])


def tax_typos(rng: np.random.Generator, column: pa.StringArray, share: float) -> pa.StringArray:
    """Some ids with a wrong last character, which the check digit gives away."""
    wrong = np.flatnonzero(rng.random(len(column)) < share)
    stem = pc.utf8_slice_codeunits(take(column, wrong), 0, -1)
    return replaced(column, wrong, joined(stem, pick(rng, list("0123456789"), len(wrong))))


def hexadecimal(rng: np.random.Generator, size: int, width: int) -> pa.StringArray:
    """Random hexadecimal text."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[rng.integers(0, 16, size * width)]
    ends = pa.py_buffer((np.arange(size + 1) * width).astype(np.int32))
    return pa.StringArray.from_buffers(size, ends, pa.py_buffer(digits))

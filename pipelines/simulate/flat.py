"""One flat table of people with known truth, of any size: what linkage is timed on.

Unlike the retailer's sources it is clean of spellings (small letters, no accents), as a user of a
linkage library prepares a table: what is left are the slips and gaps that linkage is there for.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate.contacts import emails, mobiles
from pipelines.simulate.names import Names, load
from pipelines.simulate.noise import births, gaps, typos
from pipelines.simulate.places import draw_addresses, gazetteer, postal_text
from pipelines.simulate.text import Bools, Ints, numbers, plain, replaced, scramble, take, where

COPIES = (0.62, 0.24, 0.1, 0.04)
"""Shares of people with one record, two, three, four: 1.56 records a person."""
SPAIN = 0.25
RELATIVES = 0.12
"""Share of people who live with the one before them and bear the same surname."""
SHARED_PHONE = 0.1
"""Share of relatives who give the other one's phone."""
MOVED, NEW_EMAIL, NEW_PHONE = 0.12, 0.12, 0.15
"""Share of further records that show another address, e-mail, phone."""
NICKNAME, TYPO = 0.04, 0.04
MISSING = {"birth_date": 0.15, "city": 0.05, "postal_code": 0.15, "email": 0.35, "phone": 0.3}
BORN = (-12_800, 13_000)
"""1934 to 2005, in days since 1970-01-01."""
_SPACE = 10**9


@lru_cache
def _dictionaries() -> Names:
    return load()


def flat_people(records: int, seed: int) -> pa.Table:
    """``records`` records of people, the same for the same number and seed.

    Columns: rec_id (int64, unique, in no order), given_name, surname, birth_date (date32), city,
    postal_code, email, phone (text, NULL where missing) and person (int64), the truth.
    """
    rng = np.random.default_rng([seed, records])
    names, book = _dictionaries(), gazetteer()
    copies = 1 + rng.choice(len(COPIES), size=records, p=COPIES)
    person = np.repeat(np.arange(records), copies)[:records]
    people = int(person[-1]) + 1 if records else 0
    further = np.diff(person, prepend=-1) == 0
    country = (rng.random(people) < SPAIN).astype(np.int64)
    gender = rng.integers(0, 2, people)
    given, surname, second = _names(rng, names, country, gender)
    born = rng.integers(*BORN, people)
    home = draw_addresses(rng, book, country)
    phone = mobiles(np.arange(people), home.town, country, book)
    relative = rng.random(people) < RELATIVES
    relative[:1] = False
    before = np.maximum.accumulate(np.where(relative, 0, np.arange(people)))
    surname, country, home = surname[before], country[before], home.take(before)
    phone = np.where(relative & (rng.random(people) < SHARED_PHONE), phone[before], phone)
    mail = emails(rng, names, given, surname, second, born, country, np.arange(people))

    moved = further & (rng.random(records) < MOVED)
    there, elsewhere = home.take(person), draw_addresses(rng, book, country[person])
    there.put(np.flatnonzero(moved), elsewhere.take(np.flatnonzero(moved)))
    new_mail = emails(
        rng,
        names,
        given[person],
        surname[person],
        second[person],
        born[person],
        country[person],
        scramble(np.arange(records), _SPACE),
        taken=mail,
    )
    new_phone = mobiles(people + np.arange(records), there.town, country[person], book)
    columns = {
        "given_name": _given(rng, names, given[person]),
        "surname": typos(rng, take(pc.utf8_lower(plain(names.surname)), surname[person]), TYPO),
        "birth_date": births(rng, born[person], missing=MISSING["birth_date"], fake=0.002, wrong=0.03).cast(
            pa.date32()
        ),
        "city": gaps(rng, take(pc.utf8_lower(plain(book.town)), there.town), MISSING["city"]),
        "postal_code": gaps(rng, postal_text(there), MISSING["postal_code"]),
        "email": gaps(
            rng,
            typos(rng, _changed(rng, further, NEW_EMAIL, take(mail, person), new_mail), TYPO / 2),
            MISSING["email"],
        ),
        "phone": gaps(
            rng,
            _changed(rng, further, NEW_PHONE, numbers(_misdialled(rng, phone[person])), numbers(new_phone)),
            MISSING["phone"],
        ),
    }
    order = rng.permutation(records)
    table = pa.table({"rec_id": scramble(np.arange(records), _SPACE), **columns, "person": person})
    return table.take(pa.array(order)).combine_chunks()


def _names(rng: np.random.Generator, names: Names, country: Ints, gender: Ints) -> tuple[Ints, Ints, Ints]:
    """Given name, surname and second surname of each person, as entries of the dictionaries."""
    drawn = np.zeros((3, len(country)), np.int64)
    for c in (0, 1):
        for g in (0, 1):
            rows = np.flatnonzero((country == c) & (gender == g))
            drawn[0, rows] = names.given_pools[c, g].draw(rng, len(rows))
        rows = np.flatnonzero(country == c)
        drawn[1:, rows] = [names.surname_pools[c].draw(rng, len(rows)) for _ in range(2)]
    return drawn[0], drawn[1], drawn[2]


def _given(rng: np.random.Generator, names: Names, given: Ints) -> pa.StringArray:
    """Given names as records have them: some as nicknames, some with a slip."""
    written = take(pc.utf8_lower(plain(names.given)), given)
    called = (rng.random(len(given)) < NICKNAME) & (names.nicknames.count[given] > 0)
    rows = np.flatnonzero(called)
    nicknames = pc.utf8_lower(plain(names.nicknames.draw(rng, given[rows])))
    return typos(rng, replaced(written, rows, nicknames), TYPO)


def _changed(
    rng: np.random.Generator, further: Bools, share: float, old: pa.StringArray, new: pa.StringArray
) -> pa.StringArray:
    """A person's first record shows the old value, ``share`` of the further ones the new."""
    return where(further & (rng.random(len(further)) < share), new, old)


def _misdialled(rng: np.random.Generator, national: Ints) -> Ints:
    """Numbers of which some have one wrong digit."""
    place = 10 ** rng.integers(0, 6, len(national))
    digit = national // place % 10
    other = (digit + rng.integers(1, 10, len(national))) % 10
    wrong: Ints = np.where(rng.random(len(national)) < TYPO / 2, national + (other - digit) * place, national)
    return wrong

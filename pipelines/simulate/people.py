"""The people behind the records: households, families, and the traps that make them hard to tell apart.

Nothing here has noise: it is the truth that every source sees a part of. Rates are assumptions
(the folder's README lists them).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import contacts, taxids
from pipelines.simulate.names import Names
from pipelines.simulate.places import (
    Addresses,
    Gazetteer,
    draw_addresses,
    joined_addresses,
)
from pipelines.simulate.text import Bools, Ints, chosen, codes, joined, replaced, take

TRAPS = ("", "twin", "junior", "homonym", "shared_email", "shared_phone", "recycled_phone")
TWIN, JUNIOR, HOMONYM, SHARED_EMAIL, SHARED_PHONE, RECYCLED_PHONE = range(1, 7)
HEAD, PARTNER, CHILD = 0, 1, 2
NEVER = np.iinfo(np.int32).min

SPAIN_SHARE = 0.25
HOUSEHOLDS = (
    (1, 0, 0.44),
    (2, 0, 0.20),
    (2, 1, 0.12),
    (2, 2, 0.12),
    (2, 3, 0.03),
    (1, 1, 0.06),
    (1, 2, 0.03),
)
"""Adults, children, share of households."""
TWINS_SHARE = 0.15  # of households with two children or more
JUNIOR_SHARE = 0.18  # of first sons with their father in the household
HOMONYM_SHARE = 0.03  # of adults, beyond those that chance makes
SHARED_EMAIL_SHARE = 0.06  # of partners
SHARED_PHONE_SHARE = 0.06  # of partners and children
RECYCLED_SHARE = 0.012  # of people
FOREIGN_SHARE = 0.09  # of people in Spain who have a NIE


@dataclass
class People:
    """Persons, one row each. Days count from 1970-01-01; a former value held until its day."""

    number: Ints
    country: Ints
    gender: Ints
    role: Ints
    household: Ints
    trap: Ints
    given: Ints
    surname: Ints
    second: Ints
    birth: Ints
    address: Addresses
    former_address: Addresses
    moved_on: Ints
    mobile: Ints
    former_mobile: Ints
    mobile_since: Ints
    home: Ints
    """The household's landline; 0 where it has none."""
    email: pa.StringArray
    former_email: pa.StringArray
    email_since: Ints
    tax_id: pa.StringArray
    eagerness: np.ndarray
    """How many sources see the person (around 1)."""
    orders_a_year: np.ndarray
    leaves_on: Ints
    """The day of the last purchase at the latest."""

    def __len__(self) -> int:
        return len(self.number)


def added(one: People, two: People) -> People:
    """Two lists of people as one."""
    whole: dict[str, Any] = {}
    for field in fields(People):
        left, right = getattr(one, field.name), getattr(two, field.name)
        if isinstance(left, Addresses):
            whole[field.name] = joined_addresses(left, right)
        elif isinstance(left, np.ndarray):
            whole[field.name] = np.concatenate([left, right])
        else:
            whole[field.name] = pa.concat_arrays([left, right])
    return People(**whole)


def make_people(
    rng: np.random.Generator,
    names: Names,
    book: Gazetteer,
    count: int,
    *,
    first_number: int,
    first_household: int,
    today: int,
    taken: pa.StringArray | None = None,
) -> People:
    """``count`` new persons in households, as they are on ``today``; none gets an e-mail address of ``taken``."""
    household, role, child_rank, adults, family = _households(rng, count)
    gender = _genders(rng, role, household)
    country = (rng.random(family) < SPAIN_SHARE).astype(np.int64)[household]
    trap = np.zeros(count, np.int64)
    birth = _births(rng, role, household, adults, family, today)

    given, surname, second = (np.zeros(count, np.int64) for _ in range(3))
    for c in (0, 1):
        for g in (0, 1):
            rows = np.flatnonzero((country == c) & (gender == g))
            given[rows] = names.given_pools[(c, g)].draw(rng, len(rows))
        rows = np.flatnonzero(country == c)
        surname[rows] = names.surname_pools[c].draw(rng, len(rows))
        second[rows] = names.surname_pools[c].draw(rng, len(rows))

    _homonyms(rng, trap, role, country, gender, given, surname, second)
    father, mother = _parents(role, gender, household, family)
    children = np.flatnonzero(role == CHILD)
    home = household[children]
    surname[children] = np.where(father[home] >= 0, surname[father[home]], surname[children])
    second[children] = np.where(mother[home] >= 0, surname[mother[home]], second[children])
    # Brothers and sisters whose father lives elsewhere still share his surname.
    alone = children[(father[home] < 0) & (child_rank[children] > 0)]
    surname[alone] = surname[alone - child_rank[alone]]
    _twins(rng, trap, role, child_rank, household, birth, given, gender, family, names)
    _juniors(rng, trap, role, child_rank, household, gender, given, father)

    number = first_number + np.arange(count)
    address = draw_addresses(rng, book, country)
    head = np.searchsorted(household, np.arange(family))
    address = address.take(head[household])
    former = draw_addresses(rng, book, country)
    # Most moves stay in the town.
    near = rng.random(count) < 0.7
    former.town[near] = address.town[near]
    former.postal[near] = address.postal[near] + rng.integers(-2, 3, int(near.sum()))
    moved = _since(rng, 0.18, count, today)

    mobile = contacts.mobiles(number * 2, address.town, country, book)
    former_mobile = contacts.mobiles(number * 2 + 1, former.town, country, book)
    mobile_since = _since(rng, 0.2, count, today)
    home_line = np.where(
        rng.random(family)[household] < 0.35,
        contacts.landlines(first_household + household, address.town, country, book),
        0,
    )
    email = contacts.emails(rng, names, given, surname, second, birth, country, number, taken)
    used = email if taken is None else pa.concat_arrays([taken, email])
    former_email = contacts.emails(rng, names, given, surname, second, birth, country, number, used)
    email = _shared(rng, trap, role, household, head, mobile, mobile_since, email)
    _recycled(rng, trap, country, mobile, former_mobile, mobile_since)

    return People(
        number=number,
        country=country,
        gender=gender,
        role=role,
        household=first_household + household,
        trap=trap,
        given=given,
        surname=surname,
        second=second,
        birth=birth,
        address=address,
        former_address=former,
        moved_on=moved,
        mobile=mobile,
        former_mobile=former_mobile,
        mobile_since=mobile_since,
        home=home_line,
        email=email,
        former_email=former_email,
        email_since=_since(rng, 0.12, count, today),
        tax_id=_tax_ids(rng, names, number, country, given, surname, second, birth),
        eagerness=rng.lognormal(-0.08, 0.4, count) * np.where(role == CHILD, 0.75, 1.0),
        orders_a_year=rng.gamma(0.6, 5.5, count),
        leaves_on=(today - 730 + rng.exponential(365 * 4, count)).astype(np.int64),
    )


def _households(rng: np.random.Generator, count: int) -> tuple[Ints, Ints, Ints, Ints, int]:
    """Household, role, rank among the children and the household's adults of each person."""
    kind = codes(rng, [share for *_, share in HOUSEHOLDS], count)
    adults_of = np.array([a for a, _, _ in HOUSEHOLDS])[kind]
    size_of = adults_of + np.array([c for _, c, _ in HOUSEHOLDS])[kind]
    household = np.repeat(np.arange(count), size_of)[:count]
    family = int(household[-1]) + 1
    rank = np.arange(count) - np.searchsorted(household, household)
    adults = adults_of[household]
    role = np.where(rank >= adults, CHILD, np.minimum(rank, PARTNER))
    return household, role, np.where(role == CHILD, rank - adults, 0), adults, family


def _genders(rng: np.random.Generator, role: Ints, household: Ints) -> Ints:
    gender = rng.integers(0, 2, len(role))
    partner = np.flatnonzero(role == PARTNER)
    same = rng.random(len(partner)) < 0.04
    gender[partner] = np.where(same, gender[partner - 1], 1 - gender[partner - 1])
    return gender


def _births(
    rng: np.random.Generator, role: Ints, household: Ints, adults: Ints, family: int, today: int
) -> Ints:
    """Birth days: parents 17 to 45 years older than their children, customers 16 years or older."""
    with_children = np.zeros(family, bool)
    with_children[household[role == CHILD]] = True
    head_age = np.where(
        with_children, np.clip(rng.normal(52, 8, family), 37, 84), np.clip(rng.normal(44, 16, family), 18, 90)
    )
    age = head_age[household].copy()
    partner = role == PARTNER
    age[partner] = np.clip(age[partner] + rng.normal(-1.5, 4, int(partner.sum())), 18, 92)
    child = np.flatnonzero(role == CHILD)
    grown = head_age[household[child]] - np.clip(rng.normal(29, 5, len(child)), 20, 42)
    young = grown < 16
    age[child] = np.where(young, 16 + rng.random(len(child)) * 4, grown)
    # A year of birth has its days: without this every youngest customer would share a birthday.
    return np.asarray(today - (age + rng.random(len(age))) * 365.25, np.int64)


def _homonyms(
    rng: np.random.Generator,
    trap: Ints,
    role: Ints,
    country: Ints,
    gender: Ints,
    given: Ints,
    surname: Ints,
    second: Ints,
) -> None:
    """Some adults bear the whole name of somebody unrelated."""
    for c in (0, 1):
        for g in (0, 1):
            group = np.flatnonzero((country == c) & (gender == g) & (role != CHILD))
            if len(group) < 2:
                continue
            copies = group[rng.random(len(group)) < HOMONYM_SHARE]
            others = rng.choice(group, len(copies))
            copies, others = copies[copies != others], others[copies != others]
            given[copies], surname[copies], second[copies] = given[others], surname[others], second[others]
            trap[copies] = HOMONYM


def _parents(role: Ints, gender: Ints, household: Ints, family: int) -> tuple[Ints, Ints]:
    """The row of each household's father and mother, −1 where there is none."""
    father, mother = np.full(family, -1), np.full(family, -1)
    adult = np.flatnonzero(role != CHILD)
    men, women = adult[gender[adult] == 0], adult[gender[adult] == 1]
    father[household[men]] = men
    mother[household[women]] = women
    return father, mother


def _twins(
    rng: np.random.Generator,
    trap: Ints,
    role: Ints,
    child_rank: Ints,
    household: Ints,
    birth: Ints,
    given: Ints,
    gender: Ints,
    family: int,
    names: Names,
) -> None:
    """Second children born on the first child's day, a third of them with the same first given name."""
    second_child = np.flatnonzero((role == CHILD) & (child_rank == 1))
    twin = second_child[(rng.random(family) < TWINS_SHARE)[household[second_child]]]
    birth[twin] = birth[twin - 1]
    trap[twin] = TWIN
    trap[twin - 1] = TWIN
    alike = twin[(gender[twin] == gender[twin - 1]) & (rng.random(len(twin)) < 0.35)]
    given[alike] = names.with_same_first(rng, given[alike - 1])
    same = twin[given[twin] == given[twin - 1]]
    given[same] = (given[same] + 1) % len(names.given)


def _juniors(
    rng: np.random.Generator,
    trap: Ints,
    role: Ints,
    child_rank: Ints,
    household: Ints,
    gender: Ints,
    given: Ints,
    father: Ints,
) -> None:
    """First sons who bear their father's given name."""
    son = np.flatnonzero((role == CHILD) & (child_rank == 0) & (gender == 0) & (trap != TWIN))
    son = son[(father[household[son]] >= 0) & (rng.random(len(son)) < JUNIOR_SHARE)]
    given[son] = given[father[household[son]]]
    trap[son] = JUNIOR


def _since(rng: np.random.Generator, share: float, count: int, today: int) -> Ints:
    """For a share of people the day of their last change within six years, else ``NEVER``."""
    day = today - rng.integers(1, 6 * 365, count)
    return np.where(rng.random(count) < share, day, NEVER).astype(np.int64)


def _shared(
    rng: np.random.Generator,
    trap: Ints,
    role: Ints,
    household: Ints,
    head: Ints,
    mobile: Ints,
    mobile_since: Ints,
    email: pa.StringArray,
) -> pa.StringArray:
    """Couples with one e-mail address, families with one mobile."""
    chance = rng.random(len(role))
    mail = np.flatnonzero((role == PARTNER) & (chance < SHARED_EMAIL_SHARE))
    phone = np.flatnonzero((role != HEAD) & (chance > 1 - SHARED_PHONE_SHARE))
    mobile[phone] = mobile[head[household[phone]]]
    mobile_since[phone] = NEVER
    trap[mail] = np.where(trap[mail] == 0, SHARED_EMAIL, trap[mail])
    trap[phone] = np.where(trap[phone] == 0, SHARED_PHONE, trap[phone])
    return replaced(email, mail, take(email, head[household[mail]]))


def _recycled(
    rng: np.random.Generator,
    trap: Ints,
    country: Ints,
    mobile: Ints,
    former_mobile: Ints,
    mobile_since: Ints,
) -> None:
    """People whose mobile was somebody else's before."""
    for c in (0, 1):
        gave_up: Bools = (country == c) & (mobile_since != NEVER)
        free = np.flatnonzero(gave_up)
        takes = np.flatnonzero(
            (country == c) & (rng.random(len(country)) < RECYCLED_SHARE) & ~gave_up & (trap == 0)
        )
        count = min(len(free), len(takes))
        given_up = rng.permutation(free)[:count]
        mobile[takes[:count]] = former_mobile[given_up]
        trap[takes[:count]] = RECYCLED_PHONE


def _tax_ids(
    rng: np.random.Generator,
    names: Names,
    number: Ints,
    country: Ints,
    given: Ints,
    surname: Ints,
    second: Ints,
    birth: Ints,
) -> pa.StringArray:
    foreign = np.where(rng.random(len(number)) < FOREIGN_SHARE, rng.integers(1, 4, len(number)), 0)
    return chosen(
        country,
        [
            lambda rows: taxids.rfc_person(
                rng,
                joined(
                    take(names.surname_tax, surname[rows]),
                    _letter(take(names.surname_tax, second[rows])),
                    take(names.given_tax, given[rows]),
                ),
                birth[rows],
            ),
            lambda rows: taxids.nif(number[rows], foreign[rows]),
        ],
    )


def _letter(column: pa.StringArray) -> pa.StringArray:
    return pc.utf8_slice_codeunits(column, 0, 1)

"""Phone numbers and e-mail addresses: every one belongs to one person until a trap shares it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate.names import Names
from pipelines.simulate.places import Gazetteer
from pipelines.simulate.text import Ints, chosen, codes, dates, joined, numbers, pick, scramble, take, text

DOMAINS = (
    (
        text(
            [
                "gmail.com",
                "hotmail.com",
                "outlook.com",
                "yahoo.com.mx",
                "icloud.com",
                "live.com.mx",
                "prodigy.net.mx",
            ]
        ),
        (46, 22, 13, 9, 5, 3, 2),
    ),
    (
        text(
            [
                "gmail.com",
                "hotmail.com",
                "outlook.es",
                "yahoo.es",
                "icloud.com",
                "telefonica.net",
                "outlook.com",
            ]
        ),
        (52, 20, 8, 7, 5, 3, 5),
    ),
)


NEW_NUMBERS = 5_000_000
"""Counters from here on are numbers given out during the nights."""
_BUSINESS_LINES = 6_000_000
_HOME_LINES = 6_500_000


def mobiles(counter: Ints, town: Ints, country: Ints, book: Gazetteer) -> Ints:
    """National mobile numbers: ten digits with the town's code in Mexico, nine (6…) in Spain."""
    return np.where(country == 1, 600_000_000 + scramble(counter, 10**8), _mexican(counter, town, book))


def landlines(counter: Ints, town: Ints, country: Ints, book: Gazetteer, *, business: bool = False) -> Ints:
    """National landline numbers of the town."""
    code = np.array(book.dialling.to_pylist(), np.int64)[town]
    line = counter + (450_000 if business else 0)
    spanish = np.where(
        code < 100,
        code * 10**7 + 2 * 10**6 + scramble(line, 6 * 10**6),
        code * 10**6 + 2 * 10**5 + scramble(line, 6 * 10**5),
    )
    first = _BUSINESS_LINES if business else _HOME_LINES
    return np.where(country == 1, spanish, _mexican(first + counter, town, book))


def _mexican(counter: Ints, town: Ints, book: Gazetteer) -> Ints:
    code = np.array(book.dialling.to_pylist(), np.int64)[town]
    return np.where(
        code < 100,
        code * 10**8 + 2 * 10**7 + scramble(counter, 8 * 10**7),
        code * 10**7 + 2 * 10**6 + scramble(counter, 8 * 10**6),
    )


def emails(
    rng: np.random.Generator,
    names: Names,
    given: Ints,
    surname: Ints,
    second: Ints,
    birth: Ints,
    country: Ints,
    number: Ints,
    taken: pa.StringArray | None = None,
) -> pa.StringArray:
    """An address for each person, made of the name; where two would be alike, or one is ``taken``, the later
    bears a number."""
    first, last, last2 = (
        take(names.given_key, given),
        take(names.surname_key, surname),
        take(names.surname_key, second),
    )
    initial = _initial(first)
    digits = numbers(rng.integers(1, 1000, len(given)))
    style = codes(rng, (20, 16, 12, 12, 12, 10, 8, 6, 4), len(given))

    def at(column: pa.StringArray, rows: Ints) -> pa.StringArray:
        return take(column, rows)

    local = chosen(
        style,
        [
            lambda r: joined(at(first, r), ".", at(last, r)),
            lambda r: joined(at(first, r), at(last, r), at(digits, r)),
            lambda r: joined(at(initial, r), at(last, r), at(last2, r)),
            lambda r: joined(at(first, r), dates(birth[r], "%d%m")),
            lambda r: joined(at(first, r), ".", at(last, r), ".", at(last2, r)),
            lambda r: joined(at(first, r), "_", at(last, r)),
            lambda r: joined(at(first, r), at(last, r), dates(birth[r], "%y")),
            lambda r: joined(at(last, r), ".", at(first, r)),
            lambda r: joined(at(first, r), at(last, r)),
        ],
    )
    domain = chosen(
        country,
        [
            lambda r, c=c: take(DOMAINS[c][0], codes(rng, DOMAINS[c][1], len(r)))  # type: ignore[misc]
            for c in (0, 1)
        ],
    )
    made = joined(local, "@", domain)
    again = pd.Series(made.dictionary_encode().indices.to_numpy()).duplicated().to_numpy()
    if taken is not None:
        again = again | pc.is_in(made, value_set=taken).to_numpy(zero_copy_only=False)
    return chosen(
        again.astype(np.int64),
        [lambda r: at(made, r), lambda r: joined(at(local, r), "_", numbers(number[r]), "@", at(domain, r))],
    )


def _initial(first: pa.StringArray) -> pa.StringArray:
    return pc.utf8_slice_codeunits(first, 0, 1)


def company_emails(rng: np.random.Generator, domain: pa.StringArray, country: Ints) -> pa.StringArray:
    """``ventas@`` and the like at the company's own domain."""
    role = pick(rng, ["contacto", "ventas", "compras", "facturacion", "administracion", "info"], len(domain))
    return joined(role, "@", domain, take(text([".com.mx", ".es"]), country))

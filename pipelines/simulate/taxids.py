"""Tax ids with the right check character: RFC (Mexico), NIF, NIE and CIF (Spain)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate.text import Ints, dates, joined, numbers, scramble, take, text, where

_RFC = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"
_NIF = text(list("TRWAGMYFPDXBNJZSQVHLCKE"))
_HOMOCLAVE_1 = text(list("123456789ABCDEFGHIJKLMNOPQRSTUV"))
_HOMOCLAVE_2 = text(list("123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_RFC_CHECK = text(["0", *[str(d) for d in range(1, 10)], "A"])
# Initials that the tax office does not issue: their last letter becomes X.
_REFUSED = """
BUEI BUEY CACA CACO CAGA CAGO CAKA CAKO COGE COJA COJE COJI COJO CULO FETO GUEY JOTO KACA KACO KAGA KAGO
KAKA KOGE KOJO KULO MAME MAMO MEAR MEAS MEON MION MOCO MULA PEDA PEDO PENE PUTA PUTO QULO RATA RUIN
"""


def rfc_check(body: pa.StringArray, width: int) -> pa.StringArray:
    """The check character of RFCs without it: Σ value × weight from 13 down, 11 − the rest of 11.

    ``width`` is 12 for persons and 11 for companies, who count a leading space.
    """
    value = np.zeros(128, np.int64)
    for number, letter in enumerate(_RFC[:-1]):
        value[ord(letter)] = number
    raw = np.frombuffer(body.buffers()[2], np.uint8, count=len(body) * width, offset=0)
    table = value[raw.reshape(len(body), width)]
    weight = np.arange(width + 1, 1, -1)
    total = table @ weight + (_RFC.index(" ") * 13 if width == 11 else 0)
    return take(_RFC_CHECK, (11 - total % 11) % 11)


def _with_check(
    initials: pa.StringArray, birth: Ints, rng: np.random.Generator, width: int
) -> pa.StringArray:
    size = len(birth)
    body = joined(
        initials,
        dates(birth, "%y%m%d"),
        take(_HOMOCLAVE_1, rng.integers(0, len(_HOMOCLAVE_1), size)),
        take(_HOMOCLAVE_2, rng.integers(0, len(_HOMOCLAVE_2), size)),
    )
    return joined(body, rfc_check(body, width))


def rfc_person(rng: np.random.Generator, initials: pa.StringArray, birth: Ints) -> pa.StringArray:
    """RFC of people: four letters of the name, the birth date, a homoclave, the check character."""
    refused = pc.is_in(initials, value_set=text(_REFUSED.split()))
    softened = pc.if_else(refused, joined(pc.utf8_slice_codeunits(initials, 0, 3), "X"), initials)
    return _with_check(softened, birth, rng, 12)


def rfc_company(rng: np.random.Generator, initials: pa.StringArray, founded: Ints) -> pa.StringArray:
    """RFC of companies: three letters, the founding date, a homoclave, the check character."""
    return _with_check(initials, founded, rng, 11)


def nif(counter: Ints, foreign: Ints) -> pa.StringArray:
    """NIF of residents (``foreign`` 0) and NIE of foreigners (1 X, 2 Y, 3 Z), never the same twice."""
    number = scramble(counter, 10**7) + 10**7 * (1 + np.asarray(counter) // 10**7 % 9)
    short = number % 10**7
    national = joined(numbers(number, 8), take(_NIF, number % 23))
    kind = np.maximum(foreign, 1) - 1
    nie = joined(
        take(text(["X", "Y", "Z"]), kind), numbers(short, 7), take(_NIF, (kind * 10**7 + short) % 23)
    )
    return where(foreign > 0, nie, national)


def cif(counter: Ints, form: Ints) -> pa.StringArray:
    """CIF of companies: A (S.A., ``form`` 0) or B (S.L., 1), seven digits, the control digit."""
    number = scramble(counter, 10**7)
    digits = [number // 10**k % 10 for k in range(6, -1, -1)]
    doubled = sum(d * 2 // 10 + d * 2 % 10 for d in digits[::2])
    control = (10 - (doubled + sum(digits[1::2])) % 10) % 10
    return joined(take(text(["A", "B"]), form), numbers(number, 7), numbers(control))

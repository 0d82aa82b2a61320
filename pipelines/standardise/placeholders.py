"""What people and systems write where there is nothing to write: the rules that all fields share.

A *blank* stands for "no value" in any field (``N/A``, ``sin dato``, ``-``) and is dropped without a
word. A *filler* is a number typed to get past a form (``1111111111``, ``12345678``): it has the form of
a value and says nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pipelines.standardise.text import REMEMBERED, plain

# Folded: small letters without accents, and nothing but letters and digits.
_BLANK_TEXT = """
na nd ns nc nan null nulo none nil ninguno ninguna no
sd sn sindato sindatos sininformacion sininfo sinespecificar noespecificado noespecifica
notiene notengo nocuenta nohay noaplica nodisponible nodefinido noproporcionado noproporciona noinformado
noidentificado nosabe desconocido desconocida sedesconoce ignorado vacio pendiente pordefinir porconfirmar
sincorreo sinemail sintelefono sincelular sinrfc sinfecha notienecorreo notieneemail notienetelefono notienerfc
unknown notavailable notapplicable notprovided missing empty undefined unspecified pending tbd
"""
_BLANK_WORDS = frozenset(_BLANK_TEXT.split())
_BLANK_SHAPES = re.compile(r"x*|0{1,3}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_UP = "01234567890123456789"
_DOWN = _UP[::-1]


@lru_cache(maxsize=REMEMBERED)
def folded(text: str) -> str:
    """Small letters without accents, and nothing but letters and digits.

    >>> folded("S/N"), folded("Sin Información")
    ('sn', 'sininformacion')
    """
    return "".join(c for c in plain(text) if c.isalnum())


def is_blank(text: str) -> bool:
    """True where the text says that there is no value: N/A, s/n, null, sin dato, -, ., ?, 0, x …

    >>> is_blank(" N/A "), is_blank("..."), is_blank("Nadia")
    (True, True, False)
    """
    key = folded(text)
    return key in _BLANK_WORDS or _BLANK_SHAPES.fullmatch(key) is not None


def blank_to_none(value: str | None) -> str | None:
    """The value without blanks around it and invisible characters; None where it is no value.

    >>> blank_to_none("  Ana "), blank_to_none("s/n"), blank_to_none(None)
    ('Ana', None, None)
    """
    if value is None:
        return None
    seen = _INVISIBLE.sub("", value).strip()
    return None if is_blank(seen) else seen


def is_filler(digits: str) -> bool:
    """True where every digit is the same, or follows the one before it, up or down (9 and 0 are neighbours).

    >>> is_filler("5555555"), is_filler("34567890"), is_filler("7654321"), is_filler("5551234")
    (True, True, True, False)
    """
    return len(set(digits)) == 1 or (len(digits) > 1 and (digits in _UP or digits in _DOWN))

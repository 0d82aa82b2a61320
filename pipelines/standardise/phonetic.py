"""How a word sounds in Spanish: words that are pronounced alike in most of the Spanish world share a key."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pipelines.standardise.text import REMEMBERED

_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        # Foreign digraphs first: their h is not mute, and tx and ny are Basque and Catalan letters.
        (r"ph", "f"),
        (r"tx", "ch"),
        (r"ny(?=[aeiou])", "ñ"),
        (r"sch", "ch"),
        (r"(?<!c)h", ""),
        (r"ll", "y"),
        (r"y(?![aeiou])", "i"),
        (r"x(?=[aeiou])", "j"),
        (r"x", "s"),
        (r"qu(?=[ei])", "k"),
        (r"q", "k"),
        (r"[cz](?=[ei])|z", "s"),
        (r"c(?!h)", "k"),
        (r"g(?=[ei])", "j"),
        (r"[vw]", "b"),
        (r"^ps", "s"),
        (r"n(?=[bp])", "m"),
        (r"(.)\1+", r"\1"),
    )
)
_ACCENTS = re.compile("[\u0300-\u0302\u0304-\u036f]|(?<!n)\u0303")


def _letters(word: str) -> str:
    """Lower-case letters without accents, but ``ñ``; ``ç`` as the ``s`` that it sounds."""
    decomposed = unicodedata.normalize("NFKD", word.casefold().replace("ç", "s"))
    composed = unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))
    return "".join(c for c in composed if "a" <= c <= "z" or c == "ñ")


@lru_cache(maxsize=REMEMBERED)
def phonetic(word: str) -> str:
    """The sound of a word or name, blanks and signs aside; empty where it has no letter.

    Mute h; b = v = w; c = s = z before e and i (seseo); c = k = qu; g = j before e and i; ll = y;
    x = j between vowels and at the start, else s; ph = f; doubled letters count once; n = m before
    b and p. ``ñ`` is not ``n``, and no letter at the end is dropped: Joan is not Joana.

    >>> phonetic("Vázquez"), phonetic("Giménez"), phonetic("Peña")
    ('baskes', 'jimenes', 'peña')
    """
    sound = _letters(word)
    for pattern, replacement in _RULES:
        sound = pattern.sub(replacement, sound)
    return sound

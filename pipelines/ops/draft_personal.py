"""Which texts of a sample are of a person: nothing of them may stand in a draft."""

from __future__ import annotations

import re

from pipelines.standardise.name_evidence import evidence, without_particles
from pipelines.standardise.text import plain

EMAIL = re.compile(r"[^@\s]@[^@\s]+\.[^\W\d_]{2,}")
PHONE = re.compile(r"\+?(?:[ ().-]*\d){9,15}")
_RARE, _LEAN = -12.0, 1.0
"""Log share of people with a given name, and log ratio to its share as a surname, above which a word is one: garantía and
azul are somebody's name."""


def is_contact(text: str) -> bool:
    """True for a text with an e-mail, or that is a telephone number."""
    return EMAIL.search(text) is not None or PHONE.fullmatch(text.strip()) is not None


def names_somebody(text: str) -> bool:
    """True where a word is a given name that is not rare, and rather that than a surname."""
    known = evidence()
    return any(
        known.is_given(word) and known.given((word,)) > _RARE and known.leans_to_given(word) > _LEAN
        for word in without_particles(plain(text))
    )


def may_name_somebody(text: str) -> bool:
    """True where a word is a given name or a surname, be it rare."""
    known = evidence()
    return any(known.is_given(word) or known.is_surname(word) for word in without_particles(plain(text)))

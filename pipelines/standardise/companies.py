"""Names of companies: legal form, standard spelling, and the matching key without it.

The forms of Mexico and Spain are recognised however they are dotted and spaced (``S. DE R.L. DE
C.V.``, ``S de RL de CV``); those of the rest of the world by ``cleanco``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from cleanco import basename, prepare_default_terms

from pipelines.standardise.name_evidence import evidence
from pipelines.standardise.name_words import PARTICLES, spelled
from pipelines.standardise.names import is_placeholder
from pipelines.standardise.text import dictionary, fold, one_space, repaired

_WORD = re.compile(r"[^\W_]+")
_DE = "[de]{1,3}"
"""``de`` as it is written in a hurry: d, ed, dde."""
_FORMS = re.compile(
    "|".join(
        [
            rf"sa(?:b|pi|pib)?(?:{_DE}c?v)?",
            rf"sm?(?:{_DE})?rl(?:mi)?(?:{_DE}cv)?",
            rf"senc(?:pora)?(?:{_DE}cv)?|snc|scs",
            rf"sprder[lis](?:{_DE}cv)?|sofom(?:er|enr)?|iap|abp|sas|eirl|ltda|sacv",
            rf"sc(?:l|p|cl|ra|{_DE}rl(?:{_DE}cv)?)?|ac|cb|aie",
            r"sl(?:u|l|p|ne|lu|pu)?|sa(?:u|d|l|lu)|scoop(?:and|mad|v|vc|c)?|scooperativa",
            r"sociedadlimitada(?:unipersonal|laboral|profesional)?",
            r"sociedadanonima(?:unipersonal|laboral|bursatil|promotoradeinversion)?(?:decapitalvariable)?",
            r"sociedad(?:civil|cooperativa|deresponsabilidadlimitada(?:decapitalvariable)?)",
            r"asociacioncivil|comunidaddebienes|instituciondeasistenciaprivada",
            r"[ye]?(?:cia|compania)",
        ]
    )
)
_LIMITED = re.compile(rf"(s|sc|sm|spr){_DE}(r[lis](?:mi)?)(?:{_DE}(cv))?")
_VARIABLE = re.compile(rf"(sa(?:b|pi|pib)?|srl|senc)(?:{_DE})?c?v")
_LONGEST = 10
"""Words of the longest form, written letter by letter."""
_INITIALS = frozenset({"sc", "ac", "cb"})
_WEAK = _INITIALS | {"cia", "compania"}
"""Forms that may also be the initials of surnames, or a word of the name."""
_SMALL = PARTICLES | {"y", "e", "en", "para", "por", "a"}
_CONNECTORS = frozenset({"de", "del", "la", "las", "los", "el", "y", "e", "and", "the"})
_SAME = {"hnos": "hermanos", "cia": "compania", "hno": "hermano"}
_NOT_CLEANCO = 3
"""Shorter international forms (AS, CO, UK) are too often something else to say that a name is a company's."""


class Company(NamedTuple):
    """A company's name; NULL where nothing is known."""

    company_name: str | None = None
    match_company: str | None = None
    reasons: tuple[str, ...] = ()


def _spelled(name: str) -> str:
    """Name case; a name received in mixed case keeps its capitals, a word without vowels is an acronym."""
    is_mixed = any(c.islower() for c in name) and any(c.isupper() for c in name)
    words = []
    for at, word in enumerate(name.split()):
        if at and word.lower() in _SMALL:
            words.append(word.lower())
        elif is_mixed and not word.islower():
            words.append(word)
        elif len(word) > 1 and word.isalpha() and not set(fold(word)) & set("aeiouy"):
            words.append(word.upper())
        else:
            words.append(spelled(word))
    return " ".join(words)


def _letters(compact: str) -> str:
    return "".join(f"{letter}." for letter in compact.upper())


def _printed(compact: str, written: str) -> str:
    """A form of letters as it is printed: ``S. de R.L. de C.V.``; one in words in name case."""
    if limited := _LIMITED.fullmatch(compact):
        parts = [_letters(part) for part in limited.groups() if part]
        return " de ".join(parts)
    if variable := _VARIABLE.fullmatch(compact):
        return f"{_letters(variable[1])} de C.V."
    if compact.startswith("sofom"):
        return " ".join(["SOFOM", *([_letters(compact[5:])] if compact[5:] else [])])
    if compact.startswith("scoop"):
        region = compact[5:]
        return "S.Coop." + (f"{region.capitalize()}." if len(region) == 3 else _letters(region))
    if "cia" in compact or len(compact) > _LONGEST:
        return _spelled(f"- {written}")[2:]
    return _letters(compact)


def _form_length(name: str, found: list[re.Match[str]]) -> int:
    """How many of the last words are a legal form of Mexico or Spain; the first word never is one."""
    folded = [fold(word.group()) for word in found]
    for count in range(min(_LONGEST, len(found) - 1), 0, -1):
        compact = "".join(folded[-count:])
        if not _FORMS.fullmatch(compact):
            continue
        written = name[found[-count].start() :]
        # S. C. with a blank between are initials.
        if compact in _INITIALS and " " in written.strip():
            continue
        return count
    return 0


def _parted(name: str) -> tuple[str, list[str]]:
    """The name without its legal forms, and these as printed, in order."""
    forms: list[str] = []
    while True:
        found = list(_WORD.finditer(name))
        count = _form_length(name, found)
        if not count:
            return name, forms
        start = found[-count].start()
        compact = "".join(fold(word.group()) for word in found[-count:])
        forms.insert(0, _printed(compact, name[start:].rstrip(" .,")))
        name = name[:start].rstrip(" ,.-&")


@cache
def _foreign_ends() -> frozenset[str]:
    """Last words of the forms that cleanco knows: most names end in none, and asking it is slow."""
    return frozenset(fold(words[-1]) for _, words in prepare_default_terms())


def _without_foreign_form(name: str) -> str:
    words = fold(name.replace(".", "")).split()
    return basename(name) if words and words[-1] in _foreign_ends() else name


@cache
def _trades() -> frozenset[str]:
    """Folded words that begin the names of businesses and no person's."""
    return frozenset(row["word"] for row in dictionary("trades.csv"))


def has_legal_form(name: str, *, is_apart: bool = False) -> bool:
    """True where a name ends in a legal form, or begins with a trade: it is a company's.

    ``is_apart``: a given name and a surname came in fields of their own, so that Ana Sal is a person.

    >>> has_legal_form("Muebles Sol SA de CV"), has_legal_form("Ana S. C."), has_legal_form("Acme GmbH")
    (True, False, True)
    """
    text = one_space(repaired(name))
    words = fold(text).split()
    if not words:
        return False
    known = evidence()
    starts_as_person = known.is_given(words[0]) and known.leans_to_given(words[0]) > 0
    found = list(_WORD.finditer(text))
    if count := _form_length(text, found):
        compact = "".join(fold(word.group()) for word in found[-count:])
        is_bare = "." not in text and count == 1
        is_weak = compact in _WEAK or (is_bare and (is_apart or compact == "sa"))
        return not is_weak or not starts_as_person
    if words[0] in _trades() and not starts_as_person:
        return True
    cut = text[len(_without_foreign_form(text)) :]
    return not starts_as_person and sum(c.isalpha() for c in cut) >= _NOT_CLEANCO


def standard_company(raw: str | None) -> Company:
    """A company's name in standard spelling with its legal form, and its key without form and connectors.

    The key is never empty where there is a name: then the connectors stay, or the form.
    """
    text = one_space(repaired(raw or ""))
    if not text:
        return Company()
    if is_placeholder(text):
        return Company(reasons=("company_name:placeholder",))
    base, forms = _parted(text)
    bare = base if forms else _without_foreign_form(base) or base
    words = [_SAME.get(word, word) for word in fold(bare).split()] or fold(text).split()
    key = " ".join([word for word in words if word not in _CONNECTORS] or words)
    return Company(" ".join([_spelled(base), *forms]), key or None)

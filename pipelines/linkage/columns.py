"""What the columns of any file are: recognised by their names, and by their content where names say nothing.

A column fills a field of ``silver/customer_records`` as received; standardisation does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipelines.linkage.contents import alike, field_by_content, names_by_content
from pipelines.linkage.headers import BOOKKEEPING, CATEGORY, DONE_BY, FIELDS, NAME_OR_SURNAME, STAFF, TEXT
from pipelines.standardise.text import plain

KNOWN = {alias: field for field, aliases in FIELDS.items() for alias in aliases}
"""Folded name → the field that it fills."""

LISTS = ("emails_raw", "phones_raw")
JOINED = ("address_raw",)
"""Several columns fill one value, joined by a blank in the order of the file."""
APART = (CATEGORY, TEXT)
"""Several columns, each of which stays a value of its own."""
NAMES = frozenset(("given_name_raw", "surname_raw", "second_surname_raw", "full_name_raw"))
_WHOSE = frozenset(("cliente", "customer", "client", "contacto", "titular", "empresa", "firma"))
"""Words for the party itself, of which a column's name may also say whose something is."""
SEVERAL = (*LISTS, *JOINED, *APART)

_LETTER = re.compile(r"[^\W\d_]")
_IDS = frozenset(("id", "ids", "uuid", "key", "clave"))
_NUMBERS = frozenset(("number", "no", "num", "nr", "numero", "code", "codigo"))
_YES_OR_NO = frozenset(
    [
        "y",
        "n",
        "yes",
        "no",
        "true",
        "false",
        "t",
        "f",
        "si",
        "s",
        "oui",
        "non",
        "ja",
        "nein",
        "j",
        "sim",
        "nao",
        "on",
        "off",
    ]
)
MOST_DISTINCT = 0.5
"""Share of different values above which a column of text is a name or a key and no category."""
HOME = "ES"
"""Country of phones without a prefix, where nobody says another."""
MOST_CATEGORIES = 8
"""Categories that are recognised by content: more say little more, and each costs every pair."""


def folded(name: str) -> str:
    """A column's name in words of lower case, joined by ``_``.

    >>> folded("Fecha Nacimiento"), folded("firstName"), folded("E-Mail 2"), folded("Straße")
    ('fecha_nacimiento', 'first_name', 'e_mail_2', 'strasse')
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", plain(split)).strip("_")


def _by_name(name: str) -> tuple[str, bool] | None:
    """The field that a column's name means, and whether the whole name says so or words in it."""
    whole = folded(name)
    # "apellido2" is another one, "email2" one more.
    words = whole if whole in KNOWN else re.sub(r"_?\d+$", "", whole)
    if words in KNOWN:
        return KNOWN[words], True
    inside = [alias for alias in KNOWN if f"_{alias}_" in f"_{words}_"]
    # Whose it is says less than what it is: "email_cliente" is an e-mail, but "email_first_name" a name.
    is_named = any(KNOWN[alias] in NAMES and alias not in _WHOSE for alias in inside)
    what = [] if is_named else [alias for alias in inside if alias not in _WHOSE]
    field = KNOWN[max(what or inside, key=len)] if inside else None
    # "id_cliente" and "numero_cliente" are not what "cliente" is; "home_phone_number" is a phone.
    if field is None or _IDS.intersection(words.split("_")):
        return None
    if field == "full_name_raw" and _NUMBERS.intersection(words.split("_")):
        return None
    return field, False


def is_of_staff(name: str) -> bool:
    """True for a column about those who served the party, not about the party itself.

    >>> [is_of_staff(n) for n in ("vendedor", "agentEmail", "Atendido por", "nombre_comercial", "num_empleados")]
    [True, True, True, False, False]
    """
    words = folded(name)
    return any(f"_{word}_" in f"_{words}_" for word in STAFF) or DONE_BY.search(words) is not None


def _is_category(values: Sequence[str], distinct: float) -> bool:
    """Text that repeats and is no yes or no; ``distinct``: share of different values."""
    different = {plain(value.strip()) for value in values}
    repeats = len(different) > 1 and distinct <= MOST_DISTINCT and not different <= _YES_OR_NO
    return repeats and alike([value.strip() for value in values], _LETTER, start=True)


def by_content(columns: Iterable[str]) -> tuple[str, ...]:
    """Those of the columns whose names say nothing: what they are was seen from their values.

    >>> by_content(["first_name", "c2"])
    ('c2',)
    """
    return tuple(name for name in columns if _by_name(name) is None)


def recognised(
    columns: Iterable[str],
    sample: Mapping[str, Sequence[str]],
    distinct: Mapping[str, float] | None = None,
    country: str = HOME,
) -> dict[str, tuple[str, ...]]:
    """Field → the columns that fill it, in the file's order.

    ``sample``: some values of each column, blanks left out; ``distinct``: the share of different values
    among all that are known, where the sample cannot tell; ``country``: of phones without a prefix. A name that means a field goes before
    content, and of several columns of one value the first counts. Columns that nobody knows are left out, and so are
    those of staff, unless nobody else is named: then the file is about them.

    >>> recognised(["id", "first_name", "surname", "contact"], {"contact": ["ana@x.es", "leo@x.es"]})
    {'given_name_raw': ('first_name',), 'surname_raw': ('surname',), 'emails_raw': ('contact',)}
    >>> recognised(["name", "agent_name", "agent_email"], {})
    {'full_name_raw': ('name',)}
    """
    every = [*columns]
    of_party = _fields([name for name in every if not is_of_staff(name)], sample, distinct or {}, country)
    return of_party if NAMES.intersection(of_party) else _fields(every, sample, distinct or {}, country)


def _fields(
    columns: Sequence[str],
    sample: Mapping[str, Sequence[str]],
    distinct: Mapping[str, float],
    country: str,
) -> dict[str, tuple[str, ...]]:
    """Field → the columns that fill it."""
    found: dict[str, list[str]] = {}
    meant = {name: _by_name(name) for name in columns}
    for is_whole in (True, False):
        for name, meaning in meant.items():
            if meaning is None or meaning[1] != is_whole:
                continue
            # A name that only holds a known word ("first_and_surname") does not go beside one that is it.
            if is_whole or meaning[0] in (*LISTS, *APART) or meaning[0] not in found:
                found.setdefault(meaning[0], []).append(name)
    silent = [name for name, meaning in meant.items() if meaning is None and _says_something(name, sample)]
    _add_by_content(found, silent, sample, distinct, country)
    _settle_names(found, sample)
    return {field: tuple(names if field in SEVERAL else names[:1]) for field, names in found.items()}


def _says_something(name: str, sample: Mapping[str, Sequence[str]]) -> bool:
    """False for columns about the record, whatever they hold, and for those without a value."""
    return bool(sample.get(name)) and not BOOKKEEPING.intersection(folded(name).split("_"))


def _add_by_content(
    found: dict[str, list[str]],
    silent: Sequence[str],
    sample: Mapping[str, Sequence[str]],
    distinct: Mapping[str, float],
    country: str,
) -> None:
    """Add the columns whose names say nothing, in the file's order, to ``found`` by what they hold."""
    seen = {name: field_by_content(sample[name], country) for name in silent}
    if not NAMES.intersection(found):
        words = {name: sample[name] for name in silent if seen[name] is None}
        seen |= {name: field for field, name in names_by_content(words).items()}
    categories = 0
    for name, field in seen.items():
        share = distinct.get(name, len(set(sample[name])) / len(sample[name]))
        if field is None and categories < MOST_CATEGORIES and _is_category(sample[name], share):
            field = CATEGORY
            categories += 1
        if field is not None and (field in (*LISTS, *APART) or field not in found):
            found.setdefault(field, []).append(name)


def _settle_names(found: dict[str, list[str]], sample: Mapping[str, Sequence[str]]) -> None:
    """Decide what a column that holds a name holds of it, by the other columns of names."""
    has_given, has_surname = "given_name_raw" in found, "surname_raw" in found
    if "full_name_raw" in found and has_given and has_surname:
        del found["full_name_raw"]
    elif "full_name_raw" in found and has_surname and folded(found["full_name_raw"][0]) in NAME_OR_SURNAME:
        # "name, surname": the name is the given one, unless it repeats the surname.
        values = sample.get(found["full_name_raw"][0], ())
        surnames = {word for s in sample.get(found["surname_raw"][0], ()) for word in s.casefold().split()}
        repeats = sum(not surnames.isdisjoint(value.casefold().split()[1:]) for value in values)
        if repeats < len(values) / 2:
            found["given_name_raw"] = found.pop("full_name_raw")
    elif "full_name_raw" in found and has_given and folded(found["full_name_raw"][0]) in NAME_OR_SURNAME:
        # "Vorname, Name" and "prénom, nom": a surname has one word, or two.
        values = sample.get(found["full_name_raw"][0], ())
        if sum(len(value.split()) == 1 for value in values) >= len(values) / 2:
            found["surname_raw"] = found.pop("full_name_raw")
    elif has_given and not has_surname and "full_name_raw" not in found:
        # The only name there is: "nombre" means all of it.
        found["full_name_raw"] = found.pop("given_name_raw")

"""The key of a drafted feed: which columns tell its rows apart, and what of it is a guess."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.bronze.secrets import is_secret_name
from pipelines.linkage.columns import LISTS, folded, is_of_staff, recognised
from pipelines.ops.draft_events import EVENTS, KEYS, is_filled, thing_of, words
from pipelines.ops.draft_values import date_formats
from pipelines.ops.sample import Sample
from pipelines.sources import FILE, ROW

PEOPLE = ("full_name_raw", "given_name_raw", "surname_raw")
_ID = {"id", "no", "num", "key", "code", "codigo", "cod", "clave", "cve", "nr", "numero"}
"""Words in the names of keys."""


def people_of(sample: Sample) -> dict[str, tuple[str, ...]]:
    """Field of a customer → the columns that fill it; those of staff and of credentials fill none, and numbers are no names."""
    own = [name for name in sample.columns if not is_of_staff(name) and not is_secret_name(name)]
    found = recognised(own, sample.values)
    return {
        role: names
        for role, names in found.items()
        if role not in PEOPLE or not _has_digits(sample, names[0])
    }


def _has_digits(sample: Sample, name: str) -> bool:
    """True where most values have a digit, as ids have, and articles."""
    values = sample.values[name]
    return 2 * sum(any(c.isdigit() for c in value) for value in values) > len(values)


def key_of(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> list[str]:
    """The columns of the key; adds to ``checks`` where nothing calls them so."""
    wanted = [roles[role] for role in KEYS.get(target, ())]
    if ROW in wanted:
        return [FILE, ROW]
    if target == "bronze_only" and thing_of(sample) is not None:
        return [*sample.columns[:1]]
    if wanted and sample.is_key(*wanted):
        return wanted
    # A column of credentials is no key: it is never stored. Nor is who served a customer.
    safe = [n for n in sample.columns if not is_secret_name(n) and not is_of_staff(n)]
    likely = [n for n in safe if _ID & set(folded(n).split("_")) and not _says(sample, n)]
    for name in likely:
        if sample.is_key(name):
            return [name]
    unique = [n for n in safe if sample.is_key(n) and not _says(sample, n)]
    if unique and not likely:
        checks.append(
            f"key: is {unique[0]} the key? It is different in every row of the sample, and not called so"
        )
        return unique[:1]
    contact = [n for n in safe if not likely and sample.is_key(n) and _reaches(sample, n)]
    if contact:
        checks.append(
            f"key: {contact[0]} was taken, which is different in every row; whose changes is somebody else then. Does the "
            "source have an id?"
        )
        return contact[:1]
    return _not_unique(sample, target, wanted, [*likely, *safe], checks)


def _not_unique(
    sample: Sample, target: str, wanted: list[str], safe: list[str], checks: list[str]
) -> list[str]:
    """What is taken where no column that can be a key is different in every row. Names are none: many people have the same."""
    people = people_of(sample)
    named = {name for role in PEOPLE for name in people.get(role, ())}
    others = [n for n in safe if n not in named] or safe
    if target == "bronze_only" or not others:
        checks.append("key: no column that can be one is different in every row; each row stands for itself")
        return [FILE, ROW]
    taken = wanted or others[:1]
    checks.append(
        f"key: no column that can be one is different in every row; {' with '.join(taken)} was taken, rows with the same "
        "value replace each other"
    )
    return taken


def numbered(sample: Sample, roles: Mapping[str, str], checks: list[str]) -> dict[str, str]:
    """The roles of order lines with what tells those of an order apart, where no column numbers them."""
    if "line_no" in roles and is_filled(sample, roles["line_no"]):
        return {**roles}
    order, article = roles["order_id"], roles.get("sku")
    if article is not None and sample.is_key(order, article):
        checks.append(
            f"line_no: no column numbers the lines of an order; {article} was taken, which no order of the sample has twice. "
            "One that does would lose a line: can the lines be numbered?"
        )
        return {**roles, "line_no": article}
    checks.append(
        "line_no: no column numbers the lines of an order, and nothing else tells them apart; the row in the file was taken, so "
        "lines that are delivered again may count twice: can they be numbered?"
    )
    return {**roles, "line_no": ROW}


def _says(sample: Sample, name: str) -> bool:
    """True for a column of what people or events are, have or pay: it may be different in every row by chance."""
    events = " ".join(
        names
        for target in ("orders", "cases")
        for role, names in EVENTS[target].items()
        if not role.endswith("_id")
    )
    people = people_of(sample)
    said = (*PEOPLE, *LISTS, "address_raw", "postal_code_raw", "birth_date_raw")
    is_said = any(name in people.get(role, ()) for role in said)
    return is_said or bool(date_formats(sample.values[name])) or words(name) in events.split()


def _reaches(sample: Sample, name: str) -> bool:
    """True for a column by which one person is reached or registered."""
    people = people_of(sample)
    return any(name in people.get(role, ()) for role in (*LISTS, "tax_id_raw"))

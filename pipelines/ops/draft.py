"""``padron source draft``: the YAML of a new source from a sample of one feed, for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.bronze.column_names import told_names
from pipelines.bronze.landing import feed_of
from pipelines.bronze.secrets import is_secret_name
from pipelines.config import validate
from pipelines.config_problems import sentence
from pipelines.config_yaml import parse
from pipelines.errors import UsageError
from pipelines.linkage.columns import folded, recognised
from pipelines.ops.draft_events import EVENTS, KEYS, PARSES, also_orders, called, event_of, words
from pipelines.ops.draft_values import about_codes, check_dates, codes, date_formats, standard_codes
from pipelines.ops.sample import Sample, quoted
from pipelines.silver.targets import TARGETS, check_sources
from pipelines.sources import OP, PLACEHOLDERS, Source, Use
from pipelines.standardise.text import plain

LISTS, JOINED = ("emails_raw", "phones_raw"), ("address_raw",)
PEOPLE = ("full_name_raw", "given_name_raw", "surname_raw")
CODED = ("status", "priority", "category", "case_type")
CHANNELS = {"cases": "contact_centre"}
GENDERS = ("gender", "sexo", "genero", "sex", "sexe", "genre", "geschlecht")
_FEMALE = ("f", "female", "mujer", "femenino", "femme", "frau", "w", "weiblich", "feminino")
_MALE = ("male", "hombre", "masculino", "homme", "mann", "mannlich", "h", "v", "varon")
MOMENTS = {
    "registered_at": "created_at registered_at fecha_alta alta registration_date created signup_date",
    "updated_at": "updated_at modified_at fecha_modificacion fecha_ultima_modificacion ultima_modificacion "
    "fecha_actualizacion fecha_ultima_actualizacion ultima_actualizacion last_modified updated",
}
MOST_PLACES = 5
"""Columns that are told by their place."""
NOUNS = {"orders": "order", "order_lines": "line", "returns": "return", "cases": "case"}


@dataclass(frozen=True)
class Draft:
    """YAML that is valid, and what a person must look at."""

    text: str
    target: str
    checks: tuple[str, ...]


def draft(sample: Sample, source: str, feed: str, about: str) -> Draft:
    """The declaration of a feed like ``sample``; ``about`` names the file. Raises UsageError for a bad name."""
    checks = _left_out(sample)
    if not sample.columns:
        raise UsageError(sentence("; ".join([f"{about} has no columns", *checks])))
    target, roles = _target(sample)
    key = _key(sample, target, roles, checks)
    maps = (
        _customer_map(sample, key, checks)
        if target == "customer_records"
        else _event_map(sample, target, roles, checks)
    )
    _check_amounts(sample, maps, checks)
    _check_unused(sample, target, maps, key, checks)
    is_delta = any(name.casefold() == OP for name in sample.columns)
    mode = "delta" if is_delta else "append" if target in EVENTS else "snapshot"
    checks.append(
        {
            "delta": "mode: every file has op, so it is a delta",
            "append": "mode: append never deletes; is a row ever taken back?",
            "snapshot": "mode: is every file the full state? If files hold changes only, they need a column op",
        }[mode]
    )
    checks.append("cadence_days: how often does it deliver? One file does not say")
    if feed_of(about.split(".")[0], [feed]) is None:
        checks.append(
            f"feed: have it delivered as {feed}, or {feed}-PART; under the name of {about} it is not taken in"
        )
    secret = [name for name in sample.columns if is_secret_name(name)]
    checks += [f"{name} looks like a credential and is never stored" for name in secret]
    lines = [
        f"# Drafted from {about}, {sample.rows:,} rows. To be read by somebody who knows the source:",
        # A value that is shown may hold the end of a line.
        *[f"# - {' '.join(check.split())}" for check in checks],
        f"source: {source}",
        f"owner: {PLACEHOLDERS[0]}",
        f"channel: {CHANNELS.get(target, 'orders' if target in EVENTS else 'crm')}",
        "cadence_days: 1",
        *([f"encoding: {sample.encoding}"] if sample.encoding != "utf-8" else []),
        *([f"delimiter: {quoted(sample.delimiter)}"] if sample.delimiter != "," else []),
        "feeds:",
        f"  {feed}:",
        f"    mode: {mode}",
        f"    key: [{', '.join(_name(k) for k in key)}]",
        f"    target: {target}",
        *(['    decimal: ","'] if _has_decimal_comma(sample, maps) else []),
        *_birth_formats(sample, maps),
        "    columns:",
        *[_column(sample, name, key) for name in sample.columns],
        *(["    map:", *[f"      {name}: {how}" for name, how in maps.items()]] if maps else []),
    ]
    text = "\n".join(lines) + "\n"
    content, node = parse(text, "draft")
    check_sources({source: validate(Source, content, node, "draft")})
    return Draft(text, target, tuple(checks))


def _left_out(sample: Sample) -> list[str]:
    """What of the file is not in the sample."""
    told = []
    if sample.malformed:
        count = sum(sample.malformed.values())
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sample.malformed.items())
        told.append(f"malformed rows, left out: {count:,} of {sample.rows + count:,} ({reasons})")
    if sample.misnamed:
        places = ", ".join(map(str, sample.misnamed[:MOST_PLACES]))
        more = " …" if len(sample.misnamed) > MOST_PLACES else ""
        told.append(
            f"columns whose name is an e-mail or a telephone number, left out: {len(sample.misnamed):,} (number {places}{more}); "
            "has the file no header, or a value for a key?"
        )
    return told


def _name(column: str) -> str:
    return (
        column
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and column.lower() not in _WORDS
        else quoted(column)
    )


_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def _column(sample: Sample, name: str, key: Sequence[str]) -> str:
    is_full = len(sample.values[name]) == sample.rows > 0
    note = f"  # {len(sample.values[name]) / max(sample.rows, 1):.0%} filled" if not is_full else ""
    return f"      {_name(name)}: {{required: true}}" if name in key else f"      {_name(name)}:{note}"


def _target(sample: Sample) -> tuple[str, dict[str, str]]:
    """What the rows become, and for events which column is what."""
    event = event_of(sample)
    if event is not None:
        return event
    found = recognised(sample.columns, sample.values)
    is_people = (
        any(role in found for role in PEOPLE)
        or len(set(found) & {"emails_raw", "phones_raw", "tax_id_raw"}) > 1
    )
    return ("customer_records" if is_people else "bronze_only"), {}


_ID = {"id", "no", "num", "key", "code", "codigo", "cod", "clave", "nr", "numero"}
"""Words in the names of keys."""


def _says(sample: Sample, name: str) -> bool:
    """True for a column of what people or events are, have or pay: it may be different in every row by chance."""
    events = " ".join(
        names
        for target in ("orders", "cases")
        for role, names in EVENTS[target].items()
        if not role.endswith("_id")
    )
    people = recognised(sample.columns, sample.values)
    is_said = any(name in people.get(role, ()) for role in (*PEOPLE, *LISTS, *JOINED, "birth_date_raw"))
    return is_said or bool(date_formats(sample.values[name])) or words(name) in events.split()


def _reaches(sample: Sample, name: str) -> bool:
    """True for a column by which one person is reached or registered."""
    people = recognised(sample.columns, sample.values)
    return any(name in people.get(role, ()) for role in (*LISTS, "tax_id_raw"))


def _key(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> list[str]:
    wanted = [roles[role] for role in KEYS.get(target, ())]
    if wanted and sample.is_key(*wanted):
        return wanted
    likely = [n for n in sample.columns if _ID & set(folded(n).split("_")) and not is_secret_name(n)]
    for name in likely:
        if sample.is_key(name):
            return [name]
    unique = [
        n for n in sample.columns if sample.is_key(n) and not is_secret_name(n) and not _says(sample, n)
    ]
    if unique and not likely:
        checks.append(
            f"key: is {unique[0]} the key? It is different in every row of the sample, and not called so"
        )
        return unique[:1]
    contact = [n for n in sample.columns if not likely and sample.is_key(n) and _reaches(sample, n)]
    if contact:
        checks.append(
            f"key: {contact[0]} was taken, which is different in every row; whose changes is somebody else then. Does the "
            "source have an id?"
        )
        return contact[:1]
    # A column of credentials is no key: it is never stored. Nor are names: many people have the same.
    people = recognised(sample.columns, sample.values)
    named = {name for role in PEOPLE for name in people.get(role, ())}
    safe = [n for n in sample.columns if not is_secret_name(n)]
    others = [n for n in safe if n not in named] or safe
    if target == "bronze_only" or not others:
        checks.append("key: no column that can be one is different in every row; each row stands for itself")
        return ["_file", "_row"]
    taken = wanted or [*likely, *others][:1]
    checks.append(
        f"key: no column that can be one is different in every row; {' with '.join(taken)} was taken, rows with the same "
        "value replace each other"
    )
    return taken


def _moment(column: str, values: Sequence[str]) -> str:
    formats = ", ".join(quoted(p) for p in date_formats(values))
    return f"{{column: {_name(column)}, parse: timestamp" + (f", formats: [{formats}]}}" if formats else "}")


def _customer_map(sample: Sample, key: Sequence[str], checks: list[str]) -> dict[str, str]:
    found = recognised([c for c in sample.columns if not is_secret_name(c)], sample.values)
    known = set(TARGETS["customer_records"].columns)
    made = {"record_id": _name(key[0])}
    for role, columns in found.items():
        named = ", ".join(_name(c) for c in columns)
        if role in LISTS:
            made[role] = f"[{named}]"
        elif role in JOINED and len(columns) > 1:
            made[role] = f"{{join: [{named}]}}"
        elif role in known:
            made[role] = _name(columns[0])
    gender = called(sample, " ".join(GENDERS))
    if gender is not None:
        seen = {v.lower() for v in sample.values[gender]}
        # Beside an H (hombre) or a V (varón) an M is a mujer.
        m_is = "F" if seen & {"h", "v"} else "M"
        meant = {"m": m_is} | dict.fromkeys(_FEMALE, "F") | dict.fromkeys(_MALE, "M")
        told = codes([v for v in sample.values[gender] if plain(v) in meant], meant)
        if told:
            made["gender"] = f'{{column: {_name(gender)}, codes: {told}, unmapped: "null"}}'
            other = sorted(v for v in seen if plain(v) not in meant and len(v) < 3)
            left = f"; without a translation, and so NULL: {', '.join(other)}" if other else ""
            checks.append(f"gender: are the codes translated right?{left}")
    for role, names in MOMENTS.items():
        column = called(sample, names)
        if column is not None and date_formats(sample.values[column]):
            made[role] = _moment(column, sample.values[column])
            check_dates(role, column, sample.values[column], checks)
    for column in found.get("birth_date_raw", ())[:1]:
        check_dates("birth_date", column, sample.values[column], checks)
    return made


def _check_unused(
    sample: Sample, target: str, maps: Mapping[str, str], key: Sequence[str], checks: list[str]
) -> None:
    content, node = parse("\n".join(f"{name}: {how}" for name, how in maps.items()), "draft")
    use = validate(Use, {"key": [*key], "target": target, "map": content}, node, "draft")
    used = {*key, *(column for part in use.parts for column in part.columns)}
    left = [
        name
        for name in sample.columns
        if name not in used and name.casefold() != OP and not is_secret_name(name)
    ]
    if left:
        checks.append(
            f"not used yet: {', '.join(told_names(left))}; does one of them say something about the {NOUNS.get(target, 'customer')}?"
        )


def _event_map(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    if target == "cases" and "case_type" not in roles and "category" in roles:
        made |= _type_by_category(roles["category"], sample, checks)
    for role, column in roles.items():
        values = sample.values[column]
        if role.endswith("_at"):
            made[role] = _moment(column, values)
            check_dates(role, column, values, checks)
        elif role in PARSES:
            made[role] = f"{{column: {_name(column)}, parse: {PARSES[role]}}}"
        elif role in CODED and (told := codes(values, standard_codes(target, role))) is not None:
            made[role] = f"{{column: {_name(column)}, codes: {told}, unmapped: keep}}"
            checks.append(about_codes(target, role, values))
        else:
            made[role] = _name(column)
    if "unit_price" in made and "amount" not in made:
        factors = ", ".join(_name(roles[role]) for role in ("quantity", "unit_price"))
        made["amount"] = f"{{product: [{factors}]}}"
        checks.append("amount: is it quantity times unit price, before discounts?")
    if "record_id" in EVENTS.get(target, ()) and "record_id" not in made:
        checks.append(
            f"record_id: no column says whose {NOUNS[target]} it is: it would have no customer. Map the one that does"
        )
    if target in EVENTS and "source" in TARGETS[target].columns and "source" not in made:
        made["source"] = f"{{constant: {PLACEHOLDERS[1]}}}"
        checks.append("source: name the source whose records `record_id` points at (crm, erp …)")
    if target == "order_lines" and also_orders(sample):
        checks.append(
            "derive: the lines say when the order was and whose it is: have orders made of them too"
        )
    return made


def _type_by_category(column: str, sample: Sample, checks: list[str]) -> dict[str, str]:
    """The type of a case by what it is about; none where no word says it, for no type is not known to be none."""
    told = codes(sample.values[column], standard_codes("cases", "case_type"))
    if told in (None, "{}"):
        return {}
    checks.append(about_codes("cases", "case_type", sample.values[column], "as other"))
    return {"case_type": f"{{column: {_name(column)}, codes: {told}, unmapped: other}}"}


def _amounts(sample: Sample, maps: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The columns of amounts, and their values without signs of currencies."""
    named = [c for c in sample.columns if f"{{column: {_name(c)}, parse: amount}}" in maps.values()]
    return [(c, [re.sub(r"[^\d.,-]", "", v) for v in sample.values[c]]) for c in named]


def _has_decimal_comma(sample: Sample, maps: Mapping[str, str]) -> bool:
    """True where more values can only be read with a comma than only with a point; most can be read with either."""
    return any(commas > points for commas, points in (_marks(values) for _, values in _amounts(sample, maps)))


def _marks(values: Sequence[str]) -> tuple[int, int]:
    """How many amounts can only have a decimal comma, and how many only a decimal point."""
    return _only(",", ".", values), _only(".", ",", values)


def _only(decimal: str, thousands: str, values: Sequence[str]) -> int:
    """Amounts in which ``decimal`` stands before one or two digits at the end, or ``thousands`` more than once."""
    mark, parts = re.escape(decimal), rf"\d{{1,3}}({re.escape(thousands)}\d{{3}})"
    form = re.compile(rf"-?(\d+|{parts}+){mark}\d{{1,2}}|-?{parts}{{2,}}")
    return sum(form.fullmatch(value) is not None for value in values)


def _check_amounts(sample: Sample, maps: Mapping[str, str], checks: list[str]) -> None:
    """Say where a point may part thousands or decimals."""
    for column, values in _amounts(sample, maps):
        commas, points = _marks(values)
        if commas and points:
            checks.append(
                f"{column}: some amounts have a decimal comma ({commas:,}), some a decimal point ({points:,}); which is right?"
            )
        pointed = [v for v in values if "." in v]
        if pointed and all(re.fullmatch(r"-?\d{1,3}(\.\d{3})+", v) for v in pointed) and not commas:
            checks.append(f'{column}: does the point of {pointed[0]} part thousands? Then write decimal: ","')


def _birth_formats(sample: Sample, maps: Mapping[str, str]) -> list[str]:
    told = maps.get("birth_date_raw")
    formats = next((date_formats(sample.values[c]) for c in sample.columns if _name(c) == told), [])
    return (
        [f"    birth_date_formats: [{', '.join(quoted(p) for p in formats)}]"]
        if formats and formats != ["yyyy-MM-dd"]
        else []
    )

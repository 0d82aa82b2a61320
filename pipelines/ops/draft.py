"""``padron source draft``: the YAML of a new source from a sample of one feed, for a person to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.bronze.column_names import told_names
from pipelines.bronze.landing import feed_of
from pipelines.bronze.secrets import is_secret_name
from pipelines.config import validate
from pipelines.config_problems import sentence
from pipelines.config_yaml import parse
from pipelines.errors import UsageError
from pipelines.linkage.columns import JOINED, LISTS, is_of_staff
from pipelines.ops.draft_amounts import check_amounts, has_decimal_comma
from pipelines.ops.draft_events import (
    EVENTS,
    PARSES,
    also_orders,
    called,
    document_of,
    event_of,
    order_named,
    thing_of,
)
from pipelines.ops.draft_keys import PEOPLE, key_of, numbered, people_of
from pipelines.ops.draft_values import about_codes, check_dates, codes, date_formats, standard_codes
from pipelines.ops.sample import Sample, named, quoted
from pipelines.silver.targets import TARGETS, check_sources
from pipelines.sources import OP, PLACEHOLDERS, Source, Use
from pipelines.standardise.text import plain

CODED = ("status", "priority", "category", "case_type")
CHANNELS = {"cases": "contact_centre"}
GENDERS = ("gender", "sexo", "genero", "sex", "sexe", "genre", "geschlecht")
_FEMALE = ("f", "female", "mujer", "femenino", "femme", "frau", "w", "weiblich", "feminino")
_MALE = ("male", "hombre", "masculino", "homme", "mann", "mannlich", "h", "v", "varon")
MOMENTS = {
    "registered_at": "created_at registered_at fecha_alta fec_alta alta fecha_registro fecha_creacion registration_date created "
    "created_on date_created signup_date signup_ts",
    "updated_at": "updated_at modified_at fecha_modificacion fecha_ultima_modificacion ultima_modificacion "
    "fecha_actualizacion fecha_ultima_actualizacion ultima_actualizacion last_modified last_updated updated updated_on "
    "date_updated",
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
    doubt: str | None = None
    """Why the rows may be something else, or become nothing."""


def draft(sample: Sample, source: str, feed: str, about: str) -> Draft:
    """The declaration of a feed like ``sample``; ``about`` names the file. Raises UsageError for a bad name."""
    checks = _left_out(sample)
    if not sample.columns:
        raise UsageError(sentence("; ".join([f"{about} has no columns", *checks])))
    target, roles, doubt = _target(sample)
    checks += [doubt] if doubt is not None else []
    if target == "order_lines":
        roles = numbered(sample, roles, checks)
    key = key_of(sample, target, roles, checks)
    maps = (
        _customer_map(sample, key, checks)
        if target == "customer_records"
        else _event_map(sample, target, roles, checks)
    )
    check_amounts(sample, maps, checks)
    _check_unused(sample, target, maps, key, checks)
    is_delta = any(name.casefold() == OP for name in sample.columns)
    is_event = target in EVENTS or document_of(sample) is not None
    mode = "delta" if is_delta else "append" if is_event else "snapshot"
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
        f"    key: [{', '.join(named(k) for k in key)}]",
        f"    target: {target}",
        *(['    decimal: ","'] if has_decimal_comma(sample, maps) else []),
        *_birth_formats(sample, maps),
        "    columns:",
        *[_column(sample, name, key) for name in sample.columns],
        *(["    map:", *[f"      {name}: {how}" for name, how in maps.items()]] if maps else []),
    ]
    text = "\n".join(lines) + "\n"
    content, node = parse(text, "draft")
    check_sources({source: validate(Source, content, node, "draft")})
    return Draft(text, target, tuple(checks), doubt)


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


def _column(sample: Sample, name: str, key: Sequence[str]) -> str:
    is_full = len(sample.values[name]) == sample.rows > 0
    note = f"  # {len(sample.values[name]) / max(sample.rows, 1):.0%} filled" if not is_full else ""
    return f"      {named(name)}: {{required: true}}" if name in key else f"      {named(name)}:{note}"


def _target(sample: Sample) -> tuple[str, dict[str, str], str | None]:
    """What the rows become, for events which column is what, and why it may be otherwise."""
    event = event_of(sample)
    document = document_of(sample) if event is None or event[0] in ("orders", "order_lines") else None
    if document is not None:
        return _of_document(sample, *document, event)
    if event is not None:
        return *event, None
    thing = thing_of(sample)
    if thing is not None:
        return (
            "bronze_only",
            {},
            f"target: the rows look like {thing} ({sample.columns[0]}), of which no table is made: they are landed, and become "
            "nothing else",
        )
    if _are_people(sample):
        return "customer_records", {}, _of_purchases(sample)
    return (
        "bronze_only",
        {},
        "target: nothing says that the rows are customers, orders, their lines, returns or cases: they are landed, and become "
        "nothing else",
    )


def _are_people(sample: Sample) -> bool:
    found = people_of(sample)
    has_contacts = len(set(found) & {"emails_raw", "phones_raw", "tax_id_raw"}) > 1
    return has_contacts or any(role in found for role in PEOPLE)


def _of_purchases(sample: Sample) -> str | None:
    """What to ask about rows that hold people, and money."""
    money = called(sample, EVENTS["orders"]["amount"])
    if money is None:
        return None
    return (
        f"target: the rows name people and have money ({money}): are they purchases? Then map their number, date and amount to "
        "orders, and have the customers made of them too (derive)"
    )


def _of_document(
    sample: Sample, kind: str, number: str, event: tuple[str, dict[str, str]] | None
) -> tuple[str, dict[str, str], str]:
    """Payments become nothing, for one order has several; invoices are orders where no column names the orders."""
    order = order_named(sample)
    if kind == "invoices" and order is None and event is not None:
        return (
            *event,
            f"target: the rows look like invoices ({number}), and may be no orders: where orders are delivered too, what was "
            "sold would count twice; write bronze_only then, without a map",
        )
    besides = f" of orders ({order})" if order is not None else ""
    return (
        "bronze_only",
        {},
        f"target: the rows look like {kind} ({number}){besides}, of which no table is made: they are landed, and become nothing "
        "else. As orders, one with several would count as often; write orders only where nothing else says what was sold",
    )


def _moment(column: str, values: Sequence[str]) -> str:
    formats = ", ".join(quoted(p) for p in date_formats(values))
    return f"{{column: {named(column)}, parse: timestamp" + (f", formats: [{formats}]}}" if formats else "}")


def _customer_map(sample: Sample, key: Sequence[str], checks: list[str]) -> dict[str, str]:
    found = people_of(sample)
    known = set(TARGETS["customer_records"].columns)
    made = {"record_id": named(key[0])}
    for role, columns in found.items():
        several = ", ".join(named(c) for c in columns)
        if role in LISTS:
            made[role] = f"[{several}]"
        elif role in JOINED and len(columns) > 1:
            made[role] = f"{{join: [{several}]}}"
        elif role in known:
            made[role] = named(columns[0])
    gender = called(sample, " ".join(GENDERS))
    if gender is not None:
        seen = {v.lower() for v in sample.values[gender]}
        # Beside an H (hombre) or a V (varón) an M is a mujer.
        m_is = "F" if seen & {"h", "v"} else "M"
        meant = {"m": m_is} | dict.fromkeys(_FEMALE, "F") | dict.fromkeys(_MALE, "M")
        told = codes([v for v in sample.values[gender] if plain(v) in meant], meant)
        if told:
            made["gender"] = f'{{column: {named(gender)}, codes: {told}, unmapped: "null"}}'
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
    staff = [name for name in left if is_of_staff(name)]
    if staff:
        told = ", ".join(told_names(staff))
        checks.append(f"of those who served and not of the customer, so without a role: {told}")
        left = [name for name in left if name not in staff]
    if left:
        checks.append(
            f"not used yet: {', '.join(told_names(left))}; does one of them say something about the {NOUNS.get(target, 'customer')}?"
        )


def _event_map(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    if target == "cases" and "case_type" not in roles and "category" in roles:
        made |= _type_by_category(roles["category"], sample, checks)
    for role, column in roles.items():
        values = sample.values.get(column, ())
        if role.endswith("_at"):
            made[role] = _moment(column, values)
            check_dates(role, column, values, checks)
        elif role in PARSES:
            made[role] = f"{{column: {named(column)}, parse: {PARSES[role]}}}"
        elif role in CODED and (told := codes(values, standard_codes(target, role))) is not None:
            made[role] = f"{{column: {named(column)}, codes: {told}, unmapped: keep}}"
            checks.append(about_codes(target, role, values))
        else:
            made[role] = named(column)
    if "unit_price" in made and "amount" not in made:
        factors = ", ".join(named(roles[role]) for role in ("quantity", "unit_price"))
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
    return {"case_type": f"{{column: {named(column)}, codes: {told}, unmapped: other}}"}


def _birth_formats(sample: Sample, maps: Mapping[str, str]) -> list[str]:
    told = maps.get("birth_date_raw")
    formats = next((date_formats(sample.values[c]) for c in sample.columns if named(c) == told), [])
    return (
        [f"    birth_date_formats: [{', '.join(quoted(p) for p in formats)}]"]
        if formats and formats != ["yyyy-MM-dd"]
        else []
    )

"""``padron source draft``: the YAML of a new source from a sample of one feed, for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.bronze.secrets import is_secret_name
from pipelines.config import parse, validate
from pipelines.errors import UsageError
from pipelines.linkage.columns import folded, recognised
from pipelines.ops.draft_values import about_codes, check_dates, codes, date_formats, standard_codes
from pipelines.ops.sample import Sample, quoted
from pipelines.silver.targets import TARGETS, check_sources
from pipelines.sources import OP, Source
from pipelines.standardise.text import plain

LISTS, JOINED = ("emails_raw", "phones_raw"), ("address_raw",)
PEOPLE = ("full_name_raw", "given_name_raw", "surname_raw")
EVENTS: dict[str, dict[str, str]] = {
    "orders": {
        "order_id": "order_id order_no order_number pedido id_pedido num_pedido numero_pedido no_pedido n_pedido nro_pedido cod_pedido "
        "ticket_no invoice",
        "ordered_at": "order_ts ordered_at order_date order_time fecha_pedido fecha_del_pedido fecha fecha_compra date timestamp "
        "created_at",
        "amount": "amount total importe importe_total monto monto_total total_amount total_pedido gross order_total valor",
        "currency": "currency moneda divisa currency_code",
        "status": "status estado estatus order_status estado_pedido",
        "record_id": "customer_id source_customer_id client_id id_cliente cliente_id cod_cliente codigo_cliente num_cliente no_cliente "
        "n_cliente customer_no card_no user_id contact_id",
        "channel": "channel canal",
        "store_id": "store_id store tienda sucursal id_tienda",
        "source": "source source_system origen",
    },
    "cases": {
        "case_id": "ticket_id case_id id_ticket caso id_caso case_no incidencia",
        "opened_at": "opened_at created_at fecha_apertura abierto opened fecha",
        "first_response_at": "first_response_at primera_respuesta first_reply_at",
        "closed_at": "closed_at fecha_cierre solved_at cerrado",
        "category": "category categoria tipo type motivo",
        "priority": "priority prioridad",
        "status": "status estado estatus",
        "csat": "csat satisfaction satisfaccion valoracion",
        "record_id": "requester_id customer_id client_id id_cliente user_id contact_id",
        "source": "source source_system origen",
    },
}
"""What the columns of events are called, folded."""
NEEDED = {"orders": ("order_id", "ordered_at", "amount"), "cases": ("case_id", "opened_at")}
CODED = ("status", "priority", "category")
GENDERS = ("gender", "sexo", "genero", "sex", "sexe", "genre", "geschlecht")
_FEMALE = ("f", "female", "mujer", "femenino", "femme", "frau", "weiblich", "feminino")
_MALE = ("male", "hombre", "masculino", "homme", "mann", "mannlich", "h", "v", "varon")
MOMENTS = {
    "registered_at": "created_at registered_at fecha_alta alta registration_date created signup_date",
    "updated_at": "updated_at modified_at fecha_modificacion last_modified updated",
}


@dataclass(frozen=True)
class Draft:
    """YAML that is valid, and what a person must look at."""

    text: str
    target: str
    checks: tuple[str, ...]


def draft(sample: Sample, source: str, feed: str, about: str) -> Draft:
    """The declaration of a feed like ``sample``; ``about`` names the file. Raises UsageError for a bad name."""
    if not sample.columns:
        raise UsageError(f"{about} has no columns.")
    checks: list[str] = []
    target, roles = _target(sample)
    key = _key(sample, target, roles, checks)
    maps = (
        _customer_map(sample, key, checks)
        if target == "customer_records"
        else _event_map(sample, target, roles, checks)
    )
    _check_amounts(sample, maps, checks)
    is_delta = OP in sample.columns
    mode = "delta" if is_delta else "append" if target in EVENTS else "snapshot"
    checks.append(
        {
            "delta": "mode: every file has op, so it is a delta",
            "append": "mode: append never deletes; is a row ever taken back?",
            "snapshot": "mode: is every file the full state? If files hold changes only, they need a column op",
        }[mode]
    )
    checks.append("cadence_days: how often does it deliver? One file does not say")
    secret = [name for name in sample.columns if is_secret_name(name)]
    checks += [f"{name} looks like a credential and is never stored" for name in secret]
    lines = [
        f"# Drafted from {about}, {sample.rows:,} rows. To be read by somebody who knows the source:",
        *[f"# - {check}" for check in checks],
        f"source: {source}",
        "owner: TO BE NAMED",
        f"channel: {'orders' if target == 'orders' else 'contact_centre' if target == 'cases' else 'crm'}",
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


def _called(sample: Sample, names: str) -> str | None:
    """The first column with one of the names, in the names' order."""
    by_name = {folded(column): column for column in reversed(sample.columns)}
    return next((by_name[n] for n in names.split() if n in by_name), None)


def _target(sample: Sample) -> tuple[str, dict[str, str]]:
    """What the rows become, and for events which column is what."""
    for target, vocabulary in EVENTS.items():
        roles = {role: column for role, names in vocabulary.items() if (column := _called(sample, names))}
        if all(role in roles for role in NEEDED[target]):
            return target, roles
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
        names for roles in EVENTS.values() for role, names in roles.items() if not role.endswith("_id")
    )
    people = recognised(sample.columns, sample.values)
    is_said = any(name in people.get(role, ()) for role in (*PEOPLE, *LISTS, *JOINED, "birth_date_raw"))
    return is_said or bool(date_formats(sample.values[name])) or folded(name) in events.split()


def _key(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> list[str]:
    wanted = roles.get({"orders": "order_id", "cases": "case_id"}.get(target, ""))
    if wanted is not None and sample.is_key(wanted):
        return [wanted]
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
    # A column of credentials is no key: it is never stored.
    others = [n for n in sample.columns if not is_secret_name(n)]
    if target == "bronze_only" or not others:
        checks.append("key: no column that can be one is different in every row; each row stands for itself")
        return ["_file", "_row"]
    first = wanted or [*likely, *others][0]
    checks.append(
        f"key: no column that can be one is different in every row; {first} was taken, rows with the same value replace "
        "each other"
    )
    return [first]


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
    gender = _called(sample, " ".join(GENDERS))
    if gender is not None:
        seen = {v.lower() for v in sample.values[gender]}
        # Beside an H (hombre) an M is a mujer.
        m_is = "F" if "h" in seen else "M"
        meant = {"m": m_is} | dict.fromkeys(_FEMALE, "F") | dict.fromkeys(_MALE, "M")
        told = codes([v for v in sample.values[gender] if plain(v) in meant], meant)
        if told:
            made["gender"] = f'{{column: {_name(gender)}, codes: {told}, unmapped: "null"}}'
            checks.append("gender: are the codes translated right?")
    for role, names in MOMENTS.items():
        column = _called(sample, names)
        if column is not None and date_formats(sample.values[column]):
            made[role] = _moment(column, sample.values[column])
            check_dates(role, column, sample.values[column], checks)
    for column in found.get("birth_date_raw", ())[:1]:
        check_dates("birth_date", column, sample.values[column], checks)
    used = " ".join(made.values())
    left = [
        c for c in sample.columns if not re.search(rf"(?<!\w){re.escape(_name(c))}(?!\w)", used) and c != OP
    ]
    if left:
        checks.append(f"not used yet: {', '.join(left)}; does one of them say something about the customer?")
    return made


def _event_map(sample: Sample, target: str, roles: Mapping[str, str], checks: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for role, column in roles.items():
        values = sample.values[column]
        if role.endswith("_at"):
            made[role] = _moment(column, values)
            check_dates(role, column, values, checks)
        elif role in ("amount", "csat"):
            made[role] = f"{{column: {_name(column)}, parse: {'amount' if role == 'amount' else 'integer'}}}"
        elif role in CODED and (told := codes(values, standard_codes(target, role))) is not None:
            made[role] = f"{{column: {_name(column)}, codes: {told}, unmapped: keep}}"
            checks.append(about_codes(target, role, values))
        else:
            made[role] = _name(column)
    if target in EVENTS and "source" not in made:
        made["source"] = "{constant: TO_BE_NAMED}"
        checks.append("source: name the source whose records `record_id` points at (crm, erp …)")
    return made


def _amounts(sample: Sample, maps: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The columns of amounts, and their values without signs of currencies."""
    named = [c for c in sample.columns if f"{{column: {_name(c)}, parse: amount}}" in maps.values()]
    return [(c, [re.sub(r"[^\d.,-]", "", v) for v in sample.values[c]]) for c in named]


def _has_decimal_comma(sample: Sample, maps: Mapping[str, str]) -> bool:
    for _, values in _amounts(sample, maps):
        commas = sum(re.fullmatch(r"-?[\d.]*\d,\d{1,2}", v) is not None for v in values)
        if values and commas > len(values) / 2:
            return True
    return False


def _check_amounts(sample: Sample, maps: Mapping[str, str], checks: list[str]) -> None:
    """Say where a point may part thousands or decimals."""
    for column, values in _amounts(sample, maps):
        pointed = [v for v in values if "." in v]
        if (
            pointed
            and all(re.fullmatch(r"-?\d{1,3}(\.\d{3})+", v) for v in pointed)
            and "," not in "".join(values)
        ):
            checks.append(f'{column}: does the point of {pointed[0]} part thousands? Then write decimal: ","')


def _birth_formats(sample: Sample, maps: Mapping[str, str]) -> list[str]:
    told = maps.get("birth_date_raw")
    formats = next((date_formats(sample.values[c]) for c in sample.columns if _name(c) == told), [])
    return (
        [f"    birth_date_formats: [{', '.join(quoted(p) for p in formats)}]"]
        if formats and formats != ["yyyy-MM-dd"]
        else []
    )

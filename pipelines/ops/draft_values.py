"""What the values of a sample say: the forms of its dates, and its codes and their standard ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipelines.bronze.secrets import without_secrets
from pipelines.ops.draft_personal import EMAIL, names_somebody
from pipelines.ops.sample import quoted
from pipelines.standardise.text import plain

MOST_CODES = 20
PERSONAL_DIGITS = 6
"""Digits of a value that is rather a telephone number or an id than a code."""
DATE_FORMATS = (
    ("yyyy-MM-dd", r"\d{4}-\d{2}-\d{2}"),
    ("yyyy/MM/dd", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("yyyyMMdd", r"(19|20)\d{6}"),
    *[
        (f"dd{mark}MM{mark}{year}", rf"\d{{1,2}}[{mark}]\d{{1,2}}[{mark}]\d{{{len(year)}}}")
        for mark in "/-."
        for year in ("yyyy", "yy")
    ],
    ("yyyy-MM-dd'T'HH:mm:ss", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"),
    ("yyyy-MM-dd HH:mm:ss", r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"),
    *[
        (f"dd{mark}MM{mark}yyyy {time}", rf"\d{{1,2}}[{mark}]\d{{1,2}}[{mark}]\d{{4}} {digits}")
        for mark in "/-"
        for time, digits in (("HH:mm", r"\d{1,2}:\d{2}"), ("HH:mm:ss", r"\d{1,2}:\d{2}:\d{2}"))
    ],
)
"""Spark's pattern, and what a value of it looks like."""
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
"""What is read without a pattern."""
_STANDARD: dict[tuple[str, str], dict[str, str]] = {
    ("orders", "status"): {
        "completed": "completed complete wc-completed surtido surtida completado completada entregado entregada delivered "
        "pagado pagada paid facturado facturada finalizado finalizada enviado enviada shipped",
        "returned": "returned wc-refunded devuelto devuelta devolucion refunded reembolsado reembolsada",
        "cancelled": "cancelled canceled wc-cancelled cancelado cancelada anulado anulada void",
        "pending": "pending pendiente wc-pending wc-processing wc-on-hold processing en_proceso en_preparacion",
    },
    ("cases", "status"): {
        "open": "open abierto abierta new nuevo nueva",
        "pending": "pending pendiente waiting en_espera en_proceso",
        "solved": "solved resolved resuelto resuelta solucionado solucionada",
        "closed": "closed cerrado cerrada",
    },
    ("cases", "case_type"): {
        "claim": "claim complaint queja reclamacion reclamo garantia warranty averia",
        "request": "request solicitud peticion devolucion return envio shipment cambio cancelacion",
        "query": "query question consulta duda pregunta factura invoice cuenta account informacion",
    },
    ("cases", "priority"): {
        "low": "low baja bajo",
        "medium": "medium media medio normal",
        "high": "high alta alto",
        "critical": "critical critica critico urgent urgente",
    },
}
"""Standard codes, and what sources call them, folded."""


def standard_codes(target: str, role: str) -> dict[str, str] | None:
    """The standard code of each word; None where a column has no standard codes."""
    standard = _STANDARD.get((target, role))
    if standard is None:
        return None
    return {word.replace("_", " "): code for code, words in standard.items() for word in words.split()}


def about_codes(target: str, role: str, values: Sequence[str], rest: str = "as they are written") -> str:
    """What to ask about the codes of a column; ``rest``: as what those without a translation count."""
    meant = standard_codes(target, role)
    seen = {_one_line(v) for v in values}
    personal = _personal(values, meant)
    withheld = (
        f" ({len(personal)} left out here, which look like a name, an e-mail, a telephone number, an id or a credential)"
        if personal
        else ""
    )
    if meant is None:
        return f"{role}: write your own codes on the right{withheld}"
    unknown = sorted(v for v in seen - personal if plain(v) not in meant)
    known = ", ".join(_STANDARD[target, role])
    if not unknown:
        return f"{role}: are the codes translated right? The standard ones: {known}{withheld}"
    return (
        f"{role}: which of {known} is {', '.join(unknown)}{withheld}? Without a translation they count {rest}"
    )


def _one_line(value: str) -> str:
    return " ".join(value.split()).lower()


def _personal(values: Sequence[str], meant: Mapping[str, str] | None) -> set[str]:
    """Those of ``values``, in one line, that are not written: what has a standard code is nobody's name.

    A word such as Rosa or Max may be a code: alone it counts as a name where most of the column's words do.
    """
    seen = {_one_line(v): v for v in values if plain(_one_line(v)) not in (meant or {})}
    names = {v for v in seen if names_somebody(v)}
    is_of_names = 2 * len(names) > len(seen)
    return {v for v, said in seen.items() if _is_personal(said) or (v in names and (is_of_names or " " in v))}


def _is_personal(value: str) -> bool:
    if EMAIL.search(value) is not None or sum(c.isdigit() for c in value) >= PERSONAL_DIGITS:
        return True
    return bool(without_secrets(pa.array([value])).to_pylist() != [value])


def date_formats(values: Sequence[str]) -> list[str]:
    """The date patterns that the values have, the most frequent first; the month first where more values say so."""
    counts = {p: [v for v in values if re.fullmatch(r, v)] for p, r in DATE_FORMATS}
    found = sorted(counts.items(), key=lambda item: -len(item[1]))
    return [_as_written(p, fitting) for p, fitting in found if len(fitting) > 0.01 * len(values)]


def _as_written(pattern: str, values: Sequence[str]) -> str:
    """``pattern`` with the month first, and with numbers of one digit, where the values are so."""
    days, months = _above_twelve(values)
    if pattern.startswith("dd") and months > days:
        pattern = re.sub(r"dd([/.-])MM", r"MM\1dd", pattern)
    if any(re.search(r"(?<!\d)\d(?!\d)", v) for v in values):
        pattern = re.sub(r"(dd|MM|HH)", lambda found: found[0][0], pattern)
    return pattern


def _above_twelve(values: Sequence[str]) -> tuple[int, int]:
    """How many dates that begin with day or month can only begin with the day, and only with the month."""
    begun = [m for v in values if (m := re.match(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}(?!\d)", v))]
    return sum(int(m[1]) > 12 for m in begun), sum(int(m[2]) > 12 for m in begun)


def check_dates(role: str, column: str, values: Sequence[str], checks: list[str]) -> None:
    """Say what of the dates of a column is a guess, or is not read."""
    formats = [r for _, r in DATE_FORMATS]
    unread = sum(not (_ISO.fullmatch(v) or any(re.fullmatch(r, v) for r in formats)) for v in values)
    days, months = _above_twelve(values)
    if unread > 0.01 * len(values):
        checks.append(
            f"{role}: {unread:,} of {len(values):,} values of {column} have no form that is known: add theirs"
        )
    if days and months:
        checks.append(
            f"{role}: {column} has dates with the day first ({days:,}) and with the month first ({months:,})"
        )
    elif not days and not months and any(p[0] in "dM" for p in date_formats(values)):
        checks.append(f"{role}: is the day first in {column}? No value of the sample tells")


def codes(values: Sequence[str], meant: Mapping[str, str] | None = None) -> str | None:
    """Every code that stands in the sample, but what looks personal; None where they are too many, or too long, to be codes.

    ``meant``: the standard code of each that is known, folded; the others are left out. None: a code means itself.
    """
    seen = sorted({_one_line(v) for v in values})
    if not 0 < len(seen) <= MOST_CODES or any(len(v) > 30 or len(v.split()) > 3 for v in seen):
        return None
    personal = _personal(values, meant)
    told = (
        {v: _slug(v) or v for v in seen if v not in personal}
        if meant is None
        else {v: meant[k] for v in seen if (k := plain(v)) in meant}
    )
    return f"{{{', '.join(f'{quoted(v)}: {quoted(code)}' for v, code in told.items())}}}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", plain(text)).strip("_")

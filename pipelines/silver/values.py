"""Text as received → typed values: Column → Column, NULL where the text does not say one thing.

Nothing here raises on data. Blanks are NULL everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pyspark.sql import functions as F

from pipelines.tables import BOOLEAN, DATE, DOUBLE, LONG, MONEY, TIMESTAMP

if TYPE_CHECKING:
    from pyspark.sql import Column

BLANKS = " \t\r\n\u00a0"
FACTOR = "decimal(18,6)"  # the product of two has 37 digits, so that Spark need not round it

_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?)?$"
_OFFSET = r":\d{2}.*([Zz]|[+-]\d{2}(:?\d{2})?)$"
ISO_PATTERNS = ("yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ssX")
"""Patterns of timestamps that are ISO 8601, and read as such: a pattern that does not fit costs an exception a row."""
_TRUE = ("true", "t", "yes", "y", "si", "sí", "s", "1")
_FALSE = ("false", "f", "no", "n", "0")


def present(value: Column) -> Column:
    """Without the blanks around it; NULL where nothing is left."""
    return F.nullif(F.btrim(value, F.lit(BLANKS)), F.lit(""))


def folded(value: Column) -> Column:
    """For the comparison of codes: lower case, one blank between words."""
    return F.lower(F.regexp_replace(present(value), rf"[{BLANKS}]+", " "))


def fold(code: str) -> str:
    """``folded`` of a code that stands in YAML."""
    return " ".join(code.split()).lower()


def has_offset(pattern: str) -> bool:
    """True where a timestamp pattern reads a zone or an offset.

    >>> has_offset("yyyy-MM-dd'T'HH:mm:ssX"), has_offset("yyyy-MM-dd'T'HH:mm:ss")
    (True, False)
    """
    return re.search("[XxZVOz]", re.sub(r"'[^']*'", "", pattern)) is not None


def as_date(text: Column, formats: Sequence[str] = ()) -> Column:
    """A date by the first of ``formats`` that fits, or ISO 8601; impossible dates are NULL."""
    value = present(text)
    iso = F.when(value.rlike(_ISO), F.substring(value, 1, 10).try_cast(DATE))
    return F.coalesce(*[F.try_to_date(value, pattern) for pattern in formats], iso)


def as_timestamp(text: Column, formats: Sequence[str] = (), *, zone: str = "UTC") -> Column:
    """A moment by the first of ``formats`` that fits, or ISO 8601.

    Text without an offset is local time in ``zone``. The session's zone is UTC. A local time that
    the change to summer time skips is moved by the hour that is missing; one that comes twice is the first.
    """
    value = present(text)
    read = []
    for pattern in (named for named in formats if named not in ISO_PATTERNS):
        moment = F.try_to_timestamp(value, F.lit(pattern))
        read.append(moment if has_offset(pattern) else F.to_utc_timestamp(moment, zone))
    moment = F.regexp_replace(F.upper(value), r"([+-]\d{2})(\d{2})$", "$1:$2").try_cast(TIMESTAMP)
    naive = F.to_utc_timestamp(value.try_cast(TIMESTAMP), zone)
    iso = F.when(value.rlike(_ISO), F.when(value.rlike(_OFFSET), moment).otherwise(naive))
    return F.coalesce(*read, iso)


def _grouping(separator: str, decimal: str) -> str:
    """Matches each ``separator`` that can only group thousands: others or a decimal stand in the number too."""
    sign, own, its = r"^[+-]?[1-9]\d{0,2}", re.escape(separator), re.escape(decimal)
    before, after = rf"(?<={sign}({own}\d{{3}}){{%s}})", rf"\d{{3}}({own}\d{{3}})"
    return "|".join(
        (
            rf"{before % '0,6'}{own}(?={after}*{its}\d+$)",
            rf"{before % '0,6'}{own}(?={after}+$)",
            rf"{before % '1,6'}{own}(?={after}*$)",
        )
    )


def plain_number(text: Column, decimal: Literal[".", ","] = ".") -> Column:
    """The digits of a number as people write it, with a point; NULL where it is none or ambiguous.

    ``1.234,56`` and ``1,234.56``: with both separators the last one is the decimal. With one of
    them, ``decimal`` is the decimal; the other one groups thousands where it can (``1,234``) and is
    a decimal where it cannot (``12,50``). Currency signs and codes, blanks and apostrophes are
    dropped; ``(12.50)`` and ``12.50-`` are negative.
    """
    # One chain in which each step stands once: alternatives would repeat it, past what Spark compiles.
    other = re.escape("," if decimal == "." else ".")
    value = F.regexp_replace(F.translate(text, "−", "-"), r"[\s\u00a0\u202f'’€$£¥]", "")
    value = F.regexp_replace(value, r"^[A-Za-z]{3}(?=[-+(\d.,])|(?<=[\d.,)])[A-Za-z]{3}$", "")
    value = F.regexp_replace(value, r"^\(([\d.,]+)\)$|^([\d.,]+)-$", "-$1$2")
    value = F.regexp_replace(value, _grouping(".", ","), "")
    value = F.regexp_replace(value, _grouping(",", "."), "")
    value = F.regexp_replace(value, rf"^([+-]?[1-9]\d{{0,2}}){other}(\d{{3}})$", "$1$2")
    shape = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$"
    read = F.nullif(F.regexp_extract(F.translate(value, ",", "."), shape, 0), F.lit(""))
    # Nearly every number is written plainly, and the chain would leave it as it is.
    plain = r"^[+-]?\d+(\.\d+)?\z" if decimal == "." else r"^[+-]?\d+\z"
    return F.when(text.rlike(plain), text).otherwise(read)


def as_amount(text: Column, decimal: Literal[".", ","] = ".") -> Column:
    """Money, to four decimals; NULL where ``plain_number`` is, or where it does not fit."""
    return plain_number(text, decimal).try_cast(MONEY)


def as_number(text: Column, decimal: Literal[".", ","] = ".") -> Column:
    """A double."""
    return plain_number(text, decimal).try_cast(DOUBLE)


def as_integer(text: Column, decimal: Literal[".", ","] = ".") -> Column:
    """A whole number; ``17850.0`` is one, ``3.5`` is NULL."""
    return F.regexp_replace(plain_number(text, decimal), r"\.0*$", "").try_cast(LONG)


def as_boolean(text: Column) -> Column:
    """true, t, yes, y, sí, si, s, 1; false, f, no, n, 0; NULL otherwise."""
    value = folded(text)
    return F.when(value.isin(*_TRUE), F.lit(True)).when(value.isin(*_FALSE), F.lit(False)).cast(BOOLEAN)


def product(left: Column, right: Column, decimal: Literal[".", ","] = ".") -> Column:
    """Two numbers multiplied exactly, as money; factors keep six decimals."""
    return (
        plain_number(left, decimal).try_cast(FACTOR) * plain_number(right, decimal).try_cast(FACTOR)
    ).try_cast(MONEY)

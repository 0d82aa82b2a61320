"""New customer ids: opaque, the same in a rerun, and never one that was published before.

An id is a digest of the night, the publication and the smallest record of its cluster. In one
publication every cluster has another smallest record, and a publication follows its own prior
state only once: two customers never get one id. Nothing but the key of a record goes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

CONV_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U, which are misread."""

HEX_DIGITS = 15
"""Hexadecimal digits that ``conv`` takes at once: 60 bits, 12 digits in base 32."""


def _base32(hexadecimal: Column) -> Column:
    from pyspark.sql import functions as F

    digits = F.lpad(F.conv(hexadecimal, 16, 32), HEX_DIGITS * 4 // 5, "0")
    return F.translate(digits, CONV_DIGITS, CROCKFORD)


def minted_id(*origin: Column, salt: str) -> Column:
    """``C`` and 24 characters (120 bits) from ``origin``; ``salt`` keeps two warehouses' ids apart."""
    from pyspark.sql import functions as F

    named = {f"p{place}": column for place, column in enumerate(origin)}
    text = F.to_json(
        F.struct(*[column.alias(name) for name, column in named.items()], F.lit(salt).alias("salt"))
    )
    digest = F.sha2(text, 256)
    halves = [F.substring(digest, 1 + start, HEX_DIGITS) for start in (0, HEX_DIGITS)]
    return F.concat(F.lit("C"), *[_base32(half) for half in halves])

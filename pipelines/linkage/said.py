"""What two records say in each role, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import ROLE_TYPES


@dataclass(frozen=True)
class RoleValues:
    """What the two records say in one role, as compared; None where one says nothing."""

    role: str
    left: str | None
    right: str | None
    left_counts: bool
    """False where the value, or the address that it is of, is generic and counts neither for blocking nor for comparison."""
    right_counts: bool


def said_values(
    connection: duckdb.DuckDBPyConnection, a: int, b: int, conf: Linkage
) -> tuple[RoleValues, ...]:
    """What nodes ``a`` and ``b`` say, by role; roles in which neither says anything are left out.

    Over the tables ``facts`` (as read) and ``people`` (without what is generic).
    """
    open_roles = sorted(role for role in conf.fields if role not in ROLE_TYPES)
    roles = [*(role for role in ROLE_TYPES if role in conf.fields), *open_roles]
    chosen = ", ".join(
        f"CASE WHEN f.{r} IS NOT NULL THEN "
        + (
            f"array_to_string(f.{r}, ', ')"
            if pa.types.is_list(ROLE_TYPES.get(r, pa.string()))
            else f"CAST(f.{r} AS VARCHAR)"
        )
        + f" END AS {r}, f.{r} IS NULL OR p.{r} IS NOT NULL AS {r}_counts"
        for r in roles
    )
    query = f"SELECT {chosen} FROM facts f JOIN people p USING (node) WHERE node = $1"
    left, right = (connection.sql(query, params=[node]).to_arrow_table().to_pylist()[0] for node in (a, b))
    return tuple(
        RoleValues(r, left[r], right[r], left[f"{r}_counts"], right[f"{r}_counts"])
        for r in roles
        if left[r] is not None or right[r] is not None
    )

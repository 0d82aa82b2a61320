"""Whether SQL runs on columns of given types, before there is any record to run it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb


@dataclass(frozen=True)
class Statement:
    """SQL that must bind to the columns' types: a comparison's levels, or a blocking rule."""

    what: str
    """What it is, in words."""
    conditions: tuple[str, ...]
    columns: frozenset[str]
    exploded: frozenset[str] = frozenset()
    """List columns of which the condition sees one element."""
    over: Literal["records", "pair", "record"] = "records"
    """Columns are of records ``l`` and ``r``; ``name_l`` and ``name_r``; or those of one record."""

    def query(self, types: Mapping[str, str]) -> str:
        """The conditions over a table without rows."""
        cells = {name: f"CAST(NULL AS {types[name]})" for name in sorted(self.columns)}
        if self.over == "pair":
            cells = {f"{name}_{side}": cell for name, cell in cells.items() for side in "lr"}
        row = ", ".join(
            f'unnest({cell}) AS "{name}"' if name in self.exploded else f'{cell} AS "{name}"'
            for name, cell in cells.items()
        )
        if self.over == "records":
            return f"SELECT 1 FROM (SELECT {row}) l JOIN (SELECT {row}) r ON {self.conditions[0]} LIMIT 0"
        return f"SELECT {', '.join(f'({c})' for c in self.conditions)} FROM (SELECT {row}) LIMIT 0"

    def fails(self, connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> str | None:
        """What DuckDB says against it on columns of these types; None where it runs."""
        try:
            connection.execute(self.query(types)).fetchall()
        except duckdb.Error as error:
            return str(error).splitlines()[0]
        return None

"""What another linkage of the same records changes: customers merged, split, unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

KINDS = ("unchanged", "merged", "split", "rearranged")
"""What becomes of a customer: the same records; joined with others; in parts; in parts that join others."""
_KEY = ["source", "record_id"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Effect:
    """Two partitions of the records that both have."""

    customers_before: int
    customers_after: int
    customers: dict[str, int]
    """Customers of before, by what becomes of them (``KINDS``)."""
    records: dict[str, int]
    """Their records."""
    pairs_gained: int
    """Pairs of records that were two customers and become one."""
    pairs_lost: int
    touched: pa.Table = field(repr=False)
    """customer, kind: those of before that do not stay as they were."""

    @property
    def is_none(self) -> bool:
        return self.customers["unchanged"] == self.customers_before

    def as_dict(self) -> dict[str, object]:
        """The counts, for programs."""
        return {
            "customers_before": self.customers_before,
            "customers_after": self.customers_after,
            "customers": self.customers,
            "records": self.records,
            "pairs_gained": self.pairs_gained,
            "pairs_lost": self.pairs_lost,
        }

    def in_words(self) -> str:
        """One line, such as ``12 customers merged, 3 split, 0 rearranged, 985 unchanged``."""
        named = ", ".join(
            f"{self.customers[k]:,} {k}" for k in ("merged", "split", "rearranged", "unchanged")
        )
        return f"customers: {named}"


def effect(before: pa.Table, after: pa.Table, was: str, becomes: str) -> Effect:
    """Compare column ``was`` of ``before`` with ``becomes`` of ``after``; both have source, record_id.

    Records that only one side has are left out: a deleted or new record is no effect of linkage.
    """
    left, right = before.select([*_KEY, was]), after.select([*_KEY, becomes])
    left = left.rename_columns([*_KEY, "was"]).cast(_schema("was"))
    right = right.rename_columns([*_KEY, "becomes"]).cast(_schema("becomes"))
    joined = left.join(right, keys=_KEY, join_type="inner")
    names, old = _codes(joined["was"])
    _, new = _codes(joined["becomes"])
    news = int(new.max()) + 1 if len(new) else 0
    overlaps, sizes = np.unique(old * max(news, 1) + new, return_counts=True)
    old_of, new_of = overlaps // max(news, 1), overlaps % max(news, 1)
    parts = np.bincount(old_of, minlength=len(names))
    joins = np.bincount(new_of, minlength=news)
    is_split = parts > 1
    is_merged = np.zeros(len(names), bool)
    np.logical_or.at(is_merged, old_of, joins[new_of] > 1)
    kind = is_merged.astype(np.int64) + 2 * is_split
    records = np.bincount(old, minlength=len(names))
    together = _pairs(sizes.astype(np.int64))
    changed = np.flatnonzero(kind)
    return Effect(
        len(names),
        news,
        {name: int((kind == i).sum()) for i, name in enumerate(KINDS)},
        {name: int(records[kind == i].sum()) for i, name in enumerate(KINDS)},
        _pairs(np.bincount(new).astype(np.int64)) - together,
        _pairs(records.astype(np.int64)) - together,
        pa.table(
            {
                "customer": names.take(pa.array(changed)),
                "kind": pa.array([KINDS[i] for i in kind[changed]], pa.string()),
            }
        ),
    )


def _schema(column: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in (*_KEY, column)])


def _codes(column: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """The distinct values, sorted, and each row's place among them."""
    values = pa.array(sorted(column.unique().to_pylist()), pa.string())
    codes = pc.index_in(column, value_set=values).to_numpy().astype(np.int64)
    return values, codes


def _pairs(sizes: Ints) -> int:
    return int((sizes * (sizes - 1) // 2).sum())

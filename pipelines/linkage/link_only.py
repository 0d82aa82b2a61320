"""Sources that are free of duplicates: two records of one of them are never compared or joined.

Splink calls it ``link_only`` where all sources are so. Such a pair does not exist for the engine:
it is not among the candidates, not scored inside a component, and what is not compared never
shares a group (``agglomerate``), so that a cluster holds at most one record of each such source.
"""

from __future__ import annotations

from collections.abc import Sequence


def may_be_compared(duplicate_free: Sequence[str]) -> str:
    """SQL over two rows ``l`` and ``r`` with a column ``source``: not both of one duplicate-free source."""
    if not duplicate_free:
        return "true"
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in duplicate_free)
    return f"NOT (l.source = r.source AND l.source IN ({names}))"

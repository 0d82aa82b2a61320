"""Names of columns that nobody declared, as messages tell them: what may be a value of a row is counted, not told."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from pipelines.bronze.secrets import without_secrets

_NAME = re.compile(r"[^\W\d][\w-]{0,39}")


def looks_like_a_name(name: str) -> bool:
    """False for what a key of JSON gone wrong, or the first row of a file without a header, makes of a value.

    >>> looks_like_a_name("points_2026"), looks_like_a_name("ana@x.es"), looks_like_a_name("600 100 200")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None and without_secrets(pa.array([name])).to_pylist() == [name]


def told_names(names: Iterable[str]) -> list[str]:
    """``names`` for a message: sorted, and how many of them do not look like names."""
    every = sorted(names)
    told = [name for name in every if looks_like_a_name(name)]
    other = len(every) - len(told)
    return [*told, *([f"{other} that do not look like names"] if other else [])]

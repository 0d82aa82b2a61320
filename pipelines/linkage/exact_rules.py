"""Deterministic rules of conf/linkage.yml: exact keys that link or forbid before the model.

A rule with ``match`` links the records that agree on all its roles; with ``never`` too it forbids
those of them that differ in all of these. A generic value and a blank agree with nothing and
differ from nothing. Lists (e-mails, phones) agree where they have one value in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.config import LISTS, ExactRule, Role

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]

_SAME_KIND: dict[str, str] = {"tax_id": " AND NOT coalesce(l.tax_id_type <> r.tax_id_type, false)"}
"""Where values of two kinds are not two values: one person has an RFC and a CURP."""


def agree(role: Role) -> str:
    """SQL over the records ``l`` and ``r`` of table ``people``: both say the same of ``role``."""
    if role in LISTS:
        return f"coalesce(list_has_any(l.{role}, r.{role}), false)"
    return f"coalesce(l.{role} = r.{role}{_SAME_KIND.get(role, '')}, false)"


def differ(role: str) -> str:
    """SQL over the records ``l`` and ``r`` of table ``people``: each says another thing of ``role``."""
    return f"coalesce(l.{role} <> r.{role}{_SAME_KIND.get(role, '')}, false)"


def _condition(rule: ExactRule) -> str:
    return " AND ".join([*(agree(role) for role in rule.match), *(differ(role) for role in rule.never)])


def chains(connection: duckdb.DuckDBPyConnection, rules: Sequence[ExactRule]) -> tuple[Ints, Ints]:
    """Pairs of nodes (left < right) that put all the records that a rule links into one component.

    Records that share a key are chained in the order of their nodes: a key of a thousand records is
    a thousand links and not half a million. Which pairs the rule links is for ``verdicts`` to say.
    """
    parts = [_chain(rule) for rule in rules if not rule.never]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = connection.sql(
        f"SELECT DISTINCT node_l, node_r FROM ({' UNION ALL '.join(parts)}) "
        "WHERE node_l IS NOT NULL ORDER BY node_l, node_r"
    ).to_arrow_table()
    return found["node_l"].to_numpy().astype(np.int64), found["node_r"].to_numpy().astype(np.int64)


def exact_keys_query(rules: Sequence[ExactRule]) -> str:
    """SQL over table ``people``: rule, node and key, by which the rules that link, link records.

    ``chains`` are the records of one rule and key in the order of their nodes.
    """
    parts = []
    for number, rule in enumerate(rules):
        if not rule.never:
            elements, keys, known = _keys(rule)
            key = ", ".join(f"CAST({key} AS VARCHAR)" for key in keys)
            parts.append(
                f"""SELECT {number} AS rule, node, concat_ws(chr(31), {key}) AS key
                FROM people{elements} WHERE {known}"""
            )
    return " UNION ALL ".join(parts)


def _keys(rule: ExactRule) -> tuple[str, list[str], str]:
    """SQL of a rule's lists one element at a time, of its keys, and of their being known."""
    elements = "".join(
        f", unnest({role}) AS each_{role}(item_{role})" for role in rule.match if role in LISTS
    )
    keys = [f"item_{role}" if role in LISTS else role for role in rule.match]
    return elements, keys, " AND ".join(f"{key} IS NOT NULL" for key in keys)


def _chain(rule: ExactRule) -> str:
    elements, keys, known = _keys(rule)
    return f"""SELECT lag(node) OVER (PARTITION BY {", ".join(keys)} ORDER BY node) AS node_l, node AS node_r
        FROM people{elements} WHERE {known}"""


@dataclass(frozen=True)
class Verdicts:
    """What the exact rules say of pairs."""

    names: Names
    """Name of each rule."""
    links: Ints
    """Number of the first rule that links a pair; -1 where none does."""
    forbids: Ints
    """Number of the first rule that forbids it; -1 where none does."""

    def sure(self, forbidden: Bools) -> Bools:
        """Pairs that a rule links and no evidence forbids."""
        found: Bools = (self.links >= 0) & ~forbidden
        return found

    def decided_by(self, decided: Names, forbidden: Bools) -> Names:
        """``decided`` with ``rule:<name>`` where a rule links and ``never:<name>`` where one forbids."""
        decided = decided.copy()
        sure, never = self.sure(forbidden), self.forbids >= 0
        decided[sure] = "rule:" + self.names[self.links[sure]]
        decided[never] = "never:" + self.names[self.forbids[never]]
        return decided

    def blocked_by(self, found: Names, unblocked: Bools) -> Names:
        """``found`` with ``rule:<name>`` where no blocking rule brought a pair that a rule links."""
        found = found.copy()
        own = unblocked & (self.links >= 0)
        found[own] = "rule:" + self.names[self.links[own]]
        return found


def verdicts(connection: duckdb.DuckDBPyConnection, pairs: pa.Table, rules: Sequence[ExactRule]) -> Verdicts:
    """What ``rules`` say of each pair (node_l, node_r, sorted) of records of table ``people``."""
    names = np.array([rule.name for rule in rules], dtype=object)
    if not rules or pairs.num_rows == 0:
        nothing = np.full(pairs.num_rows, -1, np.int64)
        return Verdicts(names, nothing, nothing)
    connection.register("judged", pairs.select(["node_l", "node_r"]))
    result = connection.sql(
        f"""SELECT {_first(rules, forbids=False)} AS links, {_first(rules, forbids=True)} AS forbids
        FROM judged j JOIN people l ON l.node = j.node_l JOIN people r ON r.node = j.node_r
        ORDER BY j.node_l, j.node_r"""
    ).to_arrow_table()
    connection.unregister("judged")
    links, forbids = (result[name].to_numpy().astype(np.int64) for name in ("links", "forbids"))
    return Verdicts(names, links, forbids)


def _first(rules: Sequence[ExactRule], *, forbids: bool) -> str:
    """SQL of the number of the first rule of a kind that holds for ``l`` and ``r``."""
    cases = [
        f"WHEN {_condition(rule)} THEN {number}"
        for number, rule in enumerate(rules)
        if bool(rule.never) == forbids
    ]
    return f"CASE {' '.join(cases)} ELSE -1 END" if cases else "-1"

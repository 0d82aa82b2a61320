"""Which pairs are compared: keys by role, blocks capped, each pair once under its first rule.

A rule gives each record one key or several. Records that share a key are a block. A block above
the cap is subdivided by the rule's next keys and, when those do not split it, in slices of
neighbours by name and birth date: it is never compared whole and never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.config import Blocking


@dataclass(frozen=True)
class Rule:
    """A blocking rule: ``key`` is SQL over table ``people``; NULL means no key.

    ``each`` names a list column whose elements become ``item`` in ``key``; ``then`` are the next
    keys of blocks above the cap. A rule that ``is_optional`` stays where it is worth its cost.
    """

    name: str
    key: str
    needs: tuple[str, ...]
    each: str | None = None
    then: tuple[str, ...] = (
        "left(surname_phonetic, 4)",
        "left(given_phonetic, 3)",
        "birth_text",
        "postal_code",
    )
    is_optional: bool = False


_YEAR = "left(birth_text, 4)"
_AREA = (
    "CASE WHEN contains(postal_code, ' ') THEN split_part(postal_code, ' ', 1) ELSE left(postal_code, 3) END"
)
"""The district of a postal code: the outward part in Britain, the first three digits elsewhere."""
_NAME_NEXT = ("birth_text", "second_surname", "postal_code", "city")

RULES: dict[str, tuple[Rule, ...]] = {
    "person": (
        Rule("tax_id", "tax_id", ("tax_id",)),
        Rule("email", "item", ("emails",), "emails"),
        Rule("phone", "item", ("phones",), "phones"),
        Rule("loyalty_id", "loyalty_id", ("loyalty_id",)),
        Rule(
            "surname_birth",
            "surname_phonetic || birth_text",
            ("surname_phonetic", "birth_date"),
            None,
            ("given_phonetic",),
        ),
        Rule(
            "given_birth",
            "item || birth_text",
            ("given_formal", "birth_date"),
            "given_formal",
            ("surname_phonetic",),
        ),
        Rule(
            "given_surname",
            "item || ' ' || surname_phonetic",
            ("given_formal", "surname_phonetic"),
            "given_formal",
            _NAME_NEXT,
        ),
        Rule("email_name", "CASE WHEN length(email_local) >= 7 THEN email_local END", ("email_local",)),
        Rule("token_postal", "item || postal_code", ("name_tokens", "postal_code"), "name_tokens"),
        Rule("birth_postal", "birth_text || postal_code", ("birth_date", "postal_code")),
        Rule(
            "surname_year",
            f"surname_phonetic || {_YEAR}",
            ("surname_phonetic", "birth_date"),
            None,
            ("left(given_phonetic, 2)", "postal_code", "city"),
            is_optional=True,
        ),
        Rule(
            "given_year_area",
            f"item || {_YEAR} || {_AREA}",
            ("given_formal", "birth_date", "postal_code"),
            "given_formal",
            ("left(surname_phonetic, 2)",),
            is_optional=True,
        ),
        Rule(
            "surname_area",
            f"surname_phonetic || {_AREA}",
            ("surname_phonetic", "postal_code"),
            None,
            ("left(given_phonetic, 2)", "birth_text"),
            is_optional=True,
        ),
        Rule(
            "surname_city",
            "surname_phonetic || city",
            ("surname_phonetic", "city"),
            None,
            ("left(given_phonetic, 2)", "birth_text"),
            is_optional=True,
        ),
        Rule(
            "given_birth_area",
            f"left(given_phonetic, 3) || substr(birth_text, 5) || {_AREA}",
            ("given_phonetic", "birth_date", "postal_code"),
            is_optional=True,
        ),
        Rule(
            "given_city",
            "item || ' ' || city",
            ("given_formal", "city"),
            "given_formal",
            ("left(surname_phonetic, 2)", "left(birth_text, 4)", "postal_code"),
            is_optional=True,
        ),
        Rule(
            "birth_city",
            "birth_text || city",
            ("birth_date", "city"),
            None,
            ("left(surname_phonetic, 2)",),
            is_optional=True,
        ),
        Rule(
            "postal",
            "postal_code",
            ("postal_code",),
            None,
            ("left(surname_phonetic, 2)", "left(given_phonetic, 2)"),
            is_optional=True,
        ),
        Rule(
            "year_postal",
            f"{_YEAR} || postal_code",
            ("birth_date", "postal_code"),
            None,
            ("left(surname_phonetic, 2)",),
            is_optional=True,
        ),
    ),
    "company": (
        Rule("tax_id", "tax_id", ("tax_id",)),
        Rule("email", "item", ("emails",), "emails"),
        Rule("phone", "item", ("phones",), "phones"),
        Rule(
            "name_start",
            "left(company_name, 8)",
            ("company_name",),
            None,
            ("left(company_name, 14)", "postal_code", "city"),
        ),
        Rule(
            "street", "street || coalesce(postal_code, city)", ("street",), None, ("left(company_name, 4)",)
        ),
        Rule(
            "name_postal",
            "left(company_name, 3) || postal_code",
            ("company_name", "postal_code"),
            None,
            ("left(company_name, 8)",),
        ),
    ),
}
"""The rules of each party type's model, the surest first."""


@dataclass(frozen=True)
class RuleCost:
    """What one rule brings: its name, pairs first found by it, and its blocks above the cap."""

    rule: str
    pairs: int
    capped_blocks: int
    largest_block: int


LEAST_YIELD = 0.2
"""Share of likely matches among the pairs that only an optional rule brings, below which it goes."""


MOST_COMPARISONS = 10
"""Pairs a record of an optional rule, above which it is not tried."""


def rules_for(model: str, roles: set[str], chosen: tuple[str, ...] | None = None) -> tuple[Rule, ...]:
    """The rules of a model whose roles all have a column; ``chosen``: only those of these names."""
    fitting = (rule for rule in RULES[model] if roles.issuperset(rule.needs))
    return tuple(rule for rule in fitting if chosen is None or rule.name in chosen)


def worth_their_cost(
    rules: tuple[Rule, ...], costs: tuple[RuleCost, ...], candidates: pa.Table
) -> tuple[Rule, ...]:
    """The rules without the optional ones that bring too few likely matches a comparison.

    ``candidates``: of ``score_pairs``, by the first rule that found a pair; a match is likely where
    Splink's probability is one half or more.
    """
    likely = candidates.filter(pc.greater_equal(candidates["match_probability"], 0.5))["rule"]
    found = np.bincount(likely.to_numpy().astype(np.int64), minlength=len(rules))
    return tuple(
        rule
        for rule, cost, matches in zip(rules, costs, found, strict=True)
        if not rule.is_optional or (cost.pairs and matches >= LEAST_YIELD * cost.pairs)
    )


def block(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], conf: Blocking, *, is_trial: bool = False
) -> tuple[RuleCost, ...]:
    """Create the table ``blocked`` (join_key_l < join_key_r, match_key) from table ``people``.

    ``match_key`` is the number of the first rule that found the pair. In a trial an optional rule
    of more than ``MOST_COMPARISONS`` pairs a record brings none: it cannot be worth them.
    """
    capped = block_keys(connection, rules, conf, is_trial=is_trial)
    connection.execute(
        """CREATE OR REPLACE TABLE blocked AS
        SELECT l.node AS join_key_l, r.node AS join_key_r, CAST(min(l.rule) AS VARCHAR) AS match_key
        FROM keys l JOIN keys r ON l.rule = r.rule AND l.key = r.key AND l.node < r.node
        GROUP BY l.node, r.node"""
    )
    connection.execute("DROP TABLE keys")
    found = dict(connection.execute("SELECT match_key, count(*) FROM blocked GROUP BY match_key").fetchall())
    return tuple(
        RuleCost(rule.name, int(found.get(str(number), 0)), *capped[number])
        for number, rule in enumerate(rules)
    )


def block_keys(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], conf: Blocking, *, is_trial: bool = False
) -> list[tuple[int, int]]:
    """Create the table ``keys`` (rule, node, key) from table ``people``: equal keys are a block.

    Blocks above the cap are subdivided in it. Returns each rule's (blocks above the cap, largest
    block); see ``block`` for a trial.
    """
    connection.execute("CREATE OR REPLACE TABLE keys (rule INTEGER, node BIGINT, key VARCHAR)")
    capped: list[tuple[int, int]] = []
    for number, rule in enumerate(rules):
        capped.append(_add_keys(connection, number, rule, conf.max_block))
        if is_trial and rule.is_optional:
            _drop_if_dear(connection, number)
    return capped


def _drop_if_dear(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    """Take back the keys of a rule that compares too much for what it may bring."""
    pairs, records = connection.execute(
        f"""SELECT (SELECT coalesce(sum(n * (n - 1) / 2), 0)
            FROM (SELECT count(*) AS n FROM keys WHERE rule = {number} GROUP BY key)),
            (SELECT count(*) FROM people)"""
    ).fetchall()[0]
    if pairs > MOST_COMPARISONS * records:
        connection.execute(f"DELETE FROM keys WHERE rule = {number}")


def _add_keys(connection: duckdb.DuckDBPyConnection, number: int, rule: Rule, cap: int) -> tuple[int, int]:
    """Append a rule's keys, blocks above ``cap`` subdivided; returns (blocks above, the largest)."""
    source = f"(SELECT *, unnest({rule.each}) AS item FROM people)" if rule.each else "people"
    following = ", ".join(f"coalesce(CAST({key} AS VARCHAR), '')" for key in rule.then)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE rule_keys AS
        SELECT DISTINCT node, CAST({rule.key} AS VARCHAR) AS key, [{following}]::VARCHAR[] AS following,
            concat_ws(' ', surname, given_name, company_name, birth_text) AS neighbour
        FROM {source} WHERE {rule.key} IS NOT NULL"""
    )
    over, largest = connection.execute(
        f"""SELECT count(*) FILTER (n > {cap}), coalesce(max(n), 0)
        FROM (SELECT count(*) AS n FROM rule_keys GROUP BY key)"""
    ).fetchall()[0]
    above = f"SELECT key FROM rule_keys GROUP BY key HAVING count(*) > {cap}"
    if over:
        for depth in range(1, len(rule.then) + 1):
            connection.execute(
                f"UPDATE rule_keys SET key = key || chr(31) || following[{depth}] WHERE key IN ({above})"
            )
        connection.execute(
            f"""UPDATE rule_keys SET key = rule_keys.key || chr(31) || s.slice FROM (
                SELECT node, key, (row_number() OVER (PARTITION BY key ORDER BY neighbour, node) - 1) // {cap} AS slice
                FROM rule_keys WHERE key IN ({above})) s
            WHERE rule_keys.node = s.node AND rule_keys.key = s.key"""
        )
    connection.execute(f"INSERT INTO keys SELECT {number}, node, key FROM rule_keys")
    connection.execute("DROP TABLE rule_keys")
    return int(over), int(largest)

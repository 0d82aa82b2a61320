"""conf/linkage.yml in Splink's vocabulary: comparisons and blocking rules of a data engineer.

A comparison is a name of Splink's comparison library with its arguments, or a comparison dict of
Splink's; a rule is what ``block_on`` takes, or a condition. Columns are those of table ``people``:
the roles, and what is derived from them.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import duckdb
import splink.comparison_library as library

from pipelines.config import ProblemsError
from pipelines.linkage.binding import Statement
from pipelines.linkage.blocking_rules import Rule, by_condition
from pipelines.linkage.comparisons import Own, splink_comparison
from pipelines.linkage.config import SqlRule
from pipelines.linkage.dialects import OWN, columns_of
from pipelines.linkage.engine import role_type
from pipelines.linkage.levels import RAREST, Comparison, Level

if TYPE_CHECKING:
    from pipelines.linkage.config import Linkage

DERIVED = {
    "birth_text": ("birth_date", "VARCHAR"),
    "birth_swapped": ("birth_date", "VARCHAR"),
    "birth_day": ("birth_date", "VARCHAR"),
    "birth_year": ("birth_date", "VARCHAR"),
    "email_locals": ("emails", "VARCHAR[]"),
    "email_first": ("emails", "VARCHAR"),
    "phone_first": ("phones", "VARCHAR"),
}
"""Columns of table ``people`` that ``records.prepare`` derives: from which role, and their type."""
OPTIONS = ("term_frequency_adjustments", "m_probabilities", "u_probabilities")
"""What stands beside a library name: the arguments of Splink's ``configure``."""
M_OF_STRONGEST = 0.95
U_OF_AGREEMENT = 0.01
"""Values of a level that nobody gave any, until training finds them."""
_OF_A_LEVEL = (
    *("sql_condition", "label_for_charts", "is_null_level", "m_probability", "u_probability"),
    *("tf_adjustment_column", "tf_adjustment_weight", "tf_minimum_u_value"),
)
"""What a level may say: all that ``padron generations export`` writes."""
_REFUSED = {
    "fix_m_probability": "training finds the m of every level that it sees pairs of",
    "fix_u_probability": "training finds the u of every level that it sees pairs of",
    "disable_tf_exact_match_detection": "frequencies correct the u of the level of equal values",
}
"""Options of a level that padron's own training and frequencies leave no room for, and why."""
_JSON_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def check(conf: Linkage) -> None:
    """Raises ProblemsError, with every problem, where comparisons or rules cannot be used."""
    problems: list[tuple[tuple[str | int, ...], str]] = []
    types = _types(conf)
    statements: list[tuple[tuple[str | int, ...], Statement]] = []
    for name, entry in conf.comparisons.items():
        at: tuple[str | int, ...] = ("comparisons", name)
        try:
            statements.append(
                (at, _of_comparison(own_comparison(name, entry), f"comparisons: {name}", types))
            )
        except ValueError as error:
            problems.append((at, f"comparisons: {name}: {error}"))
    for number, given in enumerate(conf.blocking.rules, 1):
        at = ("blocking", "rules", number - 1)
        try:
            statements.append((at, _of_rule(_own_rule(given, types), f"blocking: rule {number}", types)))
        except ValueError as error:
            problems.append((at, f"blocking: rule {number}: {error}"))
    with duckdb.connect(":memory:") as connection:
        for at, statement in statements:
            reason = statement.fails(connection, types)
            if reason is not None:
                problems.append((at, f"{statement.what} cannot be computed: {reason}"))
    if problems:
        raise ProblemsError(problems)


def own_comparisons(conf: Linkage) -> Own:
    """The comparisons that conf/linkage.yml names, by name. Raises ValueError where one is wrong."""
    return {name: own_comparison(name, entry) for name, entry in conf.comparisons.items()}


def own_rules(conf: Linkage) -> tuple[Rule, ...]:
    """The blocking rules that conf/linkage.yml fixes; none where training chooses."""
    types = _types(conf)
    return tuple(_own_rule(given, types) for given in conf.blocking.rules)


def own_comparison(name: str, entry: dict[str, Any]) -> Comparison:
    """A comparison from a library name with arguments, or from a Splink dict. Raises ValueError.

    >>> own_comparison("surname", {"ExactMatch": {}}).levels[0].condition
    '"surname_l" = "surname_r"'
    """
    if not (name.isidentifier() and name == name.lower()):
        raise ValueError("a comparison's name is small letters, digits and _")
    plain = entry if "comparison_levels" in entry else _from_library(name, entry)
    levels = plain["comparison_levels"]
    if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
        raise ValueError("comparison_levels is no list of levels")
    if unknown := sorted(set(plain) - {"comparison_levels", "output_column_name", "comparison_description"}):
        raise ValueError(f"{', '.join(unknown)} is no key of a comparison")
    if any(not isinstance(level.get("sql_condition"), str) for level in levels):
        raise ValueError("a level has no sql_condition")
    nulls = [level["sql_condition"] for level in levels if level.get("is_null_level")]
    known = [level for level in levels if not level.get("is_null_level")]
    if known != levels[len(nulls) :]:
        raise ValueError("the null level stands first: what a record does not know is compared with nothing")
    if len(known) < 2 or known[-1]["sql_condition"].strip().upper() != "ELSE":
        raise ValueError(
            "it needs two levels or more beside the null level, the last with sql_condition ELSE"
        )
    missing = nulls[0] if len(nulls) == 1 else " OR ".join(f"({c})" for c in nulls) or "false"
    return Comparison(name, missing, _levels(known))


def _from_library(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    named = [key for key in entry if key not in OPTIONS]
    if len(named) != 1:
        raise ValueError(
            "name one comparison of Splink's library with its arguments, such as "
            "{ExactMatch: {}}, or give comparison_levels"
        )
    kind = named[0]
    if kind not in library.__all__ or kind == "CustomComparison":
        near = difflib.get_close_matches(kind, library.__all__, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(library.__all__)}"
        raise ValueError(f"{kind} is not in Splink's comparison library; {hint}")
    maker = getattr(library, kind)
    arguments = entry[kind] or {}
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {kind} are written as keys and values")
    wanted = [parameter for parameter in inspect.signature(maker).parameters if parameter != "self"]
    if unknown := sorted(set(arguments) - set(wanted)):
        raise ValueError(f"{kind} has no argument {', '.join(unknown)}; it takes {', '.join(wanted)}")
    if "col_name" in wanted:
        arguments = {"col_name": name} | arguments
    options = {option: entry[option] for option in OPTIONS if option in entry}
    try:
        made: dict[str, Any] = maker(**arguments).configure(**options).create_comparison_dict(OWN)
    except Exception as error:
        # Splink checks its arguments with errors of many kinds; its message says which is wrong.
        raise ValueError(f"Splink refuses {kind}: {(str(error).splitlines() or [''])[0]}") from None
    return made


def _levels(known: list[dict[str, Any]]) -> tuple[Level, ...]:
    last = len(known) - 1
    levels: list[Level] = []
    for at, level in enumerate(known):
        for option, reason in _REFUSED.items():
            if level.get(option):
                raise ValueError(f"{option} has no effect in padron, where {reason}: leave it out")
        if unknown := sorted(set(level) - {*_OF_A_LEVEL, *_REFUSED}):
            near = difflib.get_close_matches(unknown[0], _OF_A_LEVEL, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{', '.join(unknown)} is no key of a level{hint}")
        label = str(level.get("label_for_charts") or level["sql_condition"])
        if label in {made.name for made in levels}:
            raise ValueError(f"two levels are called {label}")
        agreeing = M_OF_STRONGEST if at == 0 else (1 - M_OF_STRONGEST) / last
        chance = 1 - last * U_OF_AGREEMENT if at == last else U_OF_AGREEMENT
        m, u = (
            _share(level, f"{kind}_probability", default)
            for kind, default in (("m", agreeing), ("u", chance))
        )
        condition = None if at == last else level["sql_condition"]
        levels.append(Level(label, condition, m, u, *_frequency(level)))
    return tuple(levels)


def _frequency(level: dict[str, Any]) -> tuple[str | None, float, float | None]:
    """The column whose frequencies correct a level, how much of that counts, and the rarest that counts."""
    column = level.get("tf_adjustment_column")
    weight, least = _number(level, "tf_adjustment_weight"), _number(level, "tf_minimum_u_value")
    if column is None and (weight, least) != (None, None):
        raise ValueError("tf_adjustment_weight and tf_minimum_u_value need a tf_adjustment_column")
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"tf_adjustment_weight is {weight:g}, not between 0 and 1")
    if least is not None and not RAREST <= least <= 1:
        raise ValueError(
            f"tf_minimum_u_value is {least:g}, not between {RAREST:g} and 1: padron carries the frequencies of "
            "values above it, at most a hundred thousand a column, and all others count as that rare"
        )
    return column, 1.0 if weight is None else weight, least


def _share(level: dict[str, Any], key: str, default: float) -> float:
    value = _number(level, key)
    if value is None:
        return default
    if not 0 < value < 1:
        raise ValueError(f"{key} is {value}, not between 0 and 1")
    return value


def _number(level: dict[str, Any], key: str) -> float | None:
    """The number at ``key``; None where there is none. Raises ValueError where it is something else."""
    value = level.get(key)
    if value is None:
        return None
    # YAML takes 5e-05, as JSON writes it, for a text.
    is_number = isinstance(value, int | float) or (isinstance(value, str) and _JSON_NUMBER.fullmatch(value))
    if isinstance(value, bool) or not is_number:
        raise ValueError(f"{key} is {value!r}, no number")
    return float(value)


def _types(conf: Linkage) -> dict[str, str]:
    """The columns of table ``people`` that have values, with their types in DuckDB's SQL."""
    sql = {"string": "VARCHAR", "date32[day]": "DATE"}
    found = {role: sql.get(str(role_type(role)), "VARCHAR[]") for role in conf.fields}
    found |= {name: kind for name, (role, kind) in DERIVED.items() if role in conf.fields}
    return found | {f"{role}_tokens": "VARCHAR[]" for role in conf.fields if role.startswith("text_")}


def _known(columns: Iterable[str], types: dict[str, str]) -> frozenset[str]:
    """``columns``. Raises ValueError where one has no values."""
    found = frozenset(columns)
    for column in sorted(found - set(types)):
        near = difflib.get_close_matches(column, types, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(types))}"
        raise ValueError(f"no column {column}; {hint}")
    return found


def _of_comparison(comparison: Comparison, what: str, types: dict[str, str]) -> Statement:
    conditions = (comparison.missing, *(level.condition for level in comparison.levels if level.condition))
    used = {column.removesuffix("_l").removesuffix("_r") for sql in conditions for column in columns_of(sql)}
    corrected = _known((level.frequency_of for level in comparison.levels if level.frequency_of), types)
    if corrected:
        _check_frequencies(comparison)
    return Statement(what, conditions, _known(used, types), over="pair")


def _check_frequencies(comparison: Comparison) -> None:
    """Raises ValueError where Splink finds no level of equal values, whose u the frequencies correct."""
    plain = splink_comparison(comparison, RAREST, starter=True)
    levels = library.CustomComparison(**plain).get_comparison(OWN).comparison_levels
    for level in levels:
        try:
            level._tf_adjustment_sql("gamma", levels)
        except ValueError as error:
            raise ValueError(f"Splink refuses it: {' '.join(str(error).split())}") from None


def _of_rule(rule: Rule, what: str, types: dict[str, str]) -> Statement:
    if rule.condition is not None:
        used = _known({*columns_of(rule.condition), *rule.explode}, types)
        return Statement(what, (rule.condition,), used, frozenset(rule.explode))
    # Of the list that gives a rule's items, one element stands in the key.
    key = re.sub(r"\bitem\b", rule.each, rule.key) if rule.each else rule.key
    exploded = frozenset([rule.each] if rule.each else [])
    return Statement(what, (key,), _known(columns_of(key), types), exploded, over="record")


def _own_rule(given: SqlRule | tuple[str, ...], types: dict[str, str]) -> Rule:
    if isinstance(given, SqlRule):
        used = _known({*columns_of(given.sql), *given.explode}, types)
        return by_condition(" ".join(given.sql.split()), given.sql, given.explode, _roles(used))
    return _by_key(given, types)


def _by_key(terms: tuple[str, ...], types: dict[str, str]) -> Rule:
    """Records that agree on every term: a role, or SQL of one; a list role by one value in common."""
    if not terms:
        raise ValueError("it names nothing that must be equal")
    used = _known({column for term in terms for column in columns_of(term)}, types)
    lists = [term for term in terms if types.get(term, "").endswith("[]")]
    if len(lists) > 1:
        raise ValueError(f"one list a rule, not {', '.join(lists)}")
    parts = ["item" if term in lists else f"CAST(({term}) AS VARCHAR)" for term in terms]
    key = " || chr(31) || ".join(parts)
    return Rule(", ".join(terms), key, _roles(used), lists[0] if lists else None)


def _roles(columns: Iterable[str]) -> tuple[str, ...]:
    """The roles that columns of table ``people`` come from."""
    tokens = ((c, c.removesuffix("_tokens")) for c in columns if c.startswith("text_"))
    derived = {name: role for name, (role, _) in DERIVED.items()} | dict(tokens)
    return tuple(sorted({derived.get(column, column) for column in columns}))

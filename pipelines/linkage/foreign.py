"""Splink settings and models that their owner brought: read, checked, and in padron's hands.

A file is what ``SettingsCreator.create_settings_dict`` or ``linker.misc.save_model_to_json`` writes,
in Splink 5 or, as far as Splink 5 loads it, 4. Its comparisons, blocking rules and prior are used as
they stand.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from splink import SettingsCreator

from pipelines.errors import UsageError
from pipelines.linkage.blocking_rules import Rule, by_condition
from pipelines.linkage.dialects import OWN, NotExactError, columns_compared, columns_of, translated

Json = dict[str, Any]

FOREIGN = "settings"
"""Name of the one model that a user's own settings give."""
NODE = "node"
"""The unique id that padron gives every record."""
UNTRAINED_PRIOR = 0.0001
"""Splink's own, which stands in settings whose owner named none."""
LINK_TYPES = ("dedupe_only", "link_and_dedupe", "link_only")


@dataclass(frozen=True)
class Foreign:
    """Settings in DuckDB's dialect, with ``node`` as the unique id and without blocking rules."""

    settings: Json
    rules: tuple[Rule, ...]
    is_trained: bool
    """True where comparisons have m and u: they are used as they are."""
    has_prior: bool
    is_link_only: bool = False
    """True where no file holds a party twice: two of its records are no pair."""
    notes: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The file's columns that each comparison looks at, by its name."""
        return {
            c["output_column_name"]: tuple(sorted(columns_compared({"comparisons": [c]})))
            for c in self.settings["comparisons"]
        }


def read_foreign(path: str, *, is_link_only: bool = False) -> Foreign:
    """The settings in a file, for the records of several files of which none holds a party twice, or for any.

    Raises UsageError where the file holds none, ones of another engine that differ, or ones for link_only
    where the records are not such.
    """
    plain = _read(path)
    name = os.path.basename(path)
    dialect = _dialect(plain)
    if dialect != OWN:
        plain = _in_own_dialect(plain, dialect, name)
    link_type = plain.get("link_type")
    if link_type == "link_only" and not is_link_only:
        raise UsageError(
            f"{name}: link_type is link_only, which compares records of different files only: name two files or more "
            "and --link-only, or set it to dedupe_only."
        )
    if link_type not in LINK_TYPES:
        raise UsageError(f"{name}: link_type is {link_type!r}, not one of {', '.join(LINK_TYPES)}.")
    _check_sql(plain, name)
    settings = _completed(plain, name)
    rules = _rules(settings.pop("blocking_rules_to_generate_predictions"))
    if not rules:
        raise UsageError(
            f"{name}: no blocking_rules_to_generate_predictions, so every record would be compared with "
            "every other one. Add at least one."
        )
    levels = [
        level for c in settings["comparisons"] for level in c["comparison_levels"] if not _is_null(level)
    ]
    trained = [level for level in levels if _has(level, "m_probability") and _has(level, "u_probability")]
    prior = settings["probability_two_random_records_match"]
    if not 0 < prior < 1:
        raise UsageError(f"{name}: probability_two_random_records_match is {prior}, not between 0 and 1.")
    notes = []
    if trained and len(trained) < len(levels):
        notes.append(
            f"{len(levels) - len(trained)} levels have no m or u: they count with Splink's values before training"
        )
    if dialect != OWN:
        notes.append(f"the model was {dialect}'s: its conditions only compare columns and were translated")
    return Foreign(settings, rules, bool(trained), prior != UNTRAINED_PRIOR, is_link_only, tuple(notes))


def _has(level: Json, kind: str) -> bool:
    return isinstance(level.get(kind), int | float)


def _is_null(level: Json) -> bool:
    return bool(level.get("is_null_level"))


def _read(path: str) -> Json:
    name = os.path.basename(path)
    try:
        with open(path, encoding="utf-8") as file:
            plain = json.load(file)
    except OSError:
        raise UsageError(f"--settings: {path} cannot be read: name a file of Splink settings.") from None
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"{name} is no JSON{where}: save it with linker.misc.save_model_to_json.") from None
    comparisons = plain.get("comparisons") if isinstance(plain, dict) else None
    if not isinstance(comparisons, list) or not all(
        isinstance(c, dict) and isinstance(c.get("comparison_levels"), list) for c in comparisons
    ):
        raise UsageError(
            f"{name} is no Splink settings: it has no list of comparisons with levels. Save it with "
            "linker.misc.save_model_to_json, or json.dump of SettingsCreator's create_settings_dict('duckdb')."
        )
    found: Json = plain
    return found


def _dialect(plain: Json) -> str:
    """The engine that the SQL was written for; DuckDB where nothing says so."""
    said = [plain.get("sql_dialect")]
    said += [rule.get("sql_dialect") for rule in _listed(plain) if isinstance(rule, dict)]
    return next((str(dialect) for dialect in said if dialect), OWN)


def _listed(plain: Json) -> list[Any]:
    rules = plain.get("blocking_rules_to_generate_predictions")
    return rules if isinstance(rules, list) else []


def _in_own_dialect(plain: Json, dialect: str, name: str) -> Json:
    def translate(sql: Any, what: str) -> str:
        try:
            return translated(str(sql), dialect)
        except NotExactError as error:
            raise UsageError(
                f"{name} was made for {dialect}, and {what} cannot be translated for sure: {error}. Build the "
                "settings again with create_settings_dict('duckdb') and train them there; m and u carry over "
                "with configure(m_probabilities=…, u_probabilities=…)."
            ) from None

    comparisons = []
    for comparison in plain["comparisons"]:
        what = f"comparison {comparison.get('output_column_name', '?')}"
        levels = [
            {**level, "sql_condition": translate(level.get("sql_condition"), what)}
            for level in comparison["comparison_levels"]
            if isinstance(level, dict)
        ]
        comparisons.append({**comparison, "comparison_levels": levels})
    rules = []
    for number, rule in enumerate(_listed(plain), 1):
        whole = rule if isinstance(rule, dict) else {"blocking_rule": rule}
        sql = translate(whole.get("blocking_rule"), f"blocking rule {number}")
        rules.append({**whole, "blocking_rule": sql, "sql_dialect": OWN})
    return {**plain, "comparisons": comparisons, "blocking_rules_to_generate_predictions": rules}


def _completed(plain: Json, name: str) -> Json:
    """The settings as Splink itself understands them, for one table with ``node`` as its id."""
    with warnings.catch_warnings():
        # What Splink 4 wrote and 5 no longer knows (salting, prefixes) changes no score.
        warnings.simplefilter("ignore")
        try:
            settings: Json = SettingsCreator.from_path_or_dict(plain).get_settings(OWN).as_dict()
        except Exception as error:
            # Whatever Splink stumbles over, the file is what is wrong; its message says where.
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise UsageError(f"{name}: Splink cannot read these settings: {reason}") from None
    settings.pop("linker_uid", None)
    return {
        **settings,
        "sql_dialect": OWN,
        "link_type": "dedupe_only",
        "unique_id_column_name": NODE,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "additional_columns_to_retain": [],
    }


def _check_sql(plain: Json, name: str) -> None:
    """Raises UsageError where SQL cannot be read; what is not even there is left for Splink to say."""
    said = [
        (f"comparison {comparison.get('output_column_name', '?')}", str(level.get("sql_condition", "ELSE")))
        for comparison in plain["comparisons"]
        for level in comparison["comparison_levels"]
        if isinstance(level, dict)
    ]
    for number, rule in enumerate(_listed(plain), 1):
        condition = rule.get("blocking_rule", "true") if isinstance(rule, dict) else rule
        said.append((f"blocking rule {number}", str(condition)))
    for what, sql in said:
        try:
            columns_of(sql)
        except ValueError as error:
            raise UsageError(f"{name}: {what}: {error}: {' '.join(sql.split())[:200]}") from None


def _rules(plain: list[Json]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for number, rule in enumerate(plain, 1):
        sql = rule["blocking_rule"]
        said = _said(sql)
        taken = {made.name for made in rules}
        exploded = tuple(rule.get("arrays_to_explode") or ())
        rules.append(by_condition(f"{said} ({number})" if said in taken else said, sql, exploded))
    return tuple(rules)


def _said(sql: str) -> str:
    """A rule in words: its columns where it only equals them, else its SQL.

    >>> _said('(l."first_name" = r."first_name") AND (l.dob = r.dob)'), _said("l.a = r.b")
    ('first_name, dob', 'l.a = r.b')
    """
    parts = [part.strip("() ") for part in sql.replace('"', "").split(" AND ")]
    sides = [part.split(" = ") for part in parts]
    if all(
        len(s) == 2 and s[0] == "l." + s[1][2:] and s[1].startswith("r.") and s[1][2:].isidentifier()
        for s in sides
    ):
        return ", ".join(side[0][2:] for side in sides)
    return " ".join(sql.split())

"""A generation in Splink's own files, for who works with Splink alone.

Splink scores a pair as padron does. It brings more pairs where padron subdivides a large block, and
knows neither the relation model nor the rules that decide after it.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import sqlglot
from sqlglot import exp

from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.comparisons import frequency_floors
from pipelines.linkage.generations import Generation, Model

Json = dict[str, Any]


def splink_settings(model: Model) -> Json:
    """A model as Splink settings: what ``Linker(records, settings)`` loads, with padron's blocking rules."""
    return {
        **model.settings,
        "blocking_rules_to_generate_predictions": [splink_rule(rule) for rule in model.rules],
    }


def splink_rule(rule: Rule) -> Json:
    """A blocking rule in Splink's words: both sides have the key; a list is exploded."""
    if rule.condition is not None:
        own: Json = {"blocking_rule": rule.condition, "sql_dialect": "duckdb"}
        return {**own, "arrays_to_explode": list(rule.explode)} if rule.explode else own
    sides = [_of_side(rule, side) for side in ("l", "r")]
    found: Json = {"blocking_rule": " = ".join(sides), "sql_dialect": "duckdb"}
    return {**found, "arrays_to_explode": [rule.each]} if rule.each else found


def _of_side(rule: Rule, side: str) -> str:
    def named(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column):
            name = rule.each if rule.each and node.name == "item" else node.name
            return exp.column(name, table=side)
        return node

    return f"({sqlglot.parse_one(rule.key, dialect='duckdb').transform(named).sql(dialect='duckdb')})"


def frequency_tables(model: Model) -> dict[str, str]:
    """Splink's term frequency lookup of each column as CSV: the value, ``tf_<column>``."""
    tables = {}
    for column, values in sorted(model.frequencies.items()):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column, f"tf_{column}"])
        writer.writerows(sorted(values.items()))
        tables[column] = text.getvalue()
    return tables


def rare(model: Model) -> str:
    """The frequency that a value outside the lookups counts with, in words; of columns with another, that too."""
    others = {c: f for c, f in frequency_floors(model.settings).items() if f != model.floor}
    return ", ".join(
        [f"{model.floor:.3g}", *(f"of {column} {floor:.3g}" for column, floor in others.items())]
    )


def about(generation: Generation) -> str:
    """What the files are and how Splink takes them, as Markdown."""
    floors = "; ".join(f"{rare(model)} ({name})" for name, model in sorted(generation.models.items()))
    return f"""# Generation {generation.generation_id}

`generation.json` is the generation, whole: `padron generations adopt` takes this folder into another
warehouse. It holds frequent names, generic values (shared phones, e-mails and addresses) and over-large blocking keys
(names): treat it as personal data.
Exact rules, never-evidence, thresholds and caps are not in it: they stand in conf/linkage.yml, which has to go along.
`training.html`, where it is here, is the report of its training: levels, shares and counts, no value of a record.

`splink_<party_type>.json` are its models as Splink settings (DuckDB):

    api = DuckDBAPI()
    linker = Linker(api.register(records, table_name="records"), "splink_person.json")

The records have one row a `node` (any unique number) and the columns that the settings name. Splink
counts frequencies itself. On other records than the generation was trained on, register a lookup a
column, from `frequencies_<party_type>_<column>.csv` with every other value that is there at the frequency
of a rare one: {floors}. A value without any counts as average.

A pair then has the weight that padron gives it. Splink brings more pairs where padron subdivides large
blocks, and knows nothing of the relation model and the rules that decide after it.
"""

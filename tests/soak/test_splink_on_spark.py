"""The oracle: Splink's Spark backend gives the pairs of the engine the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.linkage.blocking import block
from pipelines.linkage.engine import engine
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.link import link_night
from pipelines.linkage.records import load, prepare
from pipelines.linkage.scoring import LOWEST_WEIGHT, score_pairs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "linkage"))
from linkage_people import CONF, population

SPARK = (
    ("jaro_winkler_similarity(", "jaro_winkler("),
    ("list_has_any(", "arrays_overlap("),
    ("list_contains(", "array_contains("),
    (
        "list_has_all(given_tokens_l, given_tokens_r)",
        "size(array_except(given_tokens_r, given_tokens_l)) = 0",
    ),
    (
        "list_has_all(given_tokens_r, given_tokens_l)",
        "size(array_except(given_tokens_l, given_tokens_r)) = 0",
    ),
    ("len(", "size("),
)
"""What DuckDB and Spark call by different names. m and u are carried over, the SQL is translated."""


def on_spark(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings in Spark's SQL."""
    comparisons = []
    for comparison in settings["comparisons"]:
        levels = []
        for level in comparison["comparison_levels"]:
            sql = level["sql_condition"]
            for ours, theirs in SPARK:
                sql = sql.replace(ours, theirs)
            assert "list_" not in sql
            levels.append({**level, "sql_condition": sql})
        comparisons.append({**comparison, "comparison_levels": levels})
    return {**settings, "sql_dialect": "spark", "comparisons": comparisons}


@pytest.mark.soak
def test_splink_on_spark_gives_the_same_weights(tmp_path: Path) -> None:
    records, _ = population(250, seed=11)
    generation = link_night(records, None, CONF, date(2026, 7, 1)).generation
    model = generation.models["person"]
    with engine(CONF) as connection:
        load(connection, records, CONF)
        use_generic(connection, link_night(records, generation, CONF, date(2026, 7, 1)).generic_values)
        prepare(connection, "person")
        block(connection, model.rules, CONF.blocking)
        ours = score_pairs(connection, model, "blocked")
        for table, file in (("people", "people"), ("blocked", "pairs")):
            pq.write_table(connection.table(table).to_arrow_table(), tmp_path / f"{file}.parquet")
        frequencies = {
            column: [
                (value, known.get(value, model.floor))
                for (value,) in connection.execute(
                    f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM people WHERE {column} IS NOT NULL"
                ).fetchall()
            ]
            for column, known in model.frequencies.items()
        }
    (tmp_path / "frequencies.json").write_text(json.dumps(frequencies), encoding="utf-8")
    (tmp_path / "settings.json").write_text(json.dumps(on_spark(model.settings)), encoding="utf-8")
    script = Path(__file__).with_name("splink_on_spark.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=900, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    theirs = {
        (row["node_l"], row["node_r"]): row["match_weight"]
        for row in pq.read_table(tmp_path / "scored.parquet").to_pylist()
    }
    found = {(row["node_l"], row["node_r"]): row["match_weight"] for row in ours.to_pylist()}
    assert len(found) > 300
    assert found.keys() == theirs.keys()
    wrong = {p: (found[p], w) for p, w in theirs.items() if abs(found[p] - max(w, LOWEST_WEIGHT)) > 1e-6}
    assert wrong == {}

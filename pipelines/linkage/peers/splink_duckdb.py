"""Plain Splink on DuckDB as a whole process: load, block, predict, connected components, write.

``python -m pipelines.linkage.peers.splink_duckdb records.parquet settings.json OUT KEEP THRESHOLD``:
pairs from probability KEEP are written, clusters are the components of those from THRESHOLD.
"""

from __future__ import annotations

import json
import logging
import os
import sys

import duckdb
from splink import DuckDBAPI, Linker

from pipelines.linkage.peers import ID


def main(records: str, settings: str, out: str, keep: float, threshold: float) -> None:
    connection = duckdb.connect(config={"temp_directory": os.path.join(out, "spill")})
    connection.execute("SET enable_progress_bar = false")
    connection.execute("CREATE TABLE records AS SELECT * FROM read_parquet($path)", {"path": records})
    api = DuckDBAPI(connection)
    with open(settings, encoding="utf-8") as file:
        plain = json.load(file)
    linker = Linker(
        api.register("records", table_name="people"), plain, log_level=logging.ERROR, validate_settings=False
    )
    blocked = linker.inference.compute_blocked_pairs_for_predict()
    predicted = linker.inference.predict(threshold_match_probability=keep, warning_mode="never")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=threshold
    )
    pairs, made = predicted.physical_name, clusters.physical_name
    connection.execute(f"COPY (SELECT * FROM {pairs}) TO '{os.path.join(out, 'pairs.parquet')}'")
    connection.execute(
        f"COPY (SELECT {ID}, cluster_id FROM {made}) TO '{os.path.join(out, 'clusters.parquet')}'"
    )
    counted = connection.execute(
        f"""SELECT (SELECT count(*) FROM {blocked.physical_name}),
            (SELECT count(*) FROM {pairs} WHERE match_probability >= {threshold})"""
    ).fetchall()[0]
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as file:
        json.dump({"candidate_pairs": counted[0], "links": counted[1]}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))

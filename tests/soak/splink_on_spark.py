"""Run by test_splink_on_spark.py: Splink's own predict on Spark, in a session that has its JAR.

Arguments: a folder with people.parquet, pairs.parquet, settings.json and frequencies.json. Writes
scored.parquet there.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from splink import Linker, SparkAPI
from splink.backends.spark import similarity_jar_location


def main(folder: Path) -> None:
    spark = (
        SparkSession.builder.master("local[2]")
        # Splink does not find its JAR by itself, and a session that runs takes no other.
        .config("spark.jars", similarity_jar_location())
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.setCheckpointDir(str(folder / "checkpoints"))
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    frequencies = json.loads((folder / "frequencies.json").read_text(encoding="utf-8"))
    api = SparkAPI(spark_session=spark, num_partitions_on_repartition=2)
    people = api.register(spark.read.parquet(str(folder / "people.parquet")), table_name="persons")
    linker = Linker(people, settings, log_level=logging.ERROR, validate_settings=False)
    for column, shares in frequencies.items():
        rows = spark.createDataFrame([(v, s) for v, s in shares], f"{column} string, tf_{column} double")
        if column == "birth_date":
            rows = rows.withColumn(column, rows[column].cast("date"))
        linker.table_management.register_term_frequency_lookup(
            api.register(rows, table_name=f"known_{column}"), column
        )
    pairs = api.register(spark.read.parquet(str(folder / "pairs.parquet")), table_name="pairs")
    linker.table_management.register_blocked_pairs_for_predict(pairs)
    predicted = linker.inference.predict(warning_mode="never").as_spark_dataframe()
    wanted = [c for c in predicted.columns if c.startswith("mw_") and not c.startswith("mw_tf_")]
    found = predicted.select("node_l", "node_r", "match_weight", *wanted).toArrow()
    pq.write_table(found, folder / "scored.parquet")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

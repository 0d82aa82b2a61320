"""Splink on its own Spark backend as a whole process: what ``splink_duckdb`` does, in Spark's dialect.

``python -m pipelines.linkage.peers.splink_spark records.parquet settings.json OUT KEEP THRESHOLD MEMORY``:
MEMORY is the driver's.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from pyspark.sql import SparkSession
from splink import Linker, SparkAPI
from splink.backends.spark import similarity_jar_location

from pipelines.linkage.peers import ID
from pipelines.spark import check_java

PARTITIONS = 8
"""As conf/spark-defaults.conf has it for padron."""


def main(records: str, settings: str, out: str, keep: float, threshold: float, memory: str) -> None:
    check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    spark = (
        SparkSession.builder.master("local[*]")
        # Splink does not find its JAR by itself, and a session that runs takes no other.
        .config("spark.jars", similarity_jar_location())
        .config("spark.driver.memory", memory)
        .config("spark.sql.shuffle.partitions", str(PARTITIONS))
        .config("spark.default.parallelism", str(PARTITIONS))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", os.path.join(out, "warehouse"))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.setCheckpointDir(os.path.join(out, "checkpoints"))
    with open(settings, encoding="utf-8") as file:
        plain = json.load(file)
    api = SparkAPI(spark_session=spark, num_partitions_on_repartition=PARTITIONS)
    # Splink computes its input again at every step unless it is kept.
    people = api.register(spark.read.parquet(records).cache(), table_name="people")
    linker = Linker(people, plain, log_level=logging.ERROR, validate_settings=False)
    blocked = linker.inference.compute_blocked_pairs_for_predict()
    linker.table_management.register_blocked_pairs_for_predict(blocked)
    predicted = linker.inference.predict(threshold_match_probability=keep, warning_mode="never")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=threshold
    )
    pairs, made = predicted.as_spark_dataframe(), clusters.as_spark_dataframe()
    pairs.write.parquet(os.path.join(out, "pairs.parquet"))
    made.select(ID, "cluster_id").write.parquet(os.path.join(out, "clusters.parquet"))
    found = {
        "candidate_pairs": blocked.as_spark_dataframe().count(),
        "links": pairs.where(f"match_probability >= {threshold}").count(),
    }
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5]), sys.argv[6])

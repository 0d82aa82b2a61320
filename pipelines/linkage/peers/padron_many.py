"""padron's placement many as a whole process: Spark starts, links by a generation, writes.

``python -m pipelines.linkage.peers.padron_many records.parquet generation.json OUT RULES MEMORY PROPERTIES``:
RULES are the blocking rules as JSON, MEMORY is the driver's, PROPERTIES is conf/spark-defaults.conf.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Generation
from pipelines.linkage.many import link_many
from pipelines.linkage.peers import ID
from pipelines.linkage.peers.model import many_conf
from pipelines.spark import session


def main(records: str, generation: str, out: str, rules: str, memory: str, properties: str) -> None:
    spark = session(
        Path(properties),
        {
            "spark.driver.memory": memory,
            "spark.sql.warehouse.dir": os.path.join(out, "warehouse"),
        },
    )
    with open(generation, encoding="utf-8") as file:
        known = Generation.from_json(file.read())
    people = spark.read.parquet(records).select(
        F.lit("file").alias("source"),
        F.col(ID).cast("string").alias("record_id"),
        F.lit("person").alias("party_type"),
        *("given_name", "surname", "birth_date", "city", "postal_code"),
        F.array("email").alias("emails"),
        F.array("phone").alias("phones"),
    )
    linked = link_many(people, known, many_conf(Linkage(), json.loads(rules)), date(2026, 7, 1))
    linked.scored_pairs.write.parquet(os.path.join(out, "pairs.parquet"))
    clusters = linked.clusters.select(
        F.col("record_id").cast("long").alias(ID), F.col("cluster_final").alias("cluster_id")
    )
    clusters.write.parquet(os.path.join(out, "clusters.parquet"))
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as file:
        json.dump({name: linked.figures[name] for name in ("candidate_pairs", "links")}, file)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:7])

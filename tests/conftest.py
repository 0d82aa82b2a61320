"""One Spark session for the whole suite, and the data with known answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("TZ", "UTC")
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that needs Spark goes to one of the processes (``--dist loadgroup``), every other module to any, whole.

    So there is one Spark session, and nothing that a module makes once is made twice.
    """
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    for name, tests in modules.items():
        needs_spark = any("spark" in getattr(test, "fixturenames", ()) for test in tests)
        for test in tests:
            test.add_marker(pytest.mark.xdist_group("spark" if needs_spark else name))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session tuned for tiny tables: one shuffle partition, the first compiler only."""
    from pipelines.spark import session

    spark = session(
        ROOT / "conf" / "spark-defaults.conf",
        {
            "spark.master": "local[2]",
            "spark.sql.shuffle.partitions": "2",
            "spark.default.parallelism": "2",
            "spark.driver.memory": "2g",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
            "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseParallelGC",
        },
    )
    yield spark
    spark.stop()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of data with known answers; PADRON_DATA names it (default ../shared/data)."""
    folder = Path(os.environ.get("PADRON_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data with known answers: set PADRON_DATA (looked in {folder.name})")
    return folder

"""One Spark session for the whole suite, and the data with known answers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("TZ", "UTC")
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n 2`` all modules that take the session go to one process, every other module to any, whole.

    So there is one Spark session, and nothing that a module makes once is made twice.
    """
    from xdist.scheduler import LoadScopeScheduling

    class BesideSpark(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid.partition("::")[0])

    return BesideSpark(config, log)


@cache
def _group(module: str) -> str:
    text = (ROOT / module).read_text(encoding="utf-8")
    return "spark" if re.search(r"^def \w+\([^)]*\bspark\b", text, re.MULTILINE) else module


def _of_few(config: pytest.Config) -> dict[str, str]:
    """Options for tiny tables: few partitions, and queries that are not compiled, as in a night of so few records.

    The long checks have more of them, and compile.
    """
    from pipelines.spark import COMPILED, INTERPRETED

    return {
        "spark.sql.shuffle.partitions": "2",
        **(COMPILED if config.getoption("-m") == "soak" else INTERPRETED),
    }


@pytest.fixture(scope="session")
def spark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session tuned for tiny tables: ``_of_few``, and the first compiler only."""
    from pipelines.spark import session

    spark = session(
        ROOT / "conf" / "spark-defaults.conf",
        {
            "spark.master": "local[2]",
            **_of_few(request.config),
            "spark.default.parallelism": "1",
            "spark.driver.memory": "2g",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
            "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseParallelGC",
        },
    )
    yield spark
    spark.stop()


@pytest.fixture(scope="module", autouse=True)
def as_the_session_began(request: pytest.FixtureRequest) -> Iterator[None]:
    """A night in the process of the tests starts Spark, and so lays its own configuration over the session's."""
    yield
    if "pyspark.sql" in sys.modules:
        from pyspark.sql import SparkSession

        running = SparkSession.getActiveSession()
        for key, value in _of_few(request.config).items() if running else ():
            running.conf.set(key, value)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of data with known answers; PADRON_DATA names it (default ../shared/data)."""
    folder = Path(os.environ.get("PADRON_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data with known answers: set PADRON_DATA (looked in {folder.name})")
    return folder

"""What Java is started with, and what is said where it does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys
from pathlib import Path
from pipelines.errors import PadronError
from pipelines.spark import session
try:
    spark = session(Path("conf/spark-defaults.conf"), eval(sys.argv[1]), is_quick=True)
    arguments = spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments()
    print(*[str(argument) for argument in arguments], sep="\\n")
    print("paths are written in", spark._jvm.java.lang.System.getProperty("sun.jnu.encoding"))
except PadronError as error:
    print(f"refused: {error}")
"""

FILL_AND_GIVE_BACK = """
from pathlib import Path
from pipelines.spark import give_back_memory, session
spark = session(Path("conf/spark-defaults.conf"), {"spark.driver.memory": "2g"}, is_quick=True)
java = spark._jvm.java.lang
pid = java.ProcessHandle.current().pid()
def resident():
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024
rows = spark.range(12_000_000).selectExpr("id", "sha2(cast(id AS string), 256) AS text").cache()
rows.count()
rows.unpersist(True)
print(resident())
give_back_memory(spark)
print(resident())
"""


def started(overrides: dict[str, str]) -> str:
    """A process of its own: one has one JVM."""
    return _printed(START, repr(overrides))


def _printed(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    # As scripts for cron ask for it, which want to sort alike everywhere.
    there = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300, env=there
    )
    return done.stdout


def test_a_quick_start_adds_to_the_options_that_are_there_and_paths_have_accents() -> None:
    said = started({"spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseParallelGC"})
    assert "paths are written in UTF-8" in said
    options = said.split()
    assert "-XX:+UseParallelGC" in options
    assert options.index("-XX:TieredStopAtLevel=1") > options.index("-Duser.timezone=UTC")


def test_options_that_java_refuses_are_said() -> None:
    said = started({"spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:+UseG1GC"})
    assert said.index("Multiple garbage collectors selected") < said.index("refused: Java does not start")
    assert "spark.driver.extraJavaOptions" in said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process holds")
@pytest.mark.soak
def test_java_gives_back_what_it_does_not_need() -> None:
    before, after = (int(megabytes) for megabytes in _printed(FILL_AND_GIVE_BACK).split())
    assert after < before * 3 / 4

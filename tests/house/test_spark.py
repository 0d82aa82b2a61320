"""What Java is started with, and what is said where it does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
except PadronError as error:
    print(f"refused: {error}")
"""


def started(overrides: dict[str, str]) -> str:
    """A process of its own: one has one JVM."""
    command = [sys.executable, "-c", START, repr(overrides)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


def test_a_quick_start_adds_to_the_options_that_are_there() -> None:
    options = started({"spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseParallelGC"}).split()
    assert "-XX:+UseParallelGC" in options
    assert options.index("-XX:TieredStopAtLevel=1") > options.index("-Duser.timezone=UTC")


def test_options_that_java_refuses_are_said() -> None:
    said = started({"spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:+UseG1GC"})
    assert said.index("Multiple garbage collectors selected") < said.index("refused: Java does not start")
    assert "spark.driver.extraJavaOptions" in said

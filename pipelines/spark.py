"""The one Spark session, from the one ``conf/spark-defaults.conf``.

Under ``spark-submit`` the JVM exists before Python, so nothing that it fixes is overridden;
from plain Python the file is read here. Either way Java and Delta are checked first, and what
is missing is said in one line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.config import text_of
from pipelines.errors import PadronError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from importlib.resources.abc import Traversable

    from pyspark.sql import SparkSession

JAVA_VERSIONS = (17, 21)
JAVA_HINT = "install Java 17 or 21 (Debian/Ubuntu: apt install openjdk-17-jre-headless) or set JAVA_HOME"
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
"""Java compiles each method once, soon and plainly: of a night of few records, compiling it better takes longer than
the better code gains. Without the second option there is place for a fifth of the code."""
COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
"""Spark's defaults: queries are compiled."""
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
"""Spark evaluates expressions as they stand and writes no Java for each query: for so few rows that the compiler takes
longer than what it would speed up."""
INTERPRETED_BELOW = 2_000
"""Records that a night looks at, from which on compiled queries gain what they cost."""
DELTA_CLASSES = (
    "io.delta.sql.DeltaSparkSessionExtension",
    "io.delta.storage.LogStore",
    "io.delta.kernel.Snapshot",
)


class DeltaMissing(PadronError):
    """Delta's JARs are not on Spark's classpath, or belong to another Spark."""


def java_version() -> int:
    """The major version of the Java that Spark will start. Raises UsageError without one."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        raise UsageError(f"Java is missing: {JAVA_HINT}.")
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', text)
    if not found:
        raise UsageError(f"Java does not start: {JAVA_HINT}.")
    return int(found.group(1))


def check_java() -> None:
    """Raises UsageError unless Spark 4.1 runs on the Java that is found."""
    version = java_version()
    if version not in JAVA_VERSIONS:
        raise UsageError(f"Java {version} was found, Spark 4.1 needs 17 or 21: {JAVA_HINT}.")


def read_properties(path: Traversable) -> dict[str, str]:
    """The settings of a spark-defaults.conf, in spark-submit's own syntax."""
    settings = {}
    for raw in text_of(path, str(path)).splitlines():
        line = raw.strip()
        if line and not line.startswith("#"):
            key, _, value = line.partition(" ")
            settings[key] = value.strip()
    return settings


def is_databricks() -> bool:
    """True on a cluster of Databricks: its runtime brings Spark, Delta and the session."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def submitted() -> bool:
    """True where spark-submit, or a runtime, started the JVM: its settings stand."""
    return "PYSPARK_GATEWAY_PORT" in os.environ or is_databricks()


@contextmanager
def _own_noise() -> Iterator[Callable[[], str]]:
    """What a JVM that is started inside writes to standard error goes to a file; gives its text so far.

    Ivy and the launcher talk before any logging is configured. The JVM keeps the file for as long
    as it lives; it has no name, so nothing stays behind.
    """
    with tempfile.TemporaryFile() as noise:
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:

            def said() -> str:
                noise.seek(0)
                return noise.read().decode("utf-8", "replace")

            yield said
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)


class StartSpark(Protocol):
    """Starts Spark for work on about so many records; None: nobody knows."""

    def __call__(self, records: int | None = None) -> SparkSession: ...


def session(
    properties: Traversable,
    overrides: Mapping[str, str] | None = None,
    *,
    is_quick: bool = False,
    is_interpreted: bool = False,
) -> SparkSession:
    """The Spark session of this process.

    ``properties`` is conf/spark-defaults.conf; ``overrides`` win over it (tests), and it over
    ``is_interpreted`` (``INTERPRETED``). ``is_quick``: see ``QUICK_START``; where the JVM is there already, it stays
    what it is.
    Raises UsageError for a wrong Java or options that it refuses, DeltaMissing when Delta's classes are not there.
    """
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    if not submitted():
        check_java()
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        # Java takes from it how paths are written: where a script asks for C, an accent is one that it cannot write.
        if os.environ.get("LC_ALL") in ("C", "POSIX"):
            os.environ["LC_ALL"] = "C.UTF-8"
    builder = SparkSession.builder.appName("padron")
    if not submitted():
        settings = {
            "spark.master": f"local[{os.cpu_count() or 2}]",
            "spark.driver.memory": "2g",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # Said either way, for a session that is there already keeps what it was told.
            **(INTERPRETED if is_interpreted else COMPILED),
            **read_properties(properties),
            **(overrides or {}),
        }
        if is_quick:
            _add_options(settings, QUICK_START)
        # Java reads its logging's configuration by itself, and from no archive of Python's.
        of_java = properties.with_name("log4j2.properties") if isinstance(properties, Path) else None
        if of_java is not None and of_java.exists():
            _add_options(settings, f"-Dlog4j2.configurationFile={of_java.resolve().as_uri()}")
        for key, value in settings.items():
            builder = builder.config(key, value)
    # PySpark writes each failed query to standard error by itself, with the value that it failed on.
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True
    with _own_noise() as said:
        try:
            spark = builder.getOrCreate()
        except Exception as error:
            if "unresolved dependency" in said():
                raise DeltaMissing(
                    "Delta's JARs could not be fetched: allow the way to Maven Central, or name a mirror in "
                    "DEFAULT_ARTIFACT_REPOSITORY, or copy a filled Ivy folder and set spark.jars.ivy."
                ) from None
            # Java itself says why on standard output, which is the terminal's.
            if "JAVA_GATEWAY_EXITED" in str(error):
                raise UsageError(
                    "Java does not start; what it says stands above. Look at spark.driver.extraJavaOptions in "
                    "conf/spark-defaults.conf, and at JDK_JAVA_OPTIONS."
                ) from None
            raise
    check_delta(spark)
    _keep_functions(spark)
    return spark


class _Kept:
    """A class of Java of which each member is asked for once."""

    def __init__(self, java_class: Any) -> None:
        self._java_class = java_class

    def __getattr__(self, name: str) -> Any:
        vars(self)[name] = found = getattr(self._java_class, name)
        return found


def _keep_functions(spark: SparkSession) -> None:
    """Keep Java's classes of functions, and the functions, where PySpark looks for them.

    PySpark asks Java for both each time that a column is named or a function called, which a night does ten thousand times,
    and of a short name Java looks through all its archives. Where PySpark looks elsewhere, nothing is gained and nothing lost.
    """
    from py4j.java_gateway import JavaClass

    java = vars(spark.sparkContext._jvm)
    for name in ("org.apache.spark.sql.functions", "functions", "PythonUtils", "PythonSQLUtils"):
        found = getattr(spark.sparkContext._jvm, name)
        if isinstance(found, JavaClass):
            java[name] = _Kept(found)


def give_back_memory(spark: SparkSession) -> None:
    """Have the driver's Java collect its garbage and return what it does not need to the machine.

    For who takes much memory beside it, in the driver's own process: Java keeps what it once took. It takes some
    tenths of a second. How far Java follows is for its options (conf/spark-defaults.conf).
    """
    java = spark.sparkContext._jvm
    if java is not None:
        java.java.lang.System.gc()


def _add_options(settings: dict[str, str], options: str) -> None:
    had = settings.get("spark.driver.extraJavaOptions", "")
    settings["spark.driver.extraJavaOptions"] = f"{had} {options}".strip()


def check_delta(spark: SparkSession) -> None:
    """Raises DeltaMissing unless Delta's classes can be loaded and its extension is on.

    Databricks has Delta inside, under names of its own: there it is taken as given.
    """
    if is_databricks():
        return
    jvm = spark._jvm
    if jvm is None:
        raise DeltaMissing("Spark Connect is not supported: start a classic session.")
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    for name in DELTA_CLASSES:
        try:
            loader.loadClass(name)
        except Exception:
            raise DeltaMissing(
                f"Delta is not on Spark's classpath ({name} is missing): pass "
                "--properties-file conf/spark-defaults.conf to spark-submit."
            ) from None
    extensions = spark.conf.get("spark.sql.extensions", "") or ""
    if "DeltaSparkSessionExtension" not in extensions:
        raise DeltaMissing(
            "spark.sql.extensions lacks io.delta.sql.DeltaSparkSessionExtension: pass "
            "--properties-file conf/spark-defaults.conf to spark-submit."
        )

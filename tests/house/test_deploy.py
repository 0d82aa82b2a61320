"""Files for schedulers name what exists: jobs, options, environment variables, Spark's settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import click
import pyspark
import pytest
import yaml

from pipelines.cli.night import run
from pipelines.spark import check_delta, read_properties, submitted

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "jobs" / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name != "README.md")
SPARK = {
    "--master",
    "--deploy-mode",
    "--properties-file",
    "--archives",
    "--py-files",
    "--files",
    "--num-executors",
}
SPARK |= {"--executor-cores", "--executor-memory", "--packages", "--conf"}
OTHER = {
    "--glob",
    "--help",
    "--no-cache-dir",
    "--no-install-recommends",
    "--from",
    "--uid",
    "--gid",
    "--no-create-home",
    "--no-deps",
}
"""Options of pip, apt, docker, hadoop and useradd."""


def named(pattern: str, path: Path) -> set[str]:
    return set(re.findall(pattern, path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(DEPLOY)) for path in FILES])
def test_jobs_options_and_variables_exist(path: Path) -> None:
    for job in named(r"\bjobs/(\w+\.py)", path):
        assert (ROOT / "jobs" / job).exists(), job
    for file in named(r"\bconf/([\w-]+\.\w+)", path):
        assert (ROOT / "conf" / file).exists(), file
    own = {option for parameter in run.params for option in parameter.opts}
    assert named(r"(?<![\w-])--[a-z][a-z-]+", path) <= own | SPARK | OTHER
    known = {p.envvar for p in run.params if isinstance(p, click.Option)} | {"PADRON_ENV"}
    assert named(r"\bPADRON_[A-Z_]+\b", path) <= known


def test_every_file_stands_in_the_readme_of_its_folder() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"{path.name}`" not in text] == []


def test_the_operator_gets_the_settings_of_spark_defaults() -> None:
    manifest = yaml.safe_load((DEPLOY / "kubernetes" / "night.yml").read_text(encoding="utf-8"))
    given = manifest["spec"]["template"]["sparkConf"]
    declared = read_properties(ROOT / "conf" / "spark-defaults.conf")
    # The JARs are in the image, the executors' memory has a field of its own, the partitions follow the cores.
    elsewhere = {"spark.jars.packages", "spark.jars.excludes", "spark.executor.memoryOverhead"}
    # Java's logging has no file where Spark looks for it.
    quiet = "-Dlog4j2.configurationFile=file:/opt/padron/conf/log4j2.properties"
    assert given.pop("spark.executor.extraJavaOptions") == quiet
    of_driver = given["spark.driver.extraJavaOptions"]
    given["spark.driver.extraJavaOptions"] = of_driver.removeprefix(f"{quiet} ")
    assert given["spark.driver.extraJavaOptions"] != of_driver
    assert given.keys() == declared.keys() - elsewhere
    differing = {key for key in given if given[key] != declared[key]}
    assert differing == {"spark.sql.shuffle.partitions"}
    executor = manifest["spec"]["template"]["executor"]
    assert executor["memoryOverhead"] == declared["spark.executor.memoryOverhead"]
    cores = executor["instances"] * executor["cores"]
    assert 2 * cores <= int(given["spark.sql.shuffle.partitions"]) <= 3 * cores


def test_what_databricks_is_told_agrees_with_spark_defaults() -> None:
    job = json.loads((DEPLOY / "databricks" / "job.json").read_text(encoding="utf-8"))
    declared = read_properties(ROOT / "conf" / "spark-defaults.conf")
    given = job["job_clusters"][0]["new_cluster"]["spark_conf"]
    assert {key: declared[key] for key in given} == given


def test_the_image_has_the_version_of_spark_that_is_tested() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    (version,) = re.findall(r"^pyspark==(.*)$", lock, re.MULTILINE)
    assert f"sparkVersion: {version}\n" in (DEPLOY / "kubernetes" / "night.yml").read_text(encoding="utf-8")


def test_hadoops_own_file_system_for_s3_is_of_the_version_of_sparks_hadoop() -> None:
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("hadoop-client-api-*.jar")
    version = jar.stem.removeprefix("hadoop-client-api-")
    delta = read_properties(ROOT / "conf" / "spark-defaults.conf")["spark.jars.packages"]
    needed = f"{delta},org.apache.hadoop:hadoop-aws:{version}"
    naming = [
        ROOT / "README.md",
        ROOT / "conf" / "spark-defaults.conf",
        DEPLOY / "airflow" / "padron_night.py",
        DEPLOY / "kubernetes" / "Dockerfile",
    ]
    for path in naming:
        assert named(r"[\w.:,-]+:hadoop-aws:[\w.]+", path) == {needed}, path.name


def test_what_is_excluded_lets_a_package_that_is_asked_for_through() -> None:
    """An exclusion also takes what is asked for by its name, without a word."""
    excluded = read_properties(ROOT / "conf" / "spark-defaults.conf")["spark.jars.excludes"].split(",")
    asked_for = (
        "org.apache.hadoop:hadoop-aws",
        "org.apache.hadoop:hadoop-azure",
        "software.amazon.awssdk:bundle",
    )
    assert [a for a in asked_for for e in excluded if fnmatch(a, e)] == []
    # Spark's own two, which Delta asks for, stay out.
    for name in ("hadoop-client-api", "hadoop-client-runtime"):
        assert f"org.apache.hadoop:{name}" in excluded


def test_executors_reach_the_storage_as_the_driver_does() -> None:
    manifest = yaml.safe_load((DEPLOY / "kubernetes" / "night.yml").read_text(encoding="utf-8"))
    driver, executor = (manifest["spec"]["template"][side] for side in ("driver", "executor"))
    assert {key: executor[key] for key in ("serviceAccount", "envFrom")} == {
        key: driver[key] for key in ("serviceAccount", "envFrom")
    }
    script = (DEPLOY / "yarn" / "night.sh").read_text(encoding="utf-8")
    assert re.search(r'^CLASSPATH="\$\(hadoop classpath --glob\)"\nexport CLASSPATH$', script, re.MULTILINE)
    assert '--conf "spark.executorEnv.CLASSPATH=$CLASSPATH"' in script


def test_what_databricks_brings_is_taken_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert not submitted()
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    assert submitted()
    check_delta(SimpleNamespace(_jvm=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".sh"], ids=lambda p: p.name)
def test_scripts_of_the_shell_are_well_formed(path: Path) -> None:
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
    assert path.name == "install.sh" or os.access(path, os.X_OK)


def test_cron_escapes_what_it_would_cut_at() -> None:
    (line,) = (
        line for line in (DEPLOY / "cron" / "padron").read_text().splitlines() if re.match(r"[\d*]", line)
    )
    assert len(line.split()[:5]) == 5
    assert "%" not in line.replace(r"\%", "")

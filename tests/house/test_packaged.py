"""The package works from inside an archive, which is how spark-submit ships it to executors."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions
from pathlib import Path

import pyspark
import pytest

from pipelines import digests
from pipelines.digests import LAYERS, code_digest
from pipelines.ops.past_run import changed_program
from pipelines.settings import load_settings
from pipelines.standardise.text import dictionary

NOT_COMPUTED_WITH = {"pandas", "pydantic", "jinja2", "deltalake", "PyYAML", "pyyaml"}
"""What reads configuration, passes rows on or draws pages."""
ROOT = Path(__file__).resolve().parents[2]
READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
import pipelines
from pipelines.digests import LAYERS, code_digest
from pipelines.ops.pages import _environment
from pipelines.settings import load_settings
from pipelines.standardise.text import dictionary
settings = load_settings()
_environment().get_template("report.html.j2")
print(json.dumps([
    pipelines.__file__,
    [code_digest(layer) for layer in LAYERS],
    settings.digest,
    sum(1 for _ in dictionary("given_names.csv.gz")),
    len(settings.conf.path("spark-defaults.conf").read_text()),
]))
"""


def test_an_archive_has_the_same_code_configuration_and_dictionaries(tmp_path: Path) -> None:
    archive = tmp_path / "padron.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for folder, below in (("pipelines", "pipelines"), ("conf", "pipelines/conf")):
            for path in sorted((ROOT / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    made.write(path, Path(below, path.relative_to(ROOT / folder)))
    done = subprocess.run(
        [sys.executable, "-c", READ, str(archive)],
        env={**os.environ, "PYTHONPATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, code, conf, names, properties = json.loads(done.stdout)
    assert where.startswith(str(archive))
    assert code == [code_digest(layer) for layer in LAYERS]
    assert conf == load_settings(ROOT / "conf").digest
    assert names == sum(1 for _ in dictionary("given_names.csv.gz"))
    assert properties == len((ROOT / "conf" / "spark-defaults.conf").read_text())


def test_another_release_of_a_library_is_another_program_from_its_layer_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {layer: digests.program_digest(layer) for layer in (*LAYERS, None)}
    installed = digests.version_of
    monkeypatch.setattr(digests, "version_of", lambda name: "99.0" if name == "splink" else installed(name))
    changed = [layer for layer in before if digests.program_digest(layer) != before[layer]]
    assert changed == ["linkage", "identity", "gold", None]


def test_what_the_platform_provides_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_package(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(digests, "version", no_package)
    assert digests.version_of.__wrapped__("delta-spark") == "provided"
    assert digests.version_of.__wrapped__("pyspark") == pyspark.__version__


def test_what_a_layer_imports_is_among_the_libraries() -> None:
    packages = packages_distributions()
    told = {name for names in digests.LIBRARIES.values() for name in names} | NOT_COMPUTED_WITH
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        if path.relative_to(ROOT / "pipelines").parts[0] in {*LAYERS, "standardise"}:
            imported = {
                name.partition(".")[0]
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
            }
            used = {packages[name][0] for name in imported if name in packages} - {"padron"}
            assert used - told == set(), path


def test_a_run_says_which_of_its_libraries_is_another_now() -> None:
    then = {**digests.libraries(), "splink": "4.0.0"}
    run = {"code_digest": "of then", "libraries": list(then.items())}
    assert changed_program(run) == [f"splink (4.0.0, now {digests.version_of('splink')})"]
    assert changed_program({**run, "libraries": list(digests.libraries().items())}) == ["code"]
    assert changed_program({**run, "libraries": None}) == ["code"]
    assert changed_program({**run, "code_digest": digests.program_digest()}) == []

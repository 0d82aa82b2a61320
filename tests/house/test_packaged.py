"""The package works from inside an archive, which is how spark-submit ships it to executors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipelines import digests
from pipelines.digests import LAYERS, code_digest
from pipelines.settings import load_settings
from pipelines.standardise.text import dictionary

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
    before = {layer: code_digest(layer) for layer in (*LAYERS, None)}
    installed = digests.version
    monkeypatch.setattr(digests, "version", lambda name: "99.0" if name == "splink" else installed(name))
    after = {layer: code_digest.__wrapped__(layer) for layer in before}
    changed = [layer for layer in before if before[layer] != after[layer]]
    assert changed == ["linkage", "identity", "gold", None]

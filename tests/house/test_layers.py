"""The house's rules: layers look left only, and each dependency has one home."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pipelines"
FLOW = ["bronze", "silver", "linkage", "identity", "gold"]

HOMES = {
    "yaml": {"config_yaml.py"},
    "great_expectations": {"quality/"},
    "splink": {"linkage/"},
    "deltalake": {"storage.py", "stored.py", "ops/lock.py"},
    "phonenumbers": {"standardise/"},
    "stdnum": {"standardise/", "simulate/"},
    "cleanco": {"standardise/"},
    "scipy": {"linkage/"},
    "duckdb": {"standardise/", "linkage/", "ops/reading.py"},
    "click": {"cli/"},
    "rich": {"cli/", "ops/terminal.py"},
    "jinja2": {"ops/"},
    "openpyxl": {"ops/sheets.py"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def imports(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("layer", FLOW)
def test_a_layer_imports_no_layer_to_its_right(layer: str) -> None:
    right = [*FLOW[FLOW.index(layer) + 1 :], "ops", "quality", "cli", "night", "settings"]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (PACKAGE / layer).rglob("*.py")
        for name in imports(path)
        for other in right
        if name == f"pipelines.{other}" or name.startswith(f"pipelines.{other}.")
    ]
    assert wrong == []


@pytest.mark.parametrize("dependency", sorted(HOMES))
def test_a_dependency_has_one_home(dependency: str) -> None:
    wrong = []
    for path in modules():
        relative = path.relative_to(PACKAGE).as_posix()
        uses = any(n == dependency or n.startswith(f"{dependency}.") for n in imports(path))
        if uses and not any(relative == home or relative.startswith(home) for home in HOMES[dependency]):
            wrong.append(relative)
    assert wrong == []


@pytest.mark.parametrize(
    "folder",
    ["bronze", "silver", "linkage", "identity", "gold", "ops", "quality", "standardise", "simulate", "cli"],
)
def test_a_folder_says_what_lives_there(folder: str) -> None:
    assert (PACKAGE / folder / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_jobs_hold_no_logic() -> None:
    for path in (ROOT / "jobs").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 20, path.name


def test_no_bare_print_and_no_clock_in_transforms() -> None:
    forbidden = ("current_timestamp(", "current_date(", "F.rand(", "F.uuid(", "monotonically_increasing_id(")
    wrong = [
        f"{path.relative_to(ROOT)}: {call}"
        for layer in FLOW
        for path in (PACKAGE / layer).rglob("*.py")
        for call in forbidden
        if call in path.read_text(encoding="utf-8")
    ]
    assert wrong == []

"""What the README tells a stranger to type exists and is valid."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from pipelines import errors
from pipelines.cli import Lazy
from pipelines.cli.lookup import EXIT
from pipelines.config import validate
from pipelines.config_yaml import parse
from pipelines.ops.gates import BOUNDS, DEFAULTS, UNUSABLE_FILES
from pipelines.renames import Renames
from pipelines.silver.customer_records import KEY, RAW
from pipelines.sources import Source

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_every_command_exists() -> None:
    named = set(
        re.findall(r"padron (\w+)", "\n".join((*blocks("sh"), *re.findall(r"`(padron [^`]*)`", README))))
    )
    assert named
    assert named <= set(Lazy.COMMANDS)


def test_every_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    named |= set(re.findall(r"`make (\w+)", README))
    assert {"run", "test"} <= named
    assert named <= set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def test_the_source_in_the_example_is_valid() -> None:
    (example,) = [block for block in blocks("yaml") if block.startswith("# conf/sources")]
    content, node = parse(example, "README.md")
    source = validate(Source, content, node, "README.md")
    (feed,) = source.feeds.values()
    assert set(feed.map) <= {column.name for column in (*KEY, *RAW)}


def test_files_that_it_names_are_there() -> None:
    for name in re.findall(r"`((?:jobs|notebooks|conf)/[\w./-]+\.\w+)`", README):
        assert (ROOT / name).exists() or name == "conf/sources/loyalty.yml", name


def test_the_python_in_it_compiles() -> None:
    for number, example in enumerate(blocks("python")):
        compile(example, f"README.md block {number}", "exec")


def test_the_renames_in_the_example_are_valid() -> None:
    (example,) = [block for block in blocks("yaml") if block.startswith("# conf/renames")]
    content, node = parse(example, "README.md")
    assert validate(Renames, content, node, "README.md").keys


def test_every_gate_has_a_line_that_says_what_to_do() -> None:
    lines = README[README.index("| Gate |") :].partition("\n\n")[0]
    assert {*DEFAULTS, *BOUNDS, UNUSABLE_FILES} <= set(re.findall(r"`(\w+)`", lines))
    assert "| `contract …` |" in lines


def test_the_exit_codes_of_the_operators_page_are_those_of_the_program() -> None:
    """And those of a process that a signal ended, of which the shell makes 128 and the signal's number."""
    lines = README[README.index("| Code |") :].partition("\n\n")[0]
    told = [
        int(code)
        for row in re.findall(r"^\| (\d[\d, ]*) \|", lines, re.MULTILINE)
        for code in row.split(", ")
    ]
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    killed = {128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)}
    assert sorted(told) == sorted({*EXIT.values(), *raised, *killed})

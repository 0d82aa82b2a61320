"""The log for programs: one JSON object a line, with run and stage, and nothing that a record says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_night import STAGES, Tiny, tiny

from pipelines.cli import execute
from pipelines.cli.console import complain, conclude, err, log_as, night_progress, tell
from pipelines.errors import GateStopped, PadronError

DAY = "2026-07-01"
KEYS = ["time", "level", "run", "stage", "message", "figures"]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Logs as JSON; what was written to standard error so far, an object a line."""
    log_as("json")

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    log_as("text")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    made = tiny(monkeypatch, tmp_path)
    made.deliver(DAY, {"1": "ana", "2": "eva", "3": "ana"})
    return made


def test_a_night_is_a_line_for_every_start_and_end(shop: Tiny, lines: Any) -> None:
    shop.run(night_progress())
    told = lines()
    assert all(list(line) == KEYS for line in told)
    assert {line["run"] for line in told} == {f"{DAY}.1"}
    assert {line["level"] for line in told} == {"info"}
    assert all(line["time"].endswith("+00:00") for line in told)
    assert (told[0]["message"], told[0]["figures"]["files"]) == (f"night {DAY} started", 1)
    for stage in STAGES:
        started, ended = (line for line in told if line["stage"] == stage.name)
        assert (started["message"], ended["message"]) == ("started", "done")
    (landed,) = (line for line in told if line["stage"] == "bronze.land" and line["figures"])
    assert landed["figures"]["rows_out"] == 4
    assert landed["figures"]["seconds"] > 0
    assert told[-1]["message"] == f"night {DAY} released"


def test_what_a_gate_found_is_a_line_of_its_stage(shop: Tiny, lines: Any) -> None:
    found = {"severity": "warn", "value": 3.0, "bound": 2.0, "fail_bound": None, "owner": None}
    shop.gates["silver.build"] = lambda inputs: [
        {"gate": "volume_high", "status": "warned", "message": "three times the usual rows", **found},
        {"gate": "schema", "status": "passed", "message": "as it should be", **found},
    ]
    shop.gates["gold.counts"] = lambda inputs: [
        {"gate": "id_jitter", "status": "blocked", "message": "ids moved", **found, "severity": "fail"}
    ]
    with pytest.raises(GateStopped) as stopped:
        shop.run(night_progress())
    assert f"`padron release approve {DAY}.1 --why …`" in str(stopped.value)
    complain(str(stopped.value), 3)
    warning, *errors = (line for line in lines() if line["level"] != "info")
    assert (warning["level"], warning["stage"]) == ("warning", "silver.build")
    assert warning["message"] == "gate volume_high warned: three times the usual rows"
    assert warning["figures"] == {"value": 3.0, "bound": 2.0, "fail_bound": None}
    assert [(e["stage"], e["run"]) for e in errors] == [("gold.counts", f"{DAY}.1"), (None, f"{DAY}.1")]
    assert errors[-1]["figures"] == {"exit_code": 3}


def test_what_a_record_says_is_in_no_line(
    shop: Tiny, lines: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(inputs: Any) -> Any:
        raise ValueError(f"cannot read {inputs.arrow(STAGES[0].writes[1]).to_pylist()}")

    shop.gates["bronze.land"] = broken
    with pytest.raises(PadronError) as failed:
        shop.run(night_progress())
    complain(str(failed.value), 1)
    told = lines()
    assert [line["level"] for line in told][-1] == "error"
    assert "ValueError" in told[-1]["message"]
    assert "ana" not in json.dumps(told)


def test_nothing_else_is_written_beside_the_objects(lines: Any) -> None:
    with err.status("Linking") as status:
        status.update("still linking")
        tell("  1/2 a  file")
    (line,) = lines()
    assert (line["level"], line["message"], line["run"]) == ("info", "1/2 a file", None)


@pytest.mark.parametrize(
    "how", [{"option": ["--log-format", "json"]}, {"variable": "json"}], ids=["option", "variable"]
)
@pytest.mark.parametrize("wrong", [["release", "--nonsense"], ["sql", "select 1", "--warehouse", "nowhere"]])
def test_an_error_is_a_line_with_its_exit_code(
    how: dict[str, Any], wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "variable" in how:
        monkeypatch.setenv("PADRON_LOG", how["variable"])
    code = execute([*how.get("option", []), *wrong])
    (line,) = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    assert (line["level"], line["figures"]) == ("error", {"exit_code": code})
    assert code != 0


def test_the_night_under_spark_submit_takes_the_option_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--log-format", "json", "--from", "nothing", "--warehouse", str(tmp_path)]) == 2
    (line,) = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    assert "is not a stage" in line["message"]


def test_text_is_what_people_get(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["sql", "select 1", "--warehouse", "nowhere"])
    assert capsys.readouterr().err.startswith("padron: ")


def test_an_unknown_form_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PADRON_LOG", "xml")
    assert execute(["status"]) == 2
    assert "'xml' is not one of 'text', 'json'" in capsys.readouterr().err


def test_a_night_leaves_standard_output_to_the_log(lines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    conclude("Nothing to do")
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["message"] == "Nothing to do"
    log_as("text")
    conclude("Nothing to do")
    assert capsys.readouterr().out == "Nothing to do\n"

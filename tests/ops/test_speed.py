"""``padron bench linkage``: what is measured of a process, which cells run again, what the bars say."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.foreign_link import link_by_settings
from pipelines.linkage.peers import ID, padron_night, splink_duckdb
from pipelines.linkage.peers.model import frequent_values, generation, splink_settings, train
from pipelines.ops.speed import given as given_module
from pipelines.ops.speed.cells import Cell, order, run_cell
from pipelines.ops.speed.config import Bars, LinkageBench
from pipelines.ops.speed.figures import figures, verdicts
from pipelines.ops.speed.given import Given, Preparation
from pipelines.ops.speed.peers import PEERS, Peer
from pipelines.ops.speed.processes import measured
from pipelines.ops.speed.run import Outcome, chosen, run
from pipelines.simulate.flat import flat_people

RULES = LinkageBench().rules
CAP = 60.0


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_memory_and_cpu_of_the_processes_that_a_process_starts_count(tmp_path: Path) -> None:
    hungry = "import time; held = bytearray(80_000_000); time.sleep(0.7); sum(range(3_000_000))"
    start = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', sys.argv[1]])"
    found = measured(python(start, hungry), str(tmp_path), CAP)
    assert found.outcome == "done"
    assert 80_000_000 < found.peak_bytes < 300_000_000
    assert found.cpu_seconds > 0
    assert found.seconds > 0.7


def test_a_process_that_was_only_just_forked_is_not_counted_twice(tmp_path: Path) -> None:
    fork = (
        "import os, time; held = bytearray(80_000_000)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: time.sleep(0.5); os._exit(0)\n"
        "    os.wait()"
    )
    found = measured(python(fork), str(tmp_path), CAP)
    assert found.outcome == "done"
    assert 80_000_000 < found.peak_bytes < 130_000_000


def test_what_takes_longer_than_the_cap_is_ended_with_all_it_started(tmp_path: Path) -> None:
    # As Spark's workers do, the child leaves its parent's process group.
    child = "import os, time; os.setpgid(0, 0); open(os.environ['THERE'], 'w').write(str(os.getpid())); time.sleep(60)"
    start = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]]); time.sleep(60)"
    there = tmp_path / "pid"
    found = measured(python(start, child), str(tmp_path), 1.5, {**os.environ, "THERE": str(there)})
    assert (found.outcome, found.seconds) == ("capped", 1.5)
    assert not is_alive(int(there.read_text()))


def test_what_dies_says_its_last_words(tmp_path: Path) -> None:
    found = measured(python("import sys; sys.exit('no table people')"), str(tmp_path), CAP)
    assert (found.outcome, found.said) == ("died", ("exit code 1", "no table people"))
    killed = measured(python("import os; os.kill(os.getpid(), 9)"), str(tmp_path), CAP)
    assert killed.said == ("ended by SIGKILL",)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Four records of two people, and what a peer that finds one of the two pairs leaves."""
    ids = pa.array([3, 1, 4, 2], pa.int64())
    pq.write_table(pa.table({ID: ids, "person": [0, 0, 1, 1]}), tmp_path / "records.parquet")
    results = tmp_path / "results"
    results.mkdir()
    clusters = pa.table({ID: pa.array(["1", "2", "3", "4"]), "cluster_id": ["1", "2", "1", "4"]})
    pq.write_table(clusters, results / "clusters.parquet")
    (results / "report.json").write_text('{"candidate_pairs": 3, "links": 1}', encoding="utf-8")
    return Given(4, str(tmp_path / "records.parquet"), "", "", "", LinkageBench(), 0.1, "", "one")


def peer(name: str, script: str) -> Peer:
    """A peer whose command is a shell script; $1 is the folder of its results, $2 that of the data."""

    def command(given: Given, out: str) -> list[str]:
        return ["sh", "-c", script, "sh", out, os.path.dirname(given.records)]

    return Peer(name, "a fake", command, (), ())


GOOD = 'echo run >> "$2/runs"; cp "$2"/results/* "$1"'


def runs(given: Given) -> int:
    path = Path(given.records).with_name("runs")
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_cell_holds_the_counts_and_the_quality(given: Given, tmp_path: Path) -> None:
    cell = run_cell(given, peer("good", GOOD), 1, CAP, str(tmp_path))
    assert (cell.outcome, cell.candidate_pairs, cell.links, cell.clusters) == ("done", 3, 1, 3)
    # One of two true pairs, none wrong.
    assert cell.f1 == pytest.approx(2 / 3)
    assert json.loads((tmp_path / "cells" / "4-good-1.json").read_text())["f1"] == cell.f1
    assert not list(tmp_path.glob("running-*"))


def test_only_what_was_not_measured_runs_again(given: Given, tmp_path: Path) -> None:
    out = str(tmp_path)
    for repetition in (1, 2):
        run_cell(given, peer("good", GOOD), repetition, CAP, out)
    again = run_cell(given, peer("good", GOOD), 2, CAP, out)
    assert (again.is_reused, again.f1, runs(given)) == (True, pytest.approx(2 / 3), 2)
    run_cell(given, peer("good", GOOD), 3, CAP, out)
    assert runs(given) == 3
    # Other records or settings, or a file cut short: measured anew.
    assert not run_cell(replace(given, digest="two"), peer("good", GOOD), 2, CAP, out).is_reused
    (tmp_path / "cells" / "4-good-1.json").write_text('{"size": 4')
    assert not run_cell(given, peer("good", GOOD), 1, CAP, out).is_reused
    assert runs(given) == 5


def test_a_cap_is_a_result_until_a_higher_one_is_asked(given: Given, tmp_path: Path) -> None:
    slow = peer("slow", f"{GOOD}; sleep 30")
    assert run_cell(given, slow, 1, 0.3, str(tmp_path)).outcome == "capped"
    assert run_cell(given, slow, 1, 0.2, str(tmp_path)).is_reused
    again = run_cell(given, slow, 1, 0.4, str(tmp_path))
    assert (again.is_reused, again.seconds) == (False, 0.4)


def test_one_that_died_does_not_stop_the_others_and_is_tried_again(given: Given, tmp_path: Path) -> None:
    peers = [peer("bad", "echo out of memory >&2; exit 7"), peer("good", GOOD)]
    ended: list[Cell] = []

    def go() -> Outcome:
        conf = LinkageBench(sizes=(4,))
        return run(str(tmp_path), conf, peers, 1, CAP, lambda _: given, lambda *a: ended.append(a[2]))

    outcome = go()
    assert [(c.peer, c.outcome, c.said) for c in ended] == [
        ("bad", "died", ("exit code 7", "out of memory")),
        ("good", "done", ()),
    ]
    assert "| 4 | bad | died |" in outcome.markdown
    assert "`exit code 7`; `out of memory`" in outcome.markdown
    assert "| 4 | good | " in outcome.markdown
    go()
    assert [c.is_reused for c in ended[2:]] == [False, True]
    assert json.loads((tmp_path / "linkage.json").read_text())["cells"][1]["candidate_pairs"] == 3
    assert (tmp_path / "linkage.svg").read_text().startswith("<svg")


def test_a_peer_that_loses_records_is_refused(given: Given, tmp_path: Path) -> None:
    lossy = pa.table({ID: pa.array([1, 2, 3], pa.int64()), "cluster_id": [1, 2, 1]})
    pq.write_table(lossy, tmp_path / "results" / "clusters.parquet")
    with pytest.raises(UsageError, match="other records than it was given"):
        run_cell(given, peer("good", GOOD), 1, CAP, str(tmp_path))


def test_what_a_peer_starts_from_is_made_first_and_not_timed(given: Given, tmp_path: Path) -> None:
    slow_start = peer("start", 'sleep 1; echo ready > "$1/state"').command
    changed = replace(peer("changed", f'test -f "$1/state" && {GOOD}'), before=slow_start)
    cell = run_cell(given, changed, 1, CAP, str(tmp_path))
    assert cell.outcome == "done"
    assert cell.seconds < 1


def test_without_java_the_cell_says_so(given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    cell = run_cell(given, replace(peer("spark", GOOD), needs_java=True), 1, CAP, str(tmp_path))
    assert cell.outcome == "died"
    assert "Java is missing" in cell.said[0]
    assert not (tmp_path / "cells").exists()


def test_peers_take_turns_and_another_one_begins_each_time() -> None:
    a, b = peer("a", ""), peer("b", "")
    planned = [(size, each.name, repetition) for size, each, repetition in order([20, 10], [a, b], 2)]
    assert planned == [
        (10, "a", 1), (10, "b", 1), (10, "b", 2), (10, "a", 2),
        (20, "a", 1), (20, "b", 1), (20, "b", 2), (20, "a", 2),
    ]  # fmt: skip
    assert [each.name for each in chosen(["splink-duckdb", "padron"])] == ["padron", "splink-duckdb"]
    with pytest.raises(UsageError, match="no peer zingg; there are padron"):
        chosen(["zingg"])


def made(size: int, name: str, seconds: float, outcome: str = "done", pairs: int = 0) -> Cell:
    return Cell(size, name, 1, "", outcome, seconds, seconds, 2**30, pairs, 1, 1, 1.0)


def test_bars_are_reached_missed_or_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    cells = [
        made(1000, "padron", 3, pairs=60_000),
        made(1000, "splink-duckdb", 2.5),
        made(10_000, "padron", 60, pairs=6_000_000),
        made(10_000, "splink-duckdb", 20),
        made(1000, "padron-many", 20),
        made(1000, "splink-spark", 120, "capped"),
        made(10_000, "padron-many", 60),
        made(10_000, "splink-spark", 120, "capped"),
    ]
    found = {v.name: (v.value, v.said()) for v in verdicts(figures(cells), Bars())}
    assert found["padron / splink-duckdb, 1k"] == (pytest.approx(1.2), "reached")
    assert found["padron / splink-duckdb, 10k"] == (pytest.approx(3.0), "missed by 100 %")
    # Ended at 120 s, so it takes at least 6 and 2 times as long: one is enough, the other says nothing.
    assert found["splink-spark / padron-many, 1k"] == (pytest.approx(6.0), "reached")
    assert found["splink-spark / padron-many, 10k"] == (pytest.approx(2.0), "not known")
    assert found["padron: pairs a second and core, 10k"] == (pytest.approx(50_000), "missed by 50 %")
    assert found["padron: growth, 1k to 10k (pairs 2.00)"] == (
        pytest.approx(1.301, abs=1e-3),
        "missed by 18 %",
    )
    assert found["padron: peak memory in GB, 10k"] == (1.0, "reached")
    died = verdicts(figures([made(1000, "padron", 0, "died"), made(1000, "splink-duckdb", 1)]), Bars())
    assert {v.said() for v in died} == {"not known"}


def test_the_records_are_the_same_each_time_and_like_people() -> None:
    records = flat_people(20_000, seed=3)
    assert records.equals(flat_people(20_000, seed=3))
    assert not records.equals(flat_people(20_000, seed=4))
    assert records.num_rows == len(records[ID].unique()) == 20_000
    assert 1.3 < 20_000 / len(records["person"].unique()) < 1.7
    counts = pc.value_counts(records["surname"]).field("counts").to_numpy()
    # Some surnames are everybody's, most are rare.
    assert counts.max() > 300
    assert len(counts) > 1_500
    for column in ("email", "phone", "birth_date", "postal_code"):
        assert 0.1 < records[column].null_count / 20_000 < 0.4
    assert flat_people(0, seed=3).num_rows == 0


@pytest.fixture(scope="module")
def speed_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """2,000 records and a model that was trained on 3,000 others."""
    folder = tmp_path_factory.mktemp("speed")
    trained = train(flat_people(3_000, seed=8), seed=8)
    records, settings = folder / "records.parquet", folder / "settings.json"
    pq.write_table(flat_people(2_000, seed=9), records)
    settings.write_text(json.dumps(splink_settings(trained, "duckdb", RULES, 2_000)), encoding="utf-8")
    return {"folder": folder, "trained": trained, "records": str(records), "settings": str(settings)}


def test_padron_and_splink_compare_the_same_pairs(speed_files: dict[str, Any]) -> None:
    out = speed_files["folder"] / "splink"
    out.mkdir()
    splink_duckdb.main(speed_files["records"], speed_files["settings"], str(out), 0.1, 0.9)
    theirs = json.loads((out / "report.json").read_text())
    ours = link_by_settings(
        [speed_files["records"]],
        Linkage(),
        settings=speed_files["settings"],
        id_column=ID,
        today=date(2026, 7, 1),
        truth_column="person",
    )
    assert ours.linked.figures["candidate_pairs"] == theirs["candidate_pairs"] > 1_000
    weights = {
        tuple(sorted((int(row[f"{ID}_l"]), int(row[f"{ID}_r"])))): row["match_weight"]
        for row in ours.pairs.to_pylist()
        if row["blocked_by"] != "component"
    }
    rows = pq.read_table(out / "pairs.parquet").to_pylist()
    expected = {tuple(sorted((row[f"{ID}_l"], row[f"{ID}_r"]))): row["match_weight"] for row in rows}
    assert weights == {pair: pytest.approx(weight, abs=1e-6) for pair, weight in expected.items()}
    assert ours.quality is not None
    assert ours.quality.f1 > 0.8


def test_a_night_after_a_night_ends_as_one_on_all_records(speed_files: dict[str, Any]) -> None:
    folder = speed_files["folder"]
    rules = json.dumps(RULES)
    model = generation(speed_files["trained"], RULES, 2_000, frequent_values(speed_files["records"]), 0.9)
    known = folder / "generation.json"
    known.write_text(model.to_json(), encoding="utf-8")
    for name in ("all", "changed"):
        (folder / name).mkdir()
    for which, out in (("all", "all"), ("earlier", "changed")):
        padron_night.main(speed_files["records"], str(known), str(folder / out), rules, which)
    earlier = pq.read_table(folder / "changed" / "clusters.parquet")
    padron_night.main(speed_files["records"], str(known), str(folder / "changed"), rules, "changed")
    once, after = (pq.read_table(folder / out / "clusters.parquet") for out in ("all", "changed"))
    assert after.equals(once)
    assert not after.equals(earlier)
    pairs = [
        json.loads((folder / out / "report.json").read_text())["candidate_pairs"]
        for out in ("all", "changed")
    ]
    assert 0 < pairs[1] < pairs[0] / 5


def test_the_model_is_one_in_all_words(speed_files: dict[str, Any]) -> None:
    trained = speed_files["trained"]
    duck, spark = (splink_settings(trained, dialect, RULES, 2_000) for dialect in ("duckdb", "spark"))
    values = frequent_values(speed_files["records"])
    model = generation(trained, RULES, 2_000, values, 0.9).models["person"]

    def numbers(settings: dict[str, Any]) -> list[list[Any]]:
        kinds = ("m_probability", "u_probability", "tf_minimum_u_value")
        return [
            [tuple(level.get(kind) for kind in kinds) for level in c["comparison_levels"]]
            for c in settings["comparisons"]
        ]

    assert numbers(duck) == numbers(spark) == numbers(model.settings)
    assert duck["probability_two_random_records_match"] == pytest.approx(trained.prior * 3_000 / 2_000)
    assert [rule.name for rule in model.rules] == [
        "email_first",
        "phone_first",
        "surname, birth_date",
        "given_name, surname",
    ]
    assert len(values["city"]) > 50
    assert all(0.0002 < share < 1 for share in values["city"].values())


@pytest.mark.soak
def test_all_four_do_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- padron bench linkage: written by the command -->\n<!-- end of padron bench linkage -->\n"
    )
    monkeypatch.setenv("PADRON__BENCHMARKS__LINKAGE__TRAINED_ON", "5000")
    where = ["bench", "linkage", "--sizes", "2000", "--repeat", "1", "--out", str(tmp_path / "out")]
    assert execute([*where, "--write", str(page)]) == 0
    cells = json.loads((tmp_path / "out" / "linkage.json").read_text())["cells"]
    assert {cell["peer"]: cell["outcome"] for cell in cells} == dict.fromkeys(PEERS, "done")
    pairs = {cell["peer"]: cell["candidate_pairs"] for cell in cells}
    changed = pairs.pop("padron-change")
    assert len(set(pairs.values())) == 1
    assert 0 < changed < pairs["padron-night"] / 5
    assert all(cell["f1"] > 0.8 for cell in cells)
    assert "| 2,000 | splink-spark |" in page.read_text()


def test_the_command_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["bench", "linkage", "--out", str(tmp_path)]
    assert execute([*where, "--sizes", "many"]) == 2
    assert "such as 100000,300000" in capsys.readouterr().err
    assert execute([*where, "--peers", "zingg"]) == 2
    assert "no peer zingg" in capsys.readouterr().err


def test_the_files_of_a_size_are_made_once(
    speed_files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(given_module, "_trained", lambda records, seed: speed_files["trained"])
    conf = LinkageBench(sizes=(1_000,), trained_on=5_000)
    prepared = Preparation(str(tmp_path), conf, 0.1, "spark-defaults.conf", said.append)
    first, second = prepared.of(1_000), prepared.of(1_000)
    assert first == second
    assert said == ["training the model on 5,000 records", "making 1,000 records"]
    spark = json.loads(Path(first.spark_settings).read_text())["blocking_rules_to_generate_predictions"]
    assert {rule["sql_dialect"] for rule in spark} == {"spark"}
    other = replace(prepared, conf=conf.model_copy(update={"threshold": 0.8})).of(1_000)
    assert other.records == first.records
    assert other.digest != first.digest

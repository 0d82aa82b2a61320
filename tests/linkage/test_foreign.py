"""``padron link --settings``: a Splink user's own settings or model, scored as Splink scores them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from pipelines.cli import execute
from pipelines.linkage.foreign import read_foreign

Json = dict[str, Any]
LEAST = 0.1
"""Probability from which pairs are kept (review_probability)."""


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADRON__LINKAGE__TRAINING__U_PAIRS", "50000")


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """Three records a person; a third of the records has a slip, another e-mail or none."""
    rng = Random(11)
    letters = "abdefgilmnoprstu"
    rows: list[Json] = []
    for n in range(120):
        first = rng.choice(["ana", "luis", "marta", "jorge", "elena", "pablo", "irene", "david"])
        last = "".join(rng.choices(letters, k=7))
        born = f"{rng.randrange(1940, 2000)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        for copy in range(3):
            slip = rng.random() < 0.3
            rows.append(
                {
                    "key": 7 * (3 * n + copy) % 1009,
                    "first": first,
                    "last": last[:-1] if slip else last,
                    "born": None if rng.random() < 0.1 else born,
                    "mails": [f"{last}{n}@x.org"] if not slip else [f"{last}@y.org", f"{last}{n}@x.org"],
                    "town": rng.choice(["lugo", "jaen", "vigo"]),
                    "person": n,
                }
            )
    rng.shuffle(rows)
    return pa.Table.from_pylist(rows)


@pytest.fixture
def as_csv(people: pa.Table, tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    pacsv.write_csv(people.drop_columns(["mails"]), path)
    return path


@pytest.fixture
def as_parquet(people: pa.Table, tmp_path: Path) -> Path:
    path = tmp_path / "people.parquet"
    pq.write_table(people, path)
    return path


def comparisons(*, trained: bool) -> list[Any]:
    made = [
        cl.ExactMatch("first").configure(term_frequency_adjustments=True),
        cl.JaroWinklerAtThresholds("last", [0.92]).configure(term_frequency_adjustments=True),
        cl.ExactMatch("born"),
    ]
    values = [((0.9, 0.1), (0.12, 0.88)), ((0.7, 0.2, 0.1), (0.005, 0.01, 0.985)), ((0.9, 0.1), (0.01, 0.99))]
    if trained:
        for comparison, (m, u) in zip(made, values, strict=True):
            comparison.configure(m_probabilities=list(m), u_probabilities=list(u))
    return made


RULES = [block_on("last"), block_on("substr(last, 1, 3)", "first"), block_on("born")]


def written(folder: Path, plain: Json) -> Path:
    path = folder / "splink.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path


def settings(
    *, trained: bool = True, dialect: str = "duckdb", rules: list[Any] | None = None, **more: Any
) -> Json:
    made = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[*comparisons(trained=trained), *more.pop("also", [])],
        blocking_rules_to_generate_predictions=RULES if rules is None else rules,
        unique_id_column_name="key",
        **({"probability_two_random_records_match": 0.003} if trained else {}),
    ).create_settings_dict(dialect)
    return {**made, **more}


def link(file: Path, model: Path, out: Path, *more: str) -> Json:
    where = ["link", str(file), "--id", "key", "--settings", str(model), "--out", str(out), *more]
    assert execute(where) == 0
    report: Json = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def refused(file: Path, model: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert execute(["link", str(file), "--id", "key", "--settings", str(model), *more]) == 2
    return " ".join(capsys.readouterr().err.split())


def by_splink(query: str, plain: Json) -> dict[tuple[str, str], float]:
    """Match weights of Splink alone, by the pair."""
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE input AS {query}")
    table = DuckDBAPI(connection).register("input", table_name="input_people")
    linker = Linker(table, plain, log_level=logging.CRITICAL)
    found = linker.inference.predict(threshold_match_probability=LEAST).physical_name
    rows = connection.execute(f"SELECT DISTINCT key_l, key_r, match_weight FROM {found}").fetchall()
    return {(str(left), str(right)): weight for left, right, weight in rows}


def by_padron(out: Path) -> dict[tuple[str, str], float]:
    rows = pq.read_table(out / "pairs.parquet").to_pylist()
    return {(r["key_l"], r["key_r"]): r["match_weight"] for r in rows if r["blocked_by"] != "component"}


def test_pairs_and_weights_are_splinks(as_csv: Path, tmp_path: Path) -> None:
    plain = settings()
    report = link(as_csv, written(tmp_path, plain), tmp_path / "out", "--truth", "person")
    expected = by_splink(f"SELECT * FROM read_csv('{as_csv}')", plain)
    found = by_padron(tmp_path / "out")
    assert len(expected) > 200
    assert set(found) == set(expected)
    assert max(abs(found[pair] - expected[pair]) for pair in expected) < 1e-6
    assert report["quality"]["f1"] > 0.9
    assert report["fields"] == {"first": ["first"], "last": ["last"], "born": ["born"]}
    assert set(report["blocks"]) == {
        "settings.last",
        'settings.(SUBSTRING(l.last, 1, 3) = SUBSTRING(r.last, 1, 3)) AND (l."first" = r."first")',
        "settings.born",
    }
    rows = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    assert {r["decided_by"] for r in rows} == {"splink"}


def test_a_trained_model_needs_no_heavy_library(as_csv: Path, tmp_path: Path) -> None:
    """Loading these takes as long as linking a small file."""
    code = (
        "import sys; from pipelines.cli import execute; from pipelines.cli.lean import arrow_without_pandas\n"
        "arrow_without_pandas(); code = execute(sys.argv[1:])\n"
        "heavy = {'pandas', 'pyspark', 'scipy.sparse', 'great_expectations'}.intersection(sys.modules)\n"
        "sys.exit(code or ' '.join(sorted(heavy)) or 0)"
    )
    model = written(tmp_path, settings())
    where = ["--id", "key", "--settings", str(model), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, "link", str(as_csv), *where], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (0, [])


def test_the_report_says_what_each_rule_of_the_settings_brought(as_csv: Path, tmp_path: Path) -> None:
    report = link(as_csv, written(tmp_path, settings()), tmp_path / "out")
    pairs = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    likely = [p for p in pairs if p["blocked_by"] == "last" and p["same_person_probability"] >= report["cut"]]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    row = re.search(r'<th scope="row"[^>]*>last</th><td>settings</td>(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    found = report["blocks"]["settings.last"]["pairs"]
    assert len(likely) > 100
    numbers = re.findall(r">([\d,]+)</td>", row[1])
    assert (numbers[0], numbers[2]) == (str(found), str(len(likely)))


def test_a_result_by_settings_is_evaluated_and_keeps_no_records(
    as_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = written(tmp_path, settings()), tmp_path / "out"
    assert "--settings has neither" in refused(as_csv, model, capsys, "--keep-records", "--out", str(out))
    assert not out.exists()
    report = link(as_csv, model, out, "--truth", "person")
    capsys.readouterr()
    where = ["--linked", str(out), "--truth", str(as_csv), "--truth-column", "person", "--json"]
    assert execute(["evaluate", *where]) == 0
    assert json.loads(capsys.readouterr().out)["f1"] == pytest.approx(report["quality"]["f1"])
    assert execute(["explain", "0", "7", "--linked", str(out)]) == 2


def test_arrays_are_exploded_and_intersected_as_splink_does(as_parquet: Path, tmp_path: Path) -> None:
    mails = cl.ArrayIntersectAtSizes("mails", [1]).configure(
        m_probabilities=[0.9, 0.1], u_probabilities=[0.01, 0.99]
    )
    rules = [block_on("mails", arrays_to_explode=["mails"]), block_on("last")]
    plain = settings(rules=rules, also=[mails])
    link(as_parquet, written(tmp_path, plain), tmp_path / "out")
    expected = by_splink(f"SELECT * FROM '{as_parquet}'", plain)
    found = by_padron(tmp_path / "out")
    assert len(expected) > 200
    assert set(found) == set(expected)
    assert max(abs(found[pair] - expected[pair]) for pair in expected) < 1e-6
    # Splink brings a pair of an exploding rule again under a later one; here it stands once.
    rows = pq.read_table(tmp_path / "out" / "pairs.parquet")
    assert rows.num_rows == len({(r["key_l"], r["key_r"]) for r in rows.to_pylist()})


def test_settings_without_m_and_u_are_trained(
    as_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(tmp_path, settings(trained=False))
    report = link(as_csv, model, tmp_path / "a", "--truth", "person")
    said = " ".join(capsys.readouterr().out.split())
    assert "Model that of --settings" in said
    assert "note: settings: they have no m and u: these were trained on the records" in said
    assert report["kind"] == "trained"
    assert report["quality"]["f1"] > 0.9
    again = link(as_csv, model, tmp_path / "b", "--truth", "person")
    assert again["generation_id"] == report["generation_id"]
    weights = by_padron(tmp_path / "a")
    assert weights == by_padron(tmp_path / "b")
    assert max(weights.values()) > 3


def two_files(people: pa.Table, folder: Path) -> list[str]:
    """A record of each person in one file and another, which calls a column otherwise, in a second one."""
    rows = people.sort_by("key").drop_columns(["mails"]).to_pylist()
    first = {row["person"]: row for row in rows}
    second = {row["person"]: row for row in reversed(rows)}
    renamed = {
        "first": "First",
        "born": "born",
        "last": "last",
        "town": "town",
        "key": "key",
        "person": "person",
    }
    for name, chosen in (("crm", first), ("web", second)):
        table = pa.Table.from_pylist([chosen[person] for person in sorted(chosen)])
        pacsv.write_csv(table if name == "crm" else table.rename_columns(renamed), folder / f"{name}.csv")
    return [str(folder / "crm.csv"), str(folder / "web.csv")]


@pytest.mark.parametrize("link_type", ["link_only", "dedupe_only"])
@pytest.mark.parametrize("trained", [True, False])
def test_link_only_compares_records_of_different_files(
    people: pa.Table, tmp_path: Path, link_type: str, trained: bool
) -> None:
    crm, web = two_files(people, tmp_path)
    model = written(tmp_path, {**settings(trained=trained), "link_type": link_type})
    out = tmp_path / "out"
    report = link(Path(crm), model, out, web, "--link-only", "--truth", "person")
    assert report["records"] == 240
    assert report["quality"]["f1"] > 0.9
    pairs = pq.read_table(out / "pairs.parquet").to_pylist()
    assert len(pairs) > 100
    assert {(p["source_l"], p["source_r"]) for p in pairs} == {("crm", "web")}
    rows = pq.read_table(out / "clusters.parquet").to_pylist()
    members = [(row["cluster_id"], row["source"]) for row in rows]
    assert len(members) == len(set(members)) == 240
    if trained:
        expected = between_files_by_splink(crm, web)
        found = by_padron(out)
        assert set(found) == set(expected)
        assert max(abs(found[pair] - expected[pair]) for pair in expected) < 1e-6


def between_files_by_splink(*paths: str) -> dict[tuple[str, str], float]:
    connection = duckdb.connect()
    api = DuckDBAPI(connection)
    tables = [
        connection.sql(f"SELECT key, first, last, born FROM read_csv('{path}')").to_arrow_table()
        for path in paths
    ]
    both = [
        api.register(table, table_name=Path(path).stem) for table, path in zip(tables, paths, strict=True)
    ]
    linker = Linker(both, {**settings(), "link_type": "link_only"}, log_level=logging.CRITICAL)
    found = linker.inference.predict(threshold_match_probability=LEAST).physical_name
    rows = connection.execute(f"SELECT key_l, key_r, match_weight FROM {found}").fetchall()
    return {(str(left), str(right)): weight for left, right, weight in rows}


def test_several_files_without_link_only_may_hold_a_person_twice(
    people: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crm, web = two_files(people, tmp_path)
    everybody = tmp_path / "everybody.csv"
    pacsv.write_csv(people.drop_columns(["mails"]), everybody)
    out = tmp_path / "out"
    link(Path(crm), written(tmp_path, settings()), out, str(everybody))
    pairs = pq.read_table(out / "pairs.parquet").to_pylist()
    assert {(p["source_l"], p["source_r"]) for p in pairs} == {
        ("crm", "everybody"),
        ("everybody", "everybody"),
    }
    model = written(tmp_path, {**settings(), "link_type": "link_only"})
    assert "name two files or more and --link-only" in refused(Path(crm), model, capsys)
    assert "name two files or more and --link-only" in refused(Path(crm), model, capsys, web)


def test_too_few_records_to_train_on(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("key,first,last,born\n1,ana,soto,1990-01-02\n2,ana,soto,1990-01-02\n", encoding="utf-8")
    model = written(tmp_path, settings(trained=False))
    assert link(file, model, tmp_path / "a")["records"] == 2
    file.write_text("key,first,last,born\n1,ana,soto,1990-01-02\n", encoding="utf-8")
    assert link(file, model, tmp_path / "b")["clusters"] == 1
    file.write_text("key,first,last,born\n", encoding="utf-8")
    assert link(file, model, tmp_path / "c")["records"] == 0


def test_a_column_is_text_where_the_sql_needs_it(as_csv: Path, tmp_path: Path) -> None:
    # DuckDB reads "born" as a date, of which substr takes nothing.
    year = cl.CustomComparison(
        output_column_name="year",
        comparison_levels=[
            {
                "sql_condition": "born_l IS NULL OR born_r IS NULL",
                "label_for_charts": "?",
                "is_null_level": True,
            },
            {
                "sql_condition": "substr(born_l, 1, 4) = substr(born_r, 1, 4)",
                "label_for_charts": "year",
                "m_probability": 0.9,
                "u_probability": 0.02,
            },
            {"sql_condition": "ELSE", "label_for_charts": "-", "m_probability": 0.1, "u_probability": 0.98},
        ],
    )
    plain = settings(also=[year])
    link(as_csv, written(tmp_path, plain), tmp_path / "out")
    text = f"SELECT * FROM read_csv('{as_csv}', types = {{'born': 'VARCHAR'}})"
    assert by_padron(tmp_path / "out") == by_splink(text, plain)


def test_what_is_no_settings_is_refused(
    as_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "broken.json"
    model.write_text("{'link_type':", encoding="utf-8")
    assert "no JSON" in refused(as_csv, model, capsys)
    model.write_text('{"link_type": "dedupe_only"}', encoding="utf-8")
    assert "no list of comparisons" in refused(as_csv, model, capsys)
    assert "cannot be read" in refused(as_csv, tmp_path / "none.json", capsys)
    assert "link_only" in refused(as_csv, written(tmp_path, settings(link_type="link_only")), capsys)
    assert "Add at least one" in refused(as_csv, written(tmp_path, settings(rules=[])), capsys)
    odd = settings()
    odd["comparisons"][0]["comparison_levels"][1]["sql_condition"] = "((first_l"
    assert "comparison first" in refused(as_csv, written(tmp_path, odd), capsys)
    assert "max_iteration" in refused(as_csv, written(tmp_path, settings(max_iteration=3)), capsys)
    assert "leave --fields" in refused(
        as_csv, written(tmp_path, settings()), capsys, "--fields", "surname=last"
    )


def test_one_value_that_all_share_is_said_and_refused_where_it_would_not_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{n},p{n},soto,{1940 + n % 60}-01-{1 + n % 28:02d}" for n in range(1_500)]
    file = tmp_path / "sotos.csv"
    file.write_text("\n".join(["key,first,last,born", *rows]), encoding="utf-8")
    model = written(tmp_path, settings(rules=[block_on("born"), block_on("last")]))
    link(file, model, tmp_path / "out")
    said = " ".join(capsys.readouterr().out.split())
    assert "more pairs were compared than blocking.max_comparisons_per_record" in said
    assert "rule last brought 1,1" in said
    # A hundred times the budget, but never of fewer than a million pairs.
    monkeypatch.setenv("PADRON__LINKAGE__BLOCKING__MAX_COMPARISONS_PER_RECORD", "7")
    assert "blocking rule last joins 1,124,250 pairs of 1,500 records, 749 a record" in refused(
        file, model, capsys
    )
    file.write_text("\n".join(["key,first,last,born", *rows[:1_400]]), encoding="utf-8")
    assert link(file, model, tmp_path / "out")["candidate_pairs"] == 1_400 * 1_399 // 2


def test_settings_for_another_file_are_refused(
    as_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = written(tmp_path, settings(also=[cl.ExactMatch("surname")], rules=[block_on("post_code")]))
    said = refused(as_csv, other, capsys)
    assert "comparison surname needs surname" in said
    assert "blocking rule post_code needs post_code" in said
    assert "It has key, first, last" in said
    numbers = written(tmp_path, settings(also=[cl.ArrayIntersectAtSizes("town", [1])]))
    assert "comparison town cannot be computed on this file (town VARCHAR)" in refused(
        as_csv, numbers, capsys
    )


def test_ids_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "people.csv"
    model = written(tmp_path, settings())
    file.write_text("key,first,last,born\n1,a,b,\n1,a,b,\n", encoding="utf-8")
    assert "1 records share their key" in refused(file, model, capsys)
    file.write_text("key,first,last,born\n1,a,b,\n,a,b,\n", encoding="utf-8")
    assert "1 records have no key" in refused(file, model, capsys)


def test_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    others = "".join(f"{n},f{n},l{n}xyz,19{n}-01-01\n" for n in range(20, 60))
    for ids, smallest in ((("10", "9"), "9"), (("010", "9"), "010")):
        # Numbers by value, as Splink orders them; anything else, a leading zero too, as text.
        same = "".join(f"{key},ana,soto,1990-01-01\n" for key in ids)
        file.write_text(f"key,first,last,born\n{same}{others}", encoding="utf-8")
        link(file, written(tmp_path, settings()), tmp_path / "out")
        rows = pq.read_table(tmp_path / "out" / "clusters.parquet").to_pylist()
        assert {r["cluster_id"] for r in rows if r["key"] in ids} == {smallest}


def test_a_model_of_another_engine(as_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(as_csv, written(tmp_path, settings(dialect="spark")), capsys)
    assert "made for spark" in said
    assert "comparison last cannot be translated for sure: JARO_WINKLER" in said
    exact = [
        cl.ExactMatch("first").configure(m_probabilities=[0.9, 0.1], u_probabilities=[0.12, 0.88]),
        cl.ExactMatch("last").configure(m_probabilities=[0.9, 0.1], u_probabilities=[0.01, 0.99]),
    ]
    for dialect in ("spark", "duckdb"):
        made = SettingsCreator(
            "dedupe_only",
            exact,
            [block_on("last"), block_on("first", "born")],
            0.01,
            unique_id_column_name="key",
        )
        link(as_csv, written(tmp_path, made.create_settings_dict(dialect)), tmp_path / dialect)
    assert by_padron(tmp_path / "spark") == by_padron(tmp_path / "duckdb") != {}


def test_what_splink_4_wrote_is_read(tmp_path: Path) -> None:
    old = settings(bayes_factor_column_prefix="bf_", sql_dialect="duckdb")
    for rule in old["blocking_rules_to_generate_predictions"]:
        rule["salting_partitions"] = 4
    del old["match_weight_column_prefix"]
    found = read_foreign(str(written(tmp_path, old)))
    assert found.is_trained
    assert [rule.name for rule in found.rules][::2] == ["last", "born"]


def test_records_without_one_true_pair_and_a_blank_column_train_to_no_links(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = Random(4)
    letters = "abdefgilmnoprstu"
    rows = [
        {
            "key": n,
            "first": "".join(rng.choices(letters, k=5)),
            "last": "".join(rng.choices(letters, k=7)),
            "born": "",
        }
        for n in range(300)
    ]
    file = tmp_path / "strangers.csv"
    pacsv.write_csv(pa.Table.from_pylist(rows), file)
    report = link(file, written(tmp_path, settings(trained=False)), tmp_path / "out")
    assert (report["clusters"], report["links"]) == (300, 0)
    said = " ".join(capsys.readouterr().out.split())
    assert "the blocking rules bring no pair" in said

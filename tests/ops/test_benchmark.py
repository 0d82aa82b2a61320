"""``padron bench quality`` on a set that a person can check: the figures, the table, the messages."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from pipelines.cli import execute
from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.ops.benchmark import BEGIN, END, Benchmarks, QualitySet, markdown, measure, write_table

PEOPLE = """key,name,surname,birth date,email,person,case
p1-a,Ana,Ruiz Soto,1980-02-03,ana.ruiz@x.org,1,twin
p1-b,ANA,RUIZ SOTO,03/02/1980,ana.ruiz@x.org,1,twin
p2-a,Luis,Vega Mora,1975-11-30,luis.vega@x.org,2,
p2-b,Luis,Vega,30/11/1975,luis.vega@x.org,2,
p3-a,Nuria,Gil Pons,1990-07-15,nuria@y.org,3,namesake
p4-a,Hugo,Roca,1966-01-20,hugo.roca@z.org,,
"""
NIGHT = date(2026, 7, 1)


def never(landing: str, warehouse: str, business_date: date) -> None:
    raise AssertionError("no set has a night")


def people_set(**more: object) -> QualitySet:
    given = {"name": "people", "files": ["people.csv"], "id": "key", "truth": "person", **more}
    return QualitySet.model_validate(given)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


def test_a_set_of_one_file_is_linked_and_judged(data: Path) -> None:
    found = measure(people_set(), str(data), Linkage(), NIGHT, never).evaluation
    # Four records are two pairs, one is alone; nobody knows who the last one is.
    assert (found.quality.records, found.quality.true_pairs, found.quality.right_pairs) == (5, 2, 2)
    assert found.quality.f1 == 1.0


def test_the_truth_may_stand_in_the_id(data: Path) -> None:
    by_id = people_set(truth=None, truth_in_id=r"p(\d+)-")
    found = measure(by_id, str(data), Linkage(), NIGHT, never).evaluation
    assert (found.quality.records, found.quality.true_pairs, found.quality.f1) == (6, 2, 1.0)


def test_the_table_replaces_what_stood_between_its_lines(data: Path) -> None:
    result = measure(people_set(remark="five records"), str(data), Linkage(), NIGHT, never)
    page = data / "page.md"
    page.write_text(f"# Title\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        write_table(str(page), markdown([result, result]))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Title\n{BEGIN}\n\n| Set |")
    assert text.endswith(f"{END}\nafter\n")
    assert text.count("| people (1) | 5 | 1.0000 | 1.0000 |") == 2
    expected = result.evaluation.expected_precision
    assert expected is not None
    assert f"| 1.0000 | 1.0000 | {expected:.4f} |" in text
    # One remark on several sets stands once.
    assert text.count("(1) five records.") == 1
    assert "(2)" not in text
    assert "old" not in text
    page.write_text("nothing here", encoding="utf-8")
    with pytest.raises(UsageError, match="has no lines"):
        write_table(str(page), markdown([result]))


def test_hard_cases_and_bars_have_tables_of_their_own(data: Path) -> None:
    bars = {"f1": 0.995, "largest_cluster": 1, "precision_of": {"twin": 0.88, "father": 0.7}}
    result = measure(people_set(hard_cases="case", bars=bars), str(data), Linkage(), NIGHT, never)
    assert [(c.case, c.records, c.true_pairs, c.right_pairs) for c in result.evaluation.by_case] == [
        ("namesake", 1, 0, 0),
        ("twin", 2, 1, 1),
    ]
    written = markdown([result])
    assert "| people: twin | 2 | 1 | 1 | 1.0000 | 1.0000 | 1.0000 |" in written
    assert "| people: F1 | ≥ 0.995 | 1 | reached |" in written
    assert "| people: largest cluster | ≤ 1 | 2 | missed by 100 % |" in written
    # A bar of people whom the truth does not have is not reached.
    assert "| people: precision, father | ≥ 0.7 |  | not known |" in written
    assert [bar["said"] for bar in result.as_dict()["bars"]] == [
        "reached",
        "reached",
        "not known",
        "missed by 100 %",
    ]


def test_the_column_of_hard_cases_is_no_evidence(data: Path) -> None:
    # Without names nothing is left that finds a person twice.
    found = measure(people_set(hard_cases="name"), str(data), Linkage(), NIGHT, never).evaluation
    assert found.quality.f1 == 0.0


def test_missing_files_and_half_sets_are_named(data: Path) -> None:
    with pytest.raises(UsageError, match=r"nobody\.csv"):
        measure(people_set(files=["nobody.csv"]), str(data), Linkage(), NIGHT, never)
    for half in ({"truth": None}, {"landing": {"crm/contacts": "x.csv"}, "files": []}):
        with pytest.raises(ValueError, match="give files, id and truth"):
            people_set(**half)
    with pytest.raises(ValueError, match=r"bars\.precision_of needs hard_cases"):
        people_set(bars={"precision_of": {"twin": 0.88}})
    with pytest.raises(ValueError, match="hard_cases is a column beside truth"):
        people_set(truth=None, truth_in_id=r"p(\d+)-", hard_cases="case")


def test_the_shipped_sets_are_valid() -> None:
    names = [each.name for each in Conf().load("benchmarks.yml", Benchmarks).quality]
    assert len(names) == len(set(names)) > 0


def test_the_command_measures_the_sets_of_the_configuration(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = data / "conf"
    conf.mkdir()
    (conf / "benchmarks.yml").write_text(
        "quality:\n  - {name: people, files: [people.csv], id: key, truth: person, hard_cases: case, bars: {f1: 0.9}}\n",
        encoding="utf-8",
    )
    where = ["bench", "quality", "--data", str(data), "--config", str(conf)]
    assert execute([*where, "--json", "--out", str(data / "figures.json")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["f1"]) for row in shown] == [("people", 1.0)]
    assert json.loads((data / "figures.json").read_text(encoding="utf-8")) == shown
    assert execute(where) == 0
    terminal = capsys.readouterr().out
    assert "people: namesake" in terminal
    assert "reached" in terminal
    assert execute([*where, "--set", "nothing"]) == 2

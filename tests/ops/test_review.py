"""``padron review``: the cases ranked by what depends on them, decided at the terminal or through a file."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook
from stewards_house import stewards_house

from pipelines.cli import execute, padron
from pipelines.errors import UsageError
from pipelines.linkage.decisions import standing
from pipelines.linkage.judgements import JUDGEMENTS, Standing, digest_of, newest_sample, quality_now
from pipelines.ops import claims as claiming
from pipelines.ops import review_files, stewards
from pipelines.ops.cases import SHOWN, cases, members
from pipelines.ops.claims import Claims
from pipelines.ops.desk import Desk
from pipelines.ops.reviewing import Review
from pipelines.settings import load_settings
from pipelines.storage import Warehouse

SAID = ("ortiz", "mora", "eva@mail.com")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    return stewards_house(tmp_path_factory.mktemp("built"))


@pytest.fixture
def house(built: str, tmp_path: Path) -> Warehouse:
    shutil.copytree(built, tmp_path / "warehouse")
    return Warehouse(str(tmp_path / "warehouse"))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases without their weights, which take most of the time."""
    monkeypatch.setattr(Review, "explained", lambda review, case: None)


def desk(house: Warehouse) -> Desk:
    return Desk(house, load_settings())


def reviewed(house: Warehouse, *answers: str) -> Result:
    """A session at the terminal with these lines typed."""
    words = ["review", "--warehouse", house.root, "--by", "ana"]
    return CliRunner().invoke(padron, words, input="\n".join(answers) + "\n", standalone_mode=False)


def decisions(house: Warehouse) -> list[dict[str, Any]]:
    there = stewards.recorded(house)
    return [] if there is None else sorted(there.to_pylist(), key=lambda row: row["decided_at"])


def waiting(house: Warehouse) -> list[str]:
    return [case.case_id for case in cases(desk(house))]


def test_cases_are_ranked_by_uncertainty_and_money(house: Warehouse) -> None:
    found = cases(desk(house))
    # Raul has orders; of the others the most doubtful comes first.
    assert [case.case_id for case in found] == [
        "erp:E8|web:W8",
        "erp:E5|web:W5",
        "erp:E7|web:W7",
        "crm:C9|web:W9",
    ]
    assert [case.reason for case in found] == ["doubtful"] * 3 + ["two_birth_dates"]
    assert [case.is_inside for case in found] == [False, False, False, True]
    assert found[0].revenue[0].in_words() == "800.00 MXN"
    assert found[0].pattern == found[2].pattern == "doubtful erp–web: given name =, surname ="


def test_a_case_is_shown_whole_and_answered(house: Warehouse) -> None:
    shown = reviewed(house, "m", "asked by phone", "y", "q").output
    assert "Raul" in shown
    assert "≠" not in shown.split("Case 2 of 4")[0]
    assert "2 customers merge; 1 record" in shown
    assert "match weight" in shown
    assert "same person 0." in shown
    assert "likeliest relation: " in shown
    assert max(map(len, shown.splitlines())) <= 80
    (row,) = decisions(house)
    assert (row["kind"], row["left_records"], row["right_records"]) == ("match", ["erp:E8"], ["web:W8"])
    assert (row["reason"], row["decided_by"]) == ("asked by phone", "ana")
    assert "erp:E8|web:W8" not in waiting(house)


@pytest.mark.usefixtures("plain")
def test_an_answer_can_be_taken_back_and_the_case_comes_again(house: Warehouse) -> None:
    shown = reviewed(house, "n", "namesakes", "y", "z", "q").output
    assert "Taken back: erp:E8|web:W8" in shown
    assert [row["kind"] for row in decisions(house)] == ["no_match", "revoke"]
    assert waiting(house)[0] == "erp:E8|web:W8"


@pytest.mark.usefixtures("plain")
def test_a_revoke_is_undone_by_the_same_decision(house: Warehouse) -> None:
    reviewed(house, "n", "namesakes", "y", "q")
    (made,) = decisions(house)
    session = Review(desk(house), "ana")
    case = session.queue[0]
    session.record([case], session.propose(session.revoke([made["decision_id"]], "they are one")))
    assert session.undo() == case
    (again,) = (d for d in standing(stewards.recorded(house)) if d.revoked_by is None)
    assert (again.kind, again.left, again.right) == ("no_match", ("erp:E8",), ("web:W8",))
    with pytest.raises(UsageError, match="no decision"):
        session.revoke(["d0000"], "wrong")


@pytest.mark.usefixtures("plain")
def test_cases_of_one_pattern_are_answered_at_once(house: Warehouse) -> None:
    shown = reviewed(house, "b", "n", "namesakes", "y", "q").output
    listed = shown[shown.index("2 cases of the pattern") :]
    assert all(name in listed for name in ("erp:E8", "web:W8", "erp:E7", "web:W7", "Raul Mora", "Luis Mora"))
    assert max(map(len, listed.splitlines())) <= 80
    assert [row["kind"] for row in decisions(house)] == ["no_match"] * 2
    assert waiting(house) == ["erp:E5|web:W5", "crm:C9|web:W9"]


@pytest.mark.usefixtures("plain")
def test_cases_answered_at_once_are_held_while_the_steward_thinks(
    house: Warehouse,
) -> None:
    """Nobody else gets one of them before the answer, and none is taken from who has it open."""
    session, other = Review(desk(house), "ana"), Claims(house, "eva")
    case = session.next()
    assert case is not None
    like = session.like(case)
    assert [each.case_id for each in session.take(like)] == ["erp:E7|web:W7"]
    assert not other.take("erp:E7|web:W7")
    session.claims.free_all(each.case_id for each in like)
    assert other.take("erp:E7|web:W7")
    assert session.take(like) == []


@pytest.mark.usefixtures("plain")
def test_no_decision_without_a_reason(house: Warehouse) -> None:
    shown = reviewed(house, "n", "", "  ", "namesakes", "y", "u", "", "q").output
    assert shown.count("Say why") == 2
    assert [row["reason"] for row in decisions(house)] == ["namesakes"]
    assert len(Claims(house, "eva").undecided()) == 1


@pytest.mark.usefixtures("plain")
def test_a_customer_is_split_or_confirmed(house: Warehouse) -> None:
    shown = reviewed(house, "k", "k", "k", "s", "3", "s", "1", "two birth dates", "y").output
    assert "≠ birth date" in shown
    (row,) = decisions(house)
    assert (row["kind"], row["left_records"], row["right_records"]) == ("no_match", ["crm:C9"], ["web:W9"])


@pytest.mark.usefixtures("plain")
def test_unsure_is_kept_for_others_and_comes_last(house: Warehouse) -> None:
    reviewed(house, "u", "no phone", "q")
    assert decisions(house) == []
    shown = reviewed(house, "k", "k", "k", "q").output
    assert shown.index("ana could not tell") > shown.index("Case 4 of 4")


def test_a_case_is_one_stewards_at_a_time(house: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = Claims(house, "ana"), Claims(house, "eva")
    assert mine.take("a|b")
    assert not theirs.take("a|b")
    assert theirs.holders() == {"a|b": "ana"}
    mine.free("a|b")
    assert theirs.take("a|b")
    monkeypatch.setattr(claiming, "EXPIRY", timedelta(0))
    assert mine.holders() == {}
    assert mine.take("a|b")


def filled(house: Warehouse, path: Path, **answers: str) -> Path:
    """The exported file with answers by case, the rest blank."""
    assert execute(["review", "--warehouse", house.root, "--export", str(path)]) == 0
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    for row in rows:
        row["answer"] = answers.get(row["case"].partition("|")[0].replace(":", "_"), "")
        row["reason"] = "looked at both" if row["answer"] else ""
    write(path, rows)
    return path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def imported(house: Warehouse, path: Path) -> int:
    return execute(
        ["review", "--warehouse", house.root, "--import", str(path), "--by", "ana", "--yes", "--json"]
    )


def test_a_half_filled_file_records_what_it_answers(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(house, tmp_path / "cases.csv", erp_E8="match", erp_E5="unsure", crm_C9="no match")
    capsys.readouterr()
    assert imported(house, path) == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["decisions"]), found["unsure"], found["blank"]) == (2, 1, 1)
    assert {row["kind"] for row in decisions(house)} == {"match", "no_match"}
    # The same file again, with one answer more: only that is new.
    rows = list(csv.DictReader(path.open(encoding="utf-8"), delimiter=";"))
    next(row for row in rows if row["case"] == "erp:E7|web:W7").update(answer="no_match", reason="namesakes")
    write(path, rows)
    assert imported(house, path) == 0
    found = json.loads(capsys.readouterr().out)
    assert (len(found["decisions"]), found["unsure"], found["already"], found["blank"]) == (1, 0, 3, 0)
    assert imported(house, path) == 0
    assert json.loads(capsys.readouterr().out)["already"] == 4
    assert len(decisions(house)) == 3
    # What says otherwise than a decision names it.
    said = next(row["decision_id"] for row in decisions(house) if row["left_records"] == ["erp:E7"])
    rows = [row | ({"answer": "match"} if row["case"] == "erp:E7|web:W7" else {}) for row in rows]
    write(path, rows)
    assert imported(house, path) == 2
    assert f"{said} by ana" in capsys.readouterr().err
    assert len(decisions(house)) == 3


def test_answers_that_contradict_are_told_with_their_lines_and_nothing_is_recorded(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody decided meanwhile that Raul's web record is Hugo's, and that Hugo is not Raul."""
    path = filled(house, tmp_path / "cases.csv", erp_E8="match", erp_E5="match")
    for words in (["match", "web:W8", "web:W3"], ["no-match", "erp:E8", "/", "web:W3"]):
        assert (
            execute(["decide", *words, "--warehouse", house.root, "--by", "eva", "--reason", "seen", "--yes"])
            == 0
        )
    first, second = (row["decision_id"] for row in decisions(house))
    capsys.readouterr()
    words = ["review", "--warehouse", house.root, "--import", str(path), "--by", "ana"]
    answered = CliRunner().invoke(padron, words, input="y\n", standalone_mode=False)
    said = str(answered.exception)
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(place for place, text in enumerate(lines, 1) if "erp:E8|" in text)
    assert f"{path}:{line}: match" in said
    assert first in said
    assert second in said
    assert "padron decide revoke" in said
    assert "--hold" not in said
    assert "Record them?" not in answered.output
    assert len(decisions(house)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer": "perhaps"}, "'perhaps' is no answer"),
        ({"answer": "match", "reason": " "}, "an answer and no reason"),
        ({"answer": "", "reason": "they are sisters"}, "a reason and no answer"),
        ({"answer": "match", "case": "crm:X|web:Y", "left": "crm:X", "right": "web:Y"}, "not open"),
        ({"answer": "match", "left": "web:W1"}, "not those of the case"),
        ({"answer": "match", "release": "2020-01-01.1"}, "none of this warehouse"),
        ({"answer": "match", "customer_left": "crm_C1"}, "the case was about customers crm_C1 and"),
        ({"answer": "match", "seen": "s00000000000"}, "came to these customers or left them"),
        ({"answer": "match", "generation": "0000older0000"}, "export again"),
        ({"answer": ""}, "answers no case"),
    ],
)
def test_a_file_with_a_mistake_changes_nothing(
    house: Warehouse, tmp_path: Path, change: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(house, tmp_path / "cases.csv", **({"erp_E8": "match"} if said != "answers no case" else {}))
    rows = list(csv.DictReader(path.open(encoding="utf-8"), delimiter=";"))
    rows[1] |= {"reason": "looked at both" if change["answer"] else ""} | change
    write(path, rows)
    assert imported(house, path) == 2
    assert said in capsys.readouterr().err
    assert decisions(house) == []


@pytest.mark.parametrize(
    "since",
    [
        lambda rows: [row | {"given_name": "Saúl"} if row["record_id"] == "W8" else row for row in rows],
        lambda rows: [*rows, *(row | {"record_id": "E88"} for row in rows if row["record_id"] == "E8")],
    ],
    ids=["edited", "joined"],
)
def test_an_answer_about_records_that_changed_since_is_stale(
    house: Warehouse,
    tmp_path: Path,
    since: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = filled(house, tmp_path / "cases.csv", erp_E8="match")
    monkeypatch.setattr(review_files, "members", lambda *asked: since(members(*asked)))
    capsys.readouterr()
    assert imported(house, path) == 2
    assert "came to these customers or left them, or says something else" in capsys.readouterr().err
    assert decisions(house) == []


def test_a_workbook_is_filled_in_and_taken_whole_or_not_at_all(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.xlsx"
    assert execute(["review", "--warehouse", house.root, "--export", str(path)]) == 0
    book: Any = load_workbook(path)
    sheet = book.worksheets[0]
    place = {cell.value: cell.column for cell in sheet[1]}
    lines = {sheet.cell(line, place["case"]).value: line for line in range(2, sheet.max_row + 1)}
    answer = sheet.cell(next(lines[case] for case in lines if case.startswith("erp:E8|")), place["answer"])
    sheet.cell(answer.row, place["reason"]).value = "asked"
    for said, code in (("perhaps", 2), ("=1=1", 2), ("Match", 0)):
        answer.value = said
        book.save(path)
        capsys.readouterr()
        assert imported(house, path) == code
        assert code == 0 or "is no answer" in capsys.readouterr().err
    assert [row["kind"] for row in decisions(house)] == ["match"]


def test_files_that_are_none_of_ours_are_said(house: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert imported(house, tmp_path / "other.csv") == 2
    assert imported(house, tmp_path / "none.csv") == 2


def test_lists_for_programs_hold_keys_only(house: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["review", "--warehouse", house.root, "--json", "--by", "ana"]) == 0
    told = capsys.readouterr().out
    assert not [value for value in SAID if value in told]
    assert json.loads(told)[0]["customers"] == ["erp_E8", "web_W8"]


def test_a_judged_sample_tells_the_quality(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every pair is drawn where there are few: the estimate is then the truth itself."""
    path = tmp_path / "sample.csv"
    where = ["review", "--warehouse", house.root, "--by", "ana"]
    assert execute([*where, "--sample", "40", "--export", str(path)]) == 0
    rows = sampled(path)
    assert len(rows) == 8
    assert rows[0]["given_name_l"]
    for row in rows:
        # Eva's two records are two people; Rosa's two are one; of Luis nobody can tell.
        row["answer"] = {"E7": "unsure", "C9": "no_match", "E8": "no_match"}.get(row["record_id_l"], "match")
    write(path, rows)
    capsys.readouterr()
    assert execute([*where, "--estimate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["precision"]["value"] == pytest.approx(4 / 5)
    assert found["precision"]["low"] < 4 / 5 < found["precision"]["high"] + 1e-3
    assert (found["labelled"], found["pairs"]) == (7, 8)
    keep = [*where, "--estimate", str(path), "--keep"]
    for kept in (8, 0):
        assert execute([*keep, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kept"] == kept, "the same answers are kept once"
    stored = house.arrow(JUDGEMENTS.path)
    assert stored is not None
    # Nothing changed since: the night finds what the file says.
    clusters = house.arrow("linkage/clusters")
    assert clusters is not None
    silver = house.arrow("silver/customer_records")
    assert silver is not None
    records = {(r["source"], r["record_id"]): r for r in silver.to_pylist()}
    homes = {(r["source"], r["record_id"]): r["cluster_final"] for r in clusters.to_pylist()}
    standing = {key: Standing(homes[key], digest_of(record)) for key, record in records.items()}
    said = quality_now(newest_sample(stored.to_pylist()), standing)
    assert said is not None
    assert (said.estimate.precision.value, said.left_out) == (pytest.approx(4 / 5), 0)
    rows[1]["answer"] = "unsure" if rows[1]["answer"] == "match" else "match"
    write(path, rows)
    assert execute([*keep, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1
    # Kept answers stay those of pairs that a later file lacks.
    write(path, rows[1:])
    assert execute([*keep, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 0


def sampled(path: Path) -> list[dict[str, Any]]:
    return list(csv.DictReader(path.open(encoding="utf-8-sig")))


def test_a_sample_tells_nothing_of_what_linkage_made_of_its_pairs(house: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    assert execute(["review", "--warehouse", house.root, "--sample", "40", "--export", str(path)]) == 0
    rows = sampled(path)
    assert len({row["sample"] for row in rows}) == 1
    assert list(rows[0])[:7] == [
        *("answer", "source_l", "record_id_l", "source_r", "record_id_r"),
        "release",
        "sample",
    ]
    assert {name.rpartition("_")[0] for name in list(rows[0])[7:]} <= {*SHOWN}


def test_recall_is_unknown_until_pairs_of_two_customers_are_judged(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that somebody deleted count as not judged, and still stand for what they were drawn for."""
    path = tmp_path / "sample.csv"
    where = ["review", "--warehouse", house.root]
    assert execute([*where, "--sample", "40", "--export", str(path)]) == 0
    rows = [row for row in sampled(path) if row["surname_l"] == "Garcia"]
    assert len(rows) == 3
    rows[0]["answer"] = "match"
    write(path, rows)
    capsys.readouterr()
    assert execute([*where, "--estimate", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "1 judged pairs stand for 8" in shown
    assert "5 of the sample's 8 pairs have no row in the file" in shown
    assert "Recall     unknown 95 % interval 0.0000 to 1.0000" in shown
    assert "judge more of the sample" in shown
    assert execute([*where, "--estimate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recall"], found["missing"]) == ({"value": None, "low": 0.0, "high": 1.0}, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answer": "maybe"}, "'maybe' is no answer"),
        ({"record_id_l": "17"}, "did a spreadsheet change the ids?"),
        ({"sample": "s40-00000000"}, "several samples"),
        ({"release": "2020-01-01.1"}, "several samples"),
        ({"*sample": "s40-00000000"}, "fits nothing that is drawn"),
        ({"*sample": "40"}, "fits nothing that is drawn"),
        ({"*release": "2020-01-01.1"}, "not in this warehouse"),
        ({"*answer": ""}, "no judged pair lies inside"),
    ],
)
def test_a_sample_with_a_mistake_tells_nothing(
    house: Warehouse, tmp_path: Path, change: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change with * is one of every row."""
    path = tmp_path / "sample.csv"
    where = ["review", "--warehouse", house.root]
    assert execute([*where, "--sample", "40", "--export", str(path)]) == 0
    rows = [{**row, "answer": "match"} for row in sampled(path)]
    for name, value in change.items():
        for row in rows if name.startswith("*") else rows[:1]:
            row[name.lstrip("*")] = value
    write(path, rows)
    assert execute([*where, "--estimate", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_options_of_a_sample_go_together(house: Warehouse) -> None:
    for words in (["--sample", "40"], ["--keep"]):
        assert execute(["review", "--warehouse", house.root, *words]) == 2

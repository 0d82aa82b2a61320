"""``padron decide``: what a steward decides is shown before it is recorded, and nothing is lost or swallowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from stewards_house import ANA_ID, FORMER, GONE, HUGO_ID, LEO_ID, MERGED, renamed_house, stewards_house

from pipelines.cli import execute
from pipelines.ops import stewards
from pipelines.storage import Warehouse


class Steward:
    """Somebody who decides at the terminal."""

    def __init__(self, house: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.house, self.capsys = house, capsys

    def decides(self, *words: str) -> int:
        said = () if words[0] == "list" else ("--by", "ana")
        why = () if words[0] == "list" or "--reason" in words else ("--reason", "asked them")
        return execute(["decide", *words, "--warehouse", self.house, *said, *why])

    def effect(self, *words: str) -> dict[str, Any]:
        """Of a decision that is recorded."""
        assert self.decides(*words, "--yes", "--json") == 0
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return found

    def list(self) -> list[dict[str, Any]]:
        assert self.decides("list", "--all", "--json") == 0
        found: list[dict[str, Any]] = json.loads(self.capsys.readouterr().out)
        return found

    @property
    def recorded(self) -> int:
        there = stewards.recorded(Warehouse(self.house))
        return 0 if there is None else there.num_rows


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    return stewards_house(tmp_path_factory.mktemp("built"))


@pytest.fixture
def steward(built: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Steward:
    shutil.copytree(built, tmp_path / "warehouse")
    return Steward(str(tmp_path / "warehouse"), capsys)


def test_a_split_shows_its_effect_and_is_recorded_when_agreed_to(
    steward: Steward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.confirm", lambda *args, **kwargs: None)
    assert steward.decides("split", ANA_ID, "web:W1", "--reason", "two sisters") == 0
    shown = steward.capsys.readouterr().out
    assert "1 customer splits; 1 record, 2 orders, 150.50 MXN move." in shown
    assert "a new id" in shown
    assert max(map(len, shown.splitlines())) <= 80
    (row,) = steward.list()
    assert (row["state"], row["reason"], row["decided_by"]) == ("waiting", "two sisters", "ana")
    assert (row["left_records"], row["right_records"]) == (["web:W1"], ["crm:C1", "erp:E1"])


def test_nothing_is_recorded_without_an_answer(steward: Steward) -> None:
    assert steward.decides("split", ANA_ID, "web:W1") == 1
    assert steward.decides("split", ANA_ID, "web:W1", "--json") == 2
    assert "--yes" in steward.capsys.readouterr().err
    assert steward.recorded == 0


def test_a_match_moves_the_younger_customer_with_its_orders(steward: Steward) -> None:
    found = steward.effect("match", "web:W2", LEO_ID)
    assert found["effect"]["customers"] == {"merged": 2, "split": 0, "rearranged": 0}
    assert found["effect"]["records"] == [{"record": "web:W3", "was": LEO_ID, "becomes": HUGO_ID}]
    assert (found["effect"]["orders"], found["effect"]["money"]) == (0, [])
    # Decided once, it stands in what the next decision is compared with.
    found = steward.effect("match", LEO_ID, "erp:E1")
    moved = {(row["record"], row["becomes"]) for row in found["effect"]["records"]}
    assert ("web:W3", ANA_ID) in moved
    assert ("crm:C2", ANA_ID) not in moved  # two tax ids


def test_three_parts_are_all_apart(steward: Steward) -> None:
    found = steward.effect("split", ANA_ID, "crm:C1", "/", "erp:E1", "/", "web:W1")
    assert len(found["decisions"]) == 2
    assert {row["becomes"] for row in found["effect"]["records"]} == {None}
    assert found["effect"]["customers"]["split"] == 1


def test_a_decision_against_evidence_is_refused_or_held(steward: Steward) -> None:
    asked = ("match", "crm:C1", "crm:C2")
    assert steward.decides(*asked, "--yes") == 2
    assert "never-evidence" in steward.capsys.readouterr().err
    assert steward.recorded == 0
    assert steward.decides(*asked, "--yes", "--hold") == 0
    said = " ".join(steward.capsys.readouterr().out.split())
    assert "held back until nothing stands against it" in said
    assert "the next night follows" not in said
    (row,) = steward.list()
    assert (row["state"], row["waits"], row["against"]) == ("contradicted", True, ["never"])


def test_what_can_be_done_about_a_contradiction_is_said(steward: Steward) -> None:
    """Evidence cannot be revoked; a decision can."""
    assert steward.decides("match", "crm:C1", "crm:C2", "--yes") == 2
    said = steward.capsys.readouterr().err
    assert "never-evidence cannot be revoked" in said
    assert "--hold" in said
    first = steward.effect("match", "erp:E1", "web:W3")["decisions"][0]
    assert steward.decides("no-match", "erp:E1", "web:W3", "--yes") == 2
    assert f"padron decide revoke {first}" in steward.capsys.readouterr().err


def test_a_decision_against_older_ones_names_the_chain(steward: Steward) -> None:
    first = steward.effect("match", "erp:E1", "web:W3")["decisions"][0]
    second = steward.effect("match", "web:W3", "web:W2")["decisions"][0]
    assert steward.decides("no-match", "erp:E1", "web:W2", "--yes") == 2
    said = steward.capsys.readouterr().err
    assert first in said
    assert second in said
    held = steward.effect("no-match", "erp:E1", "web:W2", "--hold")["decisions"][0]
    # With one of the older ones gone it holds.
    assert steward.decides("revoke", second, "--yes") == 0
    assert f"{held} becomes active" in steward.capsys.readouterr().out


def test_a_revoke_takes_everything_back(steward: Steward) -> None:
    made = steward.effect("split", ANA_ID, "web:W1")["decisions"][0]
    found = steward.effect("revoke", made[:6])
    assert found["effect"]["customers"]["merged"] == 2
    assert [row["state"] for row in steward.list()] == ["revoked"]
    for again in (made, found["decisions"][0], "d000"):
        assert steward.decides("revoke", again, "--yes") == 2
    said = steward.capsys.readouterr().err
    assert "revoked already" in said
    assert "itself a revoke" in said
    assert "no decision d000" in said
    # After that the same may be decided again.
    assert steward.decides("split", ANA_ID, "web:W1", "--yes") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("match", "crm:C1", "crm:NONE"), "no record crm:NONE"),
        (("match", "crm:C1", "CNOBODY"), "ever published"),
        # A customer id is one in small letters too.
        (("match", "crm:C1", "c01877tg2e9mvrqwejwb7hzbp"), "C01877TG2E9MVRQWEJWB7HZBP is neither"),
        (("match", "crm:C1", MERGED), f"it became {ANA_ID}"),
        (("match", "crm:C1", GONE), "not delivered any more"),
        (("match", "crm:C1"), "needs two"),
        (("match", "crm:C1", "crm:C1"), "two records"),
        (("no-match", "crm:C1", ANA_ID), "both sides"),
        (("no-match", "crm:C1", "/"), "part is empty"),
        (("split", ANA_ID, "web:W2"), "no record of"),
        (("split", ANA_ID, ANA_ID), "all of"),
        (("split", ANA_ID, "web:W1", "--reason", " "), "needs a reason"),
    ],
)
def test_what_cannot_be_decided_is_said(steward: Steward, words: tuple[str, ...], said: str) -> None:
    assert steward.decides(*words, "--yes") == 2
    shown = steward.capsys.readouterr().err
    assert said in shown
    assert steward.recorded == 0


def test_the_same_decision_twice_is_said(steward: Steward) -> None:
    made = steward.effect("no-match", "web:W1", "web:W2")["decisions"][0]
    assert steward.decides("no-match", "web:W2", "web:W1", "--yes") == 2
    assert f"{made} says the same already" in steward.capsys.readouterr().err
    assert steward.recorded == 1


def test_decisions_of_conf_that_name_nobody_are_listed_as_unknown(steward: Steward, tmp_path: Path) -> None:
    """A deleted record is no unknown one, and of three that are one party two remain."""
    (tmp_path / "conf").mkdir()
    path = tmp_path / "conf" / "decisions.csv"
    rows = [
        "kind,left_records,right_records,revokes,decided_by,decided_at,reason",
        "match,web:W2;web:NO,,,ana,2026-07-01T09:00:00Z,asked",
        "match,web:W2;web:W3;web:NO,,,ana,2026-07-01T09:01:00Z,asked",
        f"match,web:W2;{GONE},,,ana,2026-07-01T09:02:00Z,asked",
        "revoke,,,d000,ana,2026-07-01T09:03:00Z,asked",
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    where = ("list", "--config", str(path.parent))
    assert steward.decides(*where, "--json") == 0
    found = sorted(json.loads(steward.capsys.readouterr().out), key=lambda row: row["decided_at"])
    assert [(row["state"], row["unknown"]) for row in found] == [
        ("unknown", "there is no record web:NO"),
        ("waiting", "there is no record web:NO"),
        ("dormant", None),
        ("unknown", "there is no decision d000 to revoke"),
    ]
    assert found[0]["place"] == f"{path}:2"
    assert steward.decides(*where) == 0
    shown = steward.capsys.readouterr().out
    assert "revokes d000" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_renamed_record_gets_the_id_back_that_it_had_under_its_old_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steward = Steward(renamed_house(tmp_path), capsys)
    assert steward.decides("split", HUGO_ID, "web:OLD", "--yes") == 2
    assert "called web:W2 now" in capsys.readouterr().err
    found = steward.effect("split", HUGO_ID, "web:W2")
    assert found["effect"]["records"] == [{"record": "web:W2", "was": HUGO_ID, "becomes": FORMER}]

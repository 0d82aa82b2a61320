"""Verdicts: two bounds, what conf may set, and what the measures of a night come to."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from summaries import WHOLE

from pipelines.config import Conf, Project
from pipelines.errors import UsageError
from pipelines.ops.gates import check_names, graded, owned, verdict
from pipelines.ops.measure_checks import Measured, judge, measured
from pipelines.ops.trends import tonights, trends
from pipelines.settings import load_settings
from pipelines.sources import load_sources


def status(value: float, rows: int = 10_000, *, may_fail: bool = True, **conf: object) -> str:
    project = Project.model_validate(conf)
    found = graded(project, "id_jitter", value=value, rows=rows, message="said", may_fail=may_fail)
    return found[0]["status"] if found else "off"


def test_a_gate_of_two_bounds_warns_before_it_blocks() -> None:
    assert [status(v) for v in (0.005, 0.006, 0.02, 0.021)] == ["passed", "warned", "warned", "blocked"]


def test_conf_sets_bounds_and_severity() -> None:
    assert status(0.03, bounds={"id_jitter": {"fail": 0.05}}) == "warned", "the warn bound stays the default"
    assert status(0.03, bounds={"id_jitter": {"warn": 0.04, "fail": None}}) == "passed"
    assert status(0.9, gates={"id_jitter": "warn"}) == "warned"
    assert status(0.9, gates={"id_jitter": "off"}) == "off"
    assert status(0.006, bounds={"id_jitter": {"fail": None}}, gates={"id_jitter": "fail"}) == "blocked"


def test_few_rows_and_a_change_that_is_wanted_never_block() -> None:
    assert status(0.5, rows=999) == "warned"
    assert status(0.5, may_fail=False) == "warned"


def test_a_verdict_names_the_bound_that_was_crossed() -> None:
    (row,) = graded(Project(), "id_jitter", value=0.01, rows=5_000, message="said")
    assert (row["bound"], row["fail_bound"], row["severity"]) == (0.005, 0.02, "fail")
    (row,) = graded(Project(), "id_jitter", value=0.03, rows=5_000, message="said")
    assert (row["bound"], row["value"], row["message"]) == (0.02, 0.03, "said")


@pytest.mark.parametrize(
    ("value", "severity", "status", "bound"),
    [
        (0.02, "fail", "passed", 0.025),
        (0.03, "fail", "warned", 0.025),
        (0.06, "fail", "blocked", 0.05),
        (0.03, "warn", "passed", 0.05),
        (0.06, "warn", "warned", 0.05),
    ],
)
def test_a_gate_with_a_bound_of_its_own_in_conf_may_warn_before_it_blocks(
    value: float, severity: Literal["warn", "fail"], status: str, bound: float
) -> None:
    project = Project(gates={"deleted_share": severity})
    (row,) = verdict(project, "deleted_share", value=value, bound=0.05, message="many", warn_above=0.025)
    assert (row["status"], row["bound"]) == (status, bound)
    assert row["fail_bound"] == (0.05 if severity == "fail" else None)


def test_a_gate_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gates: id_jiter is no gate\. Did you mean id_jitter\?"):
        check_names(Project(gates={"id_jiter": "off"}))
    with pytest.raises(UsageError, match="bounds: reconciliation is no gate that has bounds"):
        check_names(Project.model_validate({"bounds": {"reconciliation": {"warn": 1}}}))
    with pytest.raises(UsageError, match=r"id_jitter would stop a night above 0\.02 and warn above 0\.3"):
        check_names(Project.model_validate({"bounds": {"id_jitter": {"warn": 0.3, "fail": 0.02}}}))
    # Who stops earlier than by default need not say when to warn.
    check_names(Project.model_validate({"bounds": {"id_jitter": {"fail": 0.001}}}))
    (tmp_path / "padron.yml").write_text("gates: {landin: off}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="Did you mean landing"):
        load_settings(tmp_path)


def test_what_a_gate_may_let_pass_does_not_change_what_a_stage_writes(tmp_path: Path) -> None:
    before = load_settings(tmp_path).digest_of(None)
    (tmp_path / "padron.yml").write_text("bounds: {id_jitter: {fail: 0.5}}\n", encoding="utf-8")
    assert load_settings(tmp_path).digest_of(None) == before, (
        "a night that was stopped goes on where it stood"
    )
    (tmp_path / "padron.yml").write_text("country: ES\n", encoding="utf-8")
    assert load_settings(tmp_path).digest_of(None) != before


def test_measures_become_verdicts_with_the_night_before() -> None:
    names = ("business_date", "measure", "part", "value", "numerator", "denominator")
    rows = [
        (date(2026, 7, 1), "id_jitter", "all", 0.001, 4.0, 4_000.0),
        (date(2026, 7, 2), "id_jitter", "all", 0.03, 120.0, 4_000.0),
        (date(2026, 7, 2), "id_jitter", "merge", 0.02, 80.0, 4_000.0),
        (date(2026, 7, 2), "id_jitter", "split", 0.01, 40.0, 4_000.0),
        (date(2026, 7, 2), "over_clustering", "all", 0.03, 60.0, 2_000.0),
        (date(2026, 7, 2), "over_clustering", "tax_ids", 0.0005, 1.0, 2_000.0),
        (date(2026, 7, 2), "under_clustering", "all", 0.01, 10.0, 1_000.0),
    ]
    stored = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    found = measured(stored, date(2026, 7, 2))
    verdicts = {v["gate"]: v for v in judge(Project(), found)}
    assert {name: v["status"] for name, v in verdicts.items()} == {
        "id_jitter": "blocked",
        "two_tax_ids": "blocked",
        "over_clustering": "warned",
        "residual_duplicates": "passed",
    }
    assert verdicts["id_jitter"]["message"].startswith(
        "3.00% of 4,000 records changed their customer (merge 80, split 40) (0.10% the night before)"
    )
    adopting = {v["gate"]: v["status"] for v in judge(Project(), found, adopts=True)}
    assert adopting["id_jitter"] == "warned", "somebody agreed to what the generation changes"
    assert adopting["two_tax_ids"] == "blocked"
    assert judge(Project(), {}) == [], "the first night has no jitter, and no verdict on it"


@pytest.mark.parametrize(
    ("low", "labelled", "status"),
    [(0.975, 400, "passed"), (0.96, 400, "warned"), (0.88, 400, "blocked"), (0.88, 60, "warned")],
)
def test_the_lower_end_of_the_judged_precision_is_what_counts(low: float, labelled: int, status: str) -> None:
    """A few judged pairs prove little: they warn at the most."""
    found = {
        ("precision_estimate", part): Measured(value, value * labelled, float(labelled), 0.97)
        for part, value in (("all", 0.98), ("low", low), ("high", 0.99))
    }
    found |= {("precision_estimate", "left_out"): Measured(0.03, 3.0, 100.0, None)}
    (verdict,) = judge(Project(), found)
    assert (verdict["gate"], verdict["status"]) == ("precision_estimate", status)
    assert f"95 % interval {low:.2%} to 99.00%, by {labelled} judged pairs; 3 of 100" in verdict["message"]
    assert verdict["message"].endswith(
        "(97.00% the night before). Read the wrong ones of the sample and decide them."
    )


def test_what_is_about_a_source_is_its_owners_issue() -> None:
    sources = load_sources(Conf())
    gates = ("freshness erp", "volume_high crm/contacts", "profile_drift web/users.email", "reconciliation")
    found = owned([{"gate": gate} for gate in gates], sources)
    assert [row.get("owner") for row in found] == [
        sources["erp"].owner,
        "CRM team",
        sources["web"].owner,
        None,
    ]


def test_revenue_jitter_is_told_by_currency() -> None:
    found = {
        ("revenue_jitter", "all"): Measured(0.02, 400.0, 20_000.0, None),
        ("revenue_jitter", "EUR"): Measured(0.03, 3.0, 100.0, None),
    }
    (verdict,) = judge(Project(), found)
    assert verdict["status"] == "warned"
    assert "2.00% of net revenue" in verdict["message"]
    assert "(EUR 3.00%)" in verdict["message"]


def test_the_report_shows_tonight_the_night_before_and_a_line() -> None:
    assert WHOLE.measures is not None
    shown = {t.name.split(":")[0]: t for t in trends(WHOLE.measures, 31)}
    assert (shown["Over-clustering"].tonight, shown["Over-clustering"].before) == ("1.25 %", "1.00 %")
    assert "2026-07-02: 1.00 %" in str(shown["Over-clustering"].line)
    assert (shown["Id jitter"].tonight, shown["Id jitter"].before, shown["Id jitter"].line) == (
        "0.51 %",
        "–",
        None,
    )
    assert tonights(WHOLE.measures, "revenue_jitter") == 0.002
    assert tonights(WHOLE.measures, "under_clustering") is None

"""conf/metrics.yml and conf/survivorship.yml: what ships is what the code takes for granted."""

from __future__ import annotations

from pathlib import Path

import pytest
from gold_box import rules

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.gold.attributes import GROUP_NAMES
from pipelines.gold.config import Metrics

CONF = Path(__file__).resolve().parents[2] / "conf"


def problem(folder: Path, text: str) -> str:
    (folder / "metrics.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        Conf(folder).load("metrics.yml", Metrics)
    return str(caught.value)


def test_the_default_metrics_are_spelt_out_in_conf() -> None:
    assert Conf(CONF).load("metrics.yml", Metrics) == Metrics()
    text = (CONF / "metrics.yml").read_text(encoding="utf-8")
    assert [name for name in Metrics.model_fields if f"\n{name}:" not in text] == []


def test_the_default_rules_know_every_group_and_only_sources_that_there_are() -> None:
    survivorship = rules()
    named = {
        *survivorship.trust,
        *(s for expected in survivorship.expected_sources.values() for s in expected),
    }
    for group in GROUP_NAMES:
        trust = survivorship.trust_of(group)
        named |= set(trust)
        assert trust[-1] == "*", f"{group} would not take a new source"
    assert named == {"crm", "erp", "pos", "web", "support", "*"}


def test_limits_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    assert "shares must rise from Platinum to Medium" in problem(tmp_path, "value_tiers: {Gold: 0.2}\n")
    assert "new, active and lapsed must not fall" in problem(tmp_path, "lifecycle_days: {active: 800}\n")
    assert problem(tmp_path, "service:\n  window: 3\n") == (
        "conf/metrics.yml:2: service.window is not a known key. Did you mean window_days?"
    )

"""The page of ``padron explain``: all that the terminal says around Splink's chart, escaped, and nothing is loaded."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
from linkage_people import CONF, record, table
from test_report import Outline, text

from pipelines.linkage.explain import explain_pair
from pipelines.linkage.explanation import VERDICTS, Explanation, judgement
from pipelines.linkage.link import link_night
from pipelines.linkage.training_run import rounded
from pipelines.ops.pair_page import pair_page

EVIL = "</td><script>alert(1)</script>"
CHART = re.compile(r"<script>.*?</script>", re.DOTALL)
ANA = {"given": "ana", "second_surname": "soto", "birth_date": date(1980, 2, 1)}
ROWS = [
    record("crm", EVIL, **ANA, surname=EVIL, emails=["ana@mail.com"], phones=["+525511112222"]),
    record("web", "A2", **ANA, surname=EVIL, emails=["ana@mail.com"], phones=["+525533334444"]),
    record("pos", "Z1", given="hugo", surname="molina", phones=["+525599990000"]),
]


def explained(left: tuple[str, str], right: tuple[str, str]) -> Explanation:
    records = table(ROWS)
    made = link_night(records, None, CONF, date(2026, 7, 1))
    return explain_pair(records, made.scored_pairs, made.clusters, made.generation, CONF, left, right)


@pytest.fixture(scope="module")
def pair() -> Explanation:
    return explained(("crm", EVIL), ("web", "A2"))


def test_what_the_terminal_says_stands_around_the_chart(pair: Explanation) -> None:
    said = text(CHART.sub("", pair_page(pair, values=True)))
    assert "one customer" in said
    assert VERDICTS["linked"] in said
    for name, words in judgement(pair).items():
        assert words in said or name == "relation"
    kinds = {kind.replace("_", " "): f"{p:.3f}" for kind, p in pair.relations.items()}
    assert kinds
    assert all(f"{kind} {p}" in said for kind, p in kinds.items())
    assert "1 pair between two sides, mean" in said
    assert "with web:A2: nobody else" in said
    assert "+525511112222 +525533334444" in said
    assert "ana@mail.com ana@mail.com equal" in said
    for step in pair.waterfall.steps:
        assert step.weight is None or f"{step.level} {step.weight:+.2f} {step.total:+.2f}" in said
    assert f"match weight probability {pair.waterfall.match_probability:.6g}" in said


def test_the_chart_is_splinks_and_ends_at_the_match_weight(pair: Explanation) -> None:
    page = pair_page(pair)
    assert "vegaEmbed" in page
    assert "Match weights waterfall chart" in page
    assert f'"log2_bayes_factor": {rounded(pair.waterfall.match_weight)}' in page
    assert '"bind"' not in page[page.index('["waterfall", ') :]


def test_values_stand_in_it_only_where_asked(pair: Explanation) -> None:
    page = pair_page(pair)
    for value in ("ana@mail.com", "+525511112222", "1980-02-01"):
        assert value not in page
        assert value in pair_page(pair, values=True)
    assert "emails known known equal" in text(CHART.sub("", page))
    assert "--values" in page


def test_all_text_is_escaped(pair: Explanation) -> None:
    page = pair_page(pair, values=True)
    assert "alert(1)" in page
    assert EVIL not in page
    assert "<script>alert" not in page
    chart = next(script for script in CHART.findall(page) if "Match weights waterfall" in script)
    spec, _ = json.JSONDecoder().raw_decode(chart.partition('["waterfall", ')[2])
    assert any(EVIL in str(row.get("value_l")) for row in spec["data"]["values"])


def test_it_loads_nothing_and_is_the_same_each_time(pair: Explanation) -> None:
    page = pair_page(pair, values=True)
    assert page == pair_page(pair, values=True)
    markup = CHART.sub("", page)
    assert not re.search(r"https?://|url\(|@import| src=|<script", markup)
    assert "default-src 'none'" in markup
    outline = Outline(markup)
    assert outline.open == []
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {v for _, a in outline.tags if (v := a.get("aria-labelledby"))} <= set(ids)


def test_two_customers_whom_no_rule_brings_together() -> None:
    said = text(CHART.sub("", pair_page(explained(("web", "A2"), ("pos", "Z1")))))
    assert "two customers" in said
    assert VERDICTS["not_blocked"] in said
    assert "no rule: scored only where a component holds both" in said
    assert "Blocked by no rule" in said
    assert "Average linkage" not in said

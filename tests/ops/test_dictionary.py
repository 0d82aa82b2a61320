"""The data dictionary says everything that a declaration says, in Markdown and in HTML."""

from __future__ import annotations

import re

import pytest

from pipelines.config import Conf
from pipelines.ops.dictionary import html, markdown
from pipelines.sources import load_sources
from pipelines.tables import LONG, MONEY, STRING, Column, Kind, Personal, Table

ORDERS = Table(
    layer="silver",
    name="orders",
    grain="One order.",
    key=("source", "order_id"),
    owner="data engineering",
    check="net <= gross",
    columns=(
        Column("source", STRING, "Source | system.", required=True),
        Column("order_id", STRING, "Key in <source>.", Personal.PSEUDONYM, required=True),
        Column("net", MONEY, "Net amount.", Personal.QUASI, unit="currency", formula="gross − returned"),
    ),
)
LOG = Table("ops", "log", "One line.", (), (Column("line", LONG, "Number."),), "operations", Kind.APPEND)
RAW = Table(
    "bronze", "web_users", "One row.", ("_row",), (Column("_row", LONG, "Line."),), "web", open_ended=True
)


def test_markdown_has_every_column_of_every_table() -> None:
    text = markdown([ORDERS, LOG])
    assert "2 tables" in text
    assert "- Key: `source`, `order_id`" in text
    assert "- Owner: data engineering" in text
    assert "- Every row meets: `net <= gross`" in text
    assert "| `net` | `decimal(20,4)` | Net amount. | gross − returned | currency |  | quasi |" in text
    assert "| `order_id` | `string` | Key in &lt;source>. |  |  | key, required | pseudonym |" in text
    assert "none, the table has one row" in text
    assert "Append: every night adds its slice" in text


def test_sources_are_listed_with_owner_cadence_and_keys() -> None:
    sources = list(load_sources(Conf()).values())
    text = markdown([ORDERS], sources)
    assert (
        "| `orders` | Order management | orders | 1 day | `lines` | append | `order_id`, `line_no` | `order_lines` | 8 |"
        in text
    )
    page = html([ORDERS], sources)
    assert "<td>CRM team</td><td>crm</td><td>1 day</td><td>snapshot</td><td>contact_id</td>" in page
    assert 'id="sources"' not in html([ORDERS])


def test_a_bar_in_a_meaning_does_not_break_the_table() -> None:
    rows = [line for line in markdown([ORDERS]).splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}


def test_links_lead_to_their_tables() -> None:
    text = markdown([ORDERS, LOG, RAW])
    targets = re.findall(r"\]\(#([\w-]+)\)", text)
    assert targets == ["silver-orders", "ops-log", "bronze-web_users"]
    assert all(f'<a id="{target}"></a>' in text for target in targets)


def test_layers_keep_the_order_of_the_tables() -> None:
    assert re.findall(r"^## (\w+)$", markdown([RAW, ORDERS, LOG]), re.MULTILINE) == [
        "bronze",
        "silver",
        "ops",
    ]


@pytest.mark.parametrize("write", [markdown, html])
def test_a_source_may_bring_more_columns(write: object) -> None:
    assert "may bring more columns" in write([RAW])  # type: ignore[operator]


def test_html_is_escaped_and_loads_nothing() -> None:
    page = html([ORDERS, LOG])
    assert "Key in &lt;source&gt;." in page
    assert "net &lt;= gross" in page
    assert "gross − returned" in page
    assert "<script" not in page
    assert not re.search(r"https?://", page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)

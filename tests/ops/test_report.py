"""The report is one page that loads nothing, shows every block, and says what was not delivered."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from summaries import BARE, WHOLE

from pipelines.ops import charts, pages
from pipelines.ops.report import link_table, ordered_segments, render
from pipelines.ops.summary import FeedOutcome, NightFigures, Summary, WeightBin

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Tags, ids, targets of links and balance of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def attributes(self, tag: str, name: str) -> list[str]:
        return [a[name] or "" for t, a in self.tags if t == tag and name in a]


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</head>")[1]))


def test_a_summary_comes_back_from_json_as_it_was() -> None:
    assert Summary.from_json(WHOLE.to_json()) == WHOLE
    assert Summary.from_json(BARE.to_json()) == BARE


def test_a_summary_of_another_version_can_be_read() -> None:
    found = Summary.from_json(
        '{"business_date": "2026-07-03", "release_id": null, "run_id": "r", "status": "released", "later": 1}'
    )
    assert found.nights is None


@pytest.mark.parametrize("summary", [WHOLE, BARE], ids=["whole", "bare"])
def test_the_page_is_well_formed_and_loads_nothing(summary: Summary) -> None:
    page = render(summary)
    outline = Outline(page)
    assert outline.open == []
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("h1") == 1
    assert not {"script", "iframe", "img", "object"} & set(tags)
    assert not re.search(r"https?://|url\(|@import|//", page.replace("</", ""))
    assert set(outline.attributes("link", "href")) == {"data:,"}
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {h.removeprefix("#") for h in outline.attributes("a", "href")} <= set(ids)
    assert {v for _, a in outline.tags if (v := a.get("aria-labelledby"))} <= set(ids)


def test_every_table_says_what_its_headers_are_for() -> None:
    outline = Outline(render(WHOLE))
    assert outline.attributes("th", "scope")
    assert len(outline.attributes("th", "scope")) == sum(tag == "th" for tag, _ in outline.tags)
    assert all(a.get("aria-label") for tag, a in outline.tags if tag == "svg" and a.get("role") == "img")


def test_what_was_not_delivered_is_said() -> None:
    said = text(render(BARE))
    assert said.count("Not delivered.") >= 12
    assert "No truth was given." in said
    assert "Stopped by a gate" in said


def test_nothing_found_is_not_the_same_as_not_delivered() -> None:
    said = text(render(replace(BARE, quarantine=(), gates=(), issues=())))
    assert "No row was held back." in said
    assert "No gate was checked." in said
    assert "Nothing is open." in said


def test_an_older_release_that_was_gone_back_to_is_no_night_whose_gates_passed() -> None:
    page = render(replace(WHOLE, status="restored", gates=(), stages=()))
    assert "An older release, gone back to" in text(page)
    assert "Gates passed" not in text(page)
    assert 'class="card attention"' in page, "what was decided is to be looked at, and nothing was stopped"


def test_issues_stand_under_who_answers_for_them() -> None:
    said = text(render(WHOLE)).partition(" Issues by owner ")[2].partition(" Gates ")[0]
    assert (
        said.index("CRM team 2")
        < said.index("volume_low crm/contacts")
        < said.index("nuevo: landed")
        < said.index("data engineering 1")
    )


def test_a_gate_shows_the_nights_so_far() -> None:
    page = render(WHOLE)
    assert 'aria-label="2026-07-02: 0, 2026-07-03: 1"' in page.partition('id="gates"')[2]


def test_figures_stand_in_the_page() -> None:
    said = text(render(WHOLE))
    for expected in ("1,310", "55.2 %", "1 h 35 min", "0.9391", "Campeones", "1,000,000,000,000.10", "9.0 s"):
        assert expected in said, expected


def test_text_of_messages_is_escaped() -> None:
    page = render(WHOLE)
    assert "1 file &lt;came&gt; late &amp; was applied." in page
    assert "<came>" not in page


def test_rows_and_money_that_do_not_add_up_stand_out() -> None:
    lost = replace(WHOLE, outcomes=(FeedOutcome("crm", "contacts", 10, 5, 0, 0, 0, 0),))
    assert "off by 5" in text(render(lost))
    assert "off by" not in text(render(WHOLE))
    assert WHOLE.reconciliation is not None
    assert [r.difference for r in WHOLE.reconciliation] == [0, 1]


def test_a_pair_of_sources_stands_once() -> None:
    assert WHOLE.links is not None
    table = link_table(WHOLE.links)
    assert table.columns == ("crm", "web")
    assert [[cell.value for cell in cells] for _, cells in table.rows] == [[20, 1310], [None, 4]]
    assert table.rows[0][1][1].step == charts.HEAT_STEPS


def test_segments_keep_the_order_of_their_definition() -> None:
    assert WHOLE.segments is not None
    assert [s.segment for s in ordered_segments(WHOLE.segments)] == ["Champions", "Can't lose", "prospect"]


def test_the_page_is_the_same_each_time() -> None:
    assert render(WHOLE) == render(WHOLE)


def test_many_nights_are_cut_to_the_newest() -> None:
    nights = tuple(
        NightFigures(f"2026-{m:02}-{d:02}", 1, customers=m * d) for m in (5, 6) for d in range(1, 31)
    )
    said = text(render(replace(WHOLE, nights=nights)))
    assert "The newest 31 of 60 nights." in said
    assert "2026-05-01" not in said


def test_a_histogram_of_nothing_and_of_one_bin_can_be_drawn() -> None:
    for bins in ((WeightBin(0, 1, 0),), (WeightBin(3, 3, 7),)):
        assert "<svg" in render(replace(WHOLE, weights=bins, cut_weight=None))


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes() -> dict[str, dict[str, str]]:
    """Colours by name in the light and in the dark theme."""
    style = pages.page("page.css.j2")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    found = [dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in (light, dark)]
    return {"light": found[0], "dark": {**found[0], **found[1]}}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(theme: str) -> None:
    colors = themes()[theme]
    pairs = [(name, ground) for name in ("ink", "quiet-ink", "link") for ground in ("page", "surface")]
    pairs += [(name, f"{name}-bg") for name in ("good", "warn", "bad")] + [("quiet-ink", "track")]
    pairs += [(f"t{step}", f"h{step}") for step in range(1, charts.HEAT_STEPS + 1)]
    weak = {pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2) for pair in pairs}
    assert {pair: value for pair, value in weak.items() if value < 4.5} == {}
    assert contrast(colors["accent"], colors["surface"]) >= 3


def test_figures_are_written_for_people() -> None:
    assert [pages.duration(s) for s in (59.97, 3600, 3661, 86400)] == ["1 min", "1 h", "1 h 1 min", "1 d"]
    assert pages.amount("-1234.5", 2) == "-1,234.50"
    assert pages.amount("1E+3") == "1,000"
    assert charts.ticks(-14, 34, 6)[0] == -10
    assert charts.ticks(5, 5) == [5.0]

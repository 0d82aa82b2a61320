"""The notebooks about linkage run from top to bottom on invented people, and say what they promise."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from pipelines.errors import UsageError
from pipelines.linkage import link
from pipelines.linkage.link import Linked
from pipelines.ops.at_hand import at_hand
from pipelines.ops.charts import curves
from pipelines.ops.showing import show
from pipelines.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def trained_once() -> Iterator[None]:
    """Notebooks that train on the same records train the same model: once is enough for all."""
    known: dict[tuple[Any, ...], Linked] = {}
    real = link.link_night

    def linked(records: Any, previous: Any, conf: Any, business_date: Any, run: Any = None) -> Linked:
        key = (id(records), previous and previous.digest, conf.model_dump_json())
        if run is not None or key not in known:
            known[key] = real(records, previous, conf, business_date, run)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "link_night", linked)
        patch.delenv("PADRON_WAREHOUSE", raising=False)
        patch.delenv("PADRON_GENERATION", raising=False)
        yield


def notebook(name: str) -> dict[str, Any]:
    """What a notebook leaves when it has run."""
    return runpy.run_path(str(ROOT / "notebooks" / f"{name}.py"))


@pytest.mark.soak
def test_a_model_is_trained_and_its_charts_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    left = notebook("train_model")
    assert set(left["charts"]) == {"Match weights", "m and u", "Unlinkable records", "m by session"}
    shown = capsys.readouterr().out
    assert "trained model of person" in shown
    assert "birth_date: match weights by iteration" in shown
    assert "nothing to draw" not in shown


def test_blocking_is_chosen_after_a_look_at_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    left = notebook("choose_blocking")
    assert [p.role for p in left["profiles"]] == list(left["data"].conf.fields)
    # Two rules by hand find less than what the data chose.
    assert left["mine"].recall < left["chosen"].recall
    shown = capsys.readouterr().out
    assert f"recall at most {left['chosen'].recall:.1%}" in shown
    mails = {mail for mails in left["data"].records["match_emails"].to_pylist() for mail in mails or ()}
    assert not [mail for mail in mails if mail in shown]


def test_a_cut_is_chosen_from_judged_pairs() -> None:
    left = notebook("choose_cut")
    assert left["picked"].precision >= left["wanted_precision"]
    assert left["changed"].cut == left["picked"].cut
    # Some 160 judged pairs come near what the whole truth says.
    assert left["judged"].num_rows < 200
    at_cut = next(p for p in left["points"] if p.cut == left["cut"])
    assert at_cut.precision == pytest.approx(left["found"].quality.precision, abs=0.02)
    assert at_cut.recall == pytest.approx(left["found"].quality.recall, abs=0.03)


def test_two_generations_are_compared() -> None:
    left = notebook("compare_generations")
    assert (left["before"].kind, left["after"].kind) == ("starter", "trained")
    assert sum(left["effect"].customers.values()) == left["effect"].customers_before
    assert left["effect"].touched.num_rows > 0


def test_every_notebook_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.py"):
        assert f"notebooks/{path.name}" in readme
        assert path.read_text(encoding="utf-8").startswith("# %% [markdown]\n# # ")


def test_a_chart_is_drawn_where_there_is_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    svg = curves([("F1", [(0.0, 0.5), (1.0, 1.0)])], label="a", axis="b")
    vega = {"$schema": "https://vega.github.io/schema/vega-lite/v5.9.3.json", "mark": "bar"}
    show("text", svg, vega, pa.table({"a": [1234.5678], "b": ["<i>"]}), [], None)
    assert capsys.readouterr().out.splitlines() == [
        "text",
        "a chart: a notebook draws it",
        "a chart: a notebook draws it",
        "    a   b",
        "1,235 <i>",
        "none",
        "nothing to draw",
    ]

    drawn: list[Any] = []
    jupyter, display = ModuleType("IPython"), SimpleNamespace(display=drawn.append)
    jupyter.get_ipython = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", jupyter)
    monkeypatch.setitem(sys.modules, "IPython.display", display)  # type: ignore[arg-type]
    show("text", svg, vega, pa.table({"b": ["<i>"]}))
    assert capsys.readouterr().out == "text\n"
    line, bars, listing = (thing._repr_html_() for thing in drawn)
    assert line.startswith('<div style="max-width:720px"><svg ')
    # The chart brings the scripts that draw it, and asks nobody for them.
    assert "vegaEmbed" in bars
    assert not re.search(r"&lt;(script|link)[^&]* (src|href)=", bars)
    assert "<td>&lt;i&gt;</td>" in listing


def test_records_at_hand_are_a_files_or_invented(tmp_path: Path) -> None:
    settings = load_settings(ROOT / "conf")
    people = tmp_path / "people.csv"
    people.write_text("id,first_name,surname,who\n1,Ana,López,a\n2,Ana,Lopez,\n", encoding="utf-8")
    found = at_hand(str(people), settings, id_column="id", truth="who")
    assert found.records["record_id"].to_pylist() == ["1", "2"]
    assert found.about == "people.csv"
    assert found.truth is not None
    assert found.truth.to_pylist() == [{"source": "file", "record_id": "1", "entity_id": "a"}]
    with pytest.raises(UsageError, match="name its column of unique ids"):
        at_hand(str(people), settings)
    invented = at_hand(None, settings)
    assert invented.truth is not None
    assert set(invented.records["source"].to_pylist()) == {"crm", "erp", "pos", "web", "support"}

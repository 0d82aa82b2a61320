"""The terminal's summary fits 80 columns and leaves nothing out."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from summaries import BARE, WHOLE

from pipelines.cli import execute
from pipelines.ops.summary import Summary
from pipelines.ops.terminal import terminal


def printed(summary: Summary, **options: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, highlight=False, **options)  # type: ignore[arg-type]
    terminal(summary, console, report="out/demo/warehouse/reports/2026-07-03.1.html")
    return stream.getvalue()


@pytest.mark.parametrize("options", [{"width": 80}, {"width": 100, "soft_wrap": True}], ids=["80", "cron"])
@pytest.mark.parametrize("summary", [WHOLE, BARE], ids=["whole", "bare"])
def test_it_fits_80_columns(summary: Summary, options: dict[str, object]) -> None:
    assert max(len(line) for line in printed(summary, **options).splitlines()) <= 80


def test_it_holds_what_a_reader_looks_for() -> None:
    said = printed(WHOLE, width=80)
    for expected in (
        "released",
        "120",
        "412",
        "1,310",
        "Campeones",
        "42",
        "0.9391",
        "nuevo",
        "2026-07-03.1.html",
    ):
        assert expected in said, expected
    assert "1,120 in 2 nights" in said


def test_what_was_not_delivered_is_said() -> None:
    said = printed(BARE, width=80)
    assert "Links per pair of sources  not delivered" in said
    assert "stopped by a gate" in said


def test_brackets_in_text_stay_text() -> None:
    odd = Summary("2026-07-03", "[red]x", "r", "released", warnings=("feed [bold]a[/bold]",))
    said = printed(odd, width=80)
    assert "[red]x" in said
    assert "[bold]a[/bold]" in said


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-15", "utf-8"])
def test_what_the_terminals_encoding_does_not_have_ends_no_command(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    assert execute(["run", "--landing", "extracciones→"]) == 2
    arrow = "→" if encoding == "utf-8" else "?"
    assert f"extracciones{arrow} does not exist" in written.getvalue().decode(encoding)

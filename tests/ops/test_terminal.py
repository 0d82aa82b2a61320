"""The terminal's summary fits 80 columns and leaves nothing out."""

from __future__ import annotations

import io
import re
import sys

import pyarrow as pa
import pytest
from rich.console import Console
from summaries import BARE, WHOLE

from pipelines.cli import data, execute
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


def shown(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]], **options: object) -> list[str]:
    """The lines of ``padron sql`` on a console of 80 columns."""
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(data, "out", console)
    data._show_rows(pa.Table.from_pylist(rows))
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()]


WIDE = {
    "customer_id": "CVD2SBXNBT8KT12DWWQVG757N",
    "party_type": "person",
    "full_name": "Manuel Herrera Pereira",
}


def test_rows_that_a_terminal_has_no_room_for_have_a_line_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, object]] = [
        {**WIDE, "emails": ["manuel.herrera@example.com"]},
        {**WIDE, "emails": None},
    ]
    lines = shown(monkeypatch, rows, force_terminal=True)
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("row ")][1].startswith("row 2 ")
    assert lines.count("customer_id  CVD2SBXNBT8KT12DWWQVG757N") == 2
    assert "emails       ['manuel.herrera@example.com']" in lines
    # In a pipe a row is a row: whoever reads it has room.
    piped = shown(monkeypatch, rows, soft_wrap=True)
    assert [line for line in piped if line.startswith("row ")] == []
    assert "['manuel.herrera@example.com']" in "\n".join(piped)


def test_columns_of_one_name_are_shown_each(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(data, "out", Console(file=stream, width=40, highlight=False, force_terminal=True))
    data._show_rows(pa.table([["A" * 30], ["B" * 30]], names=["id", "id"]))
    assert "A" * 30 in stream.getvalue()
    assert "B" * 30 in stream.getvalue()


def test_rows_that_fit_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, [dict(WIDE)], force_terminal=True)
    assert lines == [
        "customer_id                party_type  full_name",
        "CVD2SBXNBT8KT12DWWQVG757N  person      Manuel Herrera Pereira",
    ]

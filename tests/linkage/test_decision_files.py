"""A file of decisions that cannot be read says where and what, and nothing that stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.linkage.decision_files import COLUMNS, read_decisions

HEAD = ",".join(COLUMNS)
AT = "2026-07-01T09:30:00+02:00"


def said(tmp_path: Path, *lines: str, head: str = HEAD) -> list[str]:
    path = tmp_path / "decisions.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read_decisions(str(path))
    return str(raised.value).replace(str(path), "decisions.csv").splitlines()


def test_each_line_says_what_is_wrong_and_no_value(tmp_path: Path) -> None:
    lines = (
        f"match,crm:C1;ana.lopez@x.es,,,rosa,{AT},same,d1",
        f"match,crm:LOPA800101,crm:LOPA800101,,rosa,{AT},same,d2",
        f"Ana López,crm:C1,,,rosa,{AT},same,d3",
        f"no_match,crm:C1,web:W1,,rosa,{AT},other people,d4",
        f"no_match,crm:C1,web:W2,,rosa,{AT},other people,d4",
    )
    assert said(tmp_path, *lines) == [
        "decisions.csv:2: name 2 of left_records is no record: write source:record_id.",
        "decisions.csv:3: one record stands on both sides.",
        "decisions.csv:4: kind is unknown; it is match, no_match or revoke.",
        "decisions.csv:6: its decision_id stands twice.",
    ]


def test_a_first_row_that_stands_where_the_header_should_is_not_told(tmp_path: Path) -> None:
    (line,) = said(tmp_path, head=f"match,crm:C1;crm:C2,,,Rosa López,{AT},same,d1")
    assert "column kind is missing" in line
    assert "Rosa" not in line
    (line,) = said(tmp_path, head=f"{HEAD},note")
    assert "column note is unknown" in line

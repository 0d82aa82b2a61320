"""What lies in the landing folder, and which of it is new."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from errno import EACCES
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from landing_box import NIGHT, SHOP, Box
from pyarrow import fs

from pipelines import files
from pipelines.bronze.landing import Landing, discover, feed_of, pending
from pipelines.errors import UsageError

NEXT = date(2026, 7, 2)
PEOPLE = "id,name,note\n1,Ana,\n"


def taken(landing: Landing, **changes: Any) -> pa.Table:
    """bronze/batches after a night that took in everything."""
    rows = [
        {
            "source": f.source,
            "feed": f.feed,
            "file": f.path,
            "digest": f.digest,
            "bytes": f.bytes,
            "modified_at": f.modified_at,
            "rows": 1,
            "status": "landed",
            **changes,
        }
        for f in landing.files
    ]
    return pa.Table.from_pylist(rows)


def test_files_of_declared_feeds_are_found_oldest_first(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE, NEXT)
    box.put("people.csv.gz", PEOPLE)
    box.put("people-001.jsonl", "{}")
    box.put("people-extra-1.csv", PEOPLE)
    box.put("_SUCCESS", "")
    box.put(".people.csv.crc", "")
    found = box.found()
    assert found.problems == ()
    assert [(str(f.landing_date), f.feed, f.name, f.format) for f in found.files] == [
        ("2026-07-01", "people", "people-001.jsonl", "jsonl"),
        ("2026-07-01", "people", "people.csv.gz", "delimited"),
        ("2026-07-01", "people-extra", "people-extra-1.csv", "delimited"),
        ("2026-07-02", "people", "people.csv", "delimited"),
    ]
    assert found.files[1].path == "2026-07-01/shop/people.csv.gz"
    assert len({f.batch_id for f in found.files}) == 4
    assert [f.landing_date for f in box.found(upto=NIGHT).files] == [NIGHT] * 3


@pytest.mark.parametrize(
    ("stem", "feed"),
    [
        ("people", "people"),
        ("people-1", "people"),
        ("people-extra", "people-extra"),
        ("people-extra-2", "people-extra"),
        ("people-extras", "people"),
        ("peoples", None),
        ("", None),
    ],
)
def test_the_longest_declared_feed_wins(stem: str, feed: str | None) -> None:
    assert feed_of(stem, ["people", "people-extra"]) == feed


def test_what_belongs_to_no_feed_is_named_and_not_taken_in(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("contacts.csv", "x", source="shp")
    box.put("more.csv", "x", source="shp")
    box.put("peple.csv", PEOPLE)
    box.put("people.xlsx", b"x")
    box.put("people.parquet.gz", b"x")
    box.put("deep/people.csv", PEOPLE)
    (box.landing / "readme.csv").write_text("x")
    (box.landing / "2026-07-01" / "people.csv").write_text(PEOPLE)
    for folder in ("2026-13-01", "20260701", "latest"):
        (box.landing / folder / "shop").mkdir(parents=True)
        (box.landing / folder / "shop" / "people.csv").write_text(PEOPLE)
    found = box.found()
    assert found.files == ()
    assert [(p.code, p.path) for p in found.problems] == [
        ("stray_file", "2026-07-01/people.csv"),
        ("stray_file", "2026-07-01/shop/deep/people.csv"),
        ("stray_file", "2026-07-01/shop/people.parquet.gz"),
        ("stray_file", "2026-07-01/shop/people.xlsx"),
        ("unknown_feed", "2026-07-01/shop/peple.csv"),
        ("unknown_source", "2026-07-01/shp"),
        ("bad_date_folder", "2026-13-01"),
        ("bad_date_folder", "20260701"),
        ("bad_date_folder", "latest"),
        ("stray_file", "readme.csv"),
    ]
    assert {p.severity for p in found.problems} == {"warn"}
    assert "did you mean shop?" in found.problems[5].text
    assert "did you mean people?" in found.problems[4].text
    assert all(p.text.startswith(p.path) and "\n" not in p.text for p in found.problems)


def test_a_name_in_an_older_encoding_stops_no_night(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)
    folder = os.fsencode(box.landing / "2026-07-01" / "shop")
    with open(os.path.join(folder, "people-año.csv".encode("iso-8859-1")), "w", encoding="utf-8") as file:
        file.write(PEOPLE)
    found = box.found()
    assert [f.name for f in found.files] == ["people.csv"]
    assert [p.text for p in found.problems] == [
        "2026-07-01/shop/people-a\ufffdo.csv: has a name that is not UTF-8; not taken in: rename it."
    ]


def test_a_landing_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist: check --landing") as caught:
        discover(str(tmp_path / "nowhere"), SHOP)
    assert caught.value.exit_code == 2


class ClosedFolders:
    """A file system that tells of a path, and lists no folder."""

    def get_file_info(self, asked: str | fs.FileSelector) -> fs.FileInfo:
        if isinstance(asked, str):
            return fs.LocalFileSystem().get_file_info(asked)
        raise PermissionError(EACCES, "Cannot list directory")


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)
    closed = str(box.landing / str(NIGHT) / "shop")

    # Whoever runs the tests may be root, who reads everything.
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed)
    monkeypatch.setattr(files, "_resolve", lambda uri: (ClosedFolders(), str(box.landing)))
    with pytest.raises(UsageError, match=rf"^{closed} cannot be read \(permission denied\)"):
        box.found()


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)

    def denied(uri: str) -> str:
        raise PermissionError(EACCES, "Failed to open local file")

    monkeypatch.setattr(files, "sha256", denied)
    with pytest.raises(UsageError, match=r"/people\.csv cannot be read \(permission denied\)") as caught:
        box.found()
    assert caught.value.exit_code == 2


def test_an_empty_landing_folder_has_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path)
    assert box.found() == Landing((), ())


def test_a_redelivered_file_is_skipped_and_a_correction_is_not(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)
    before = box.found()
    known = taken(before)
    box.put("people.csv", PEOPLE)
    again = pending(box.found(), known)
    assert again.new == again.problems == ()
    assert [f.batch_id for f in again.redelivered] == [f.batch_id for f in before.files]
    box.put("people.csv", PEOPLE + "2,Eva,\n")
    corrected = pending(box.found(), known)
    assert [f.path for f in corrected.new] == ["2026-07-01/shop/people.csv"]
    assert corrected.new[0].batch_id != before.files[0].batch_id
    assert corrected.problems == ()


def test_a_rejected_batch_is_not_taken_in_again(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)
    found = box.found()
    assert pending(found, taken(found, status="rejected")).new == ()


def test_the_same_content_under_another_date_is_applied_with_a_warning(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", PEOPLE)
    known = taken(box.found())
    box.put("people.csv", PEOPLE, NEXT)
    box.put("people-2.csv", PEOPLE, NEXT)
    box.put("people-extra.csv", PEOPLE, NEXT)
    for batches in (known, None):
        result = pending(box.found(), batches)
        assert [f.path for f in result.same_content] == [
            "2026-07-02/shop/people-2.csv",
            "2026-07-02/shop/people.csv",
        ]
        assert set(result.same_content) <= set(result.new)
        assert {p.code for p in result.problems} == {"same_content"}
        assert "content of 2026-07-01/shop/people.csv" in result.problems[0].text


def test_an_empty_delivery_every_day_is_no_repetition(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("lines.csv", "id,name\n")
    known = taken(box.found(), rows=0)
    box.put("lines.csv", "id,name\n", NEXT)
    result = pending(box.found(), known)
    assert len(result.new) == 1
    assert result.problems == ()


def test_unchanged_old_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    path = box.put("people.csv", PEOPLE)
    first = box.found()
    read: list[str] = []
    digest = files.sha256
    monkeypatch.setattr(files, "sha256", lambda uri: read.append(uri) or digest(uri))
    known = taken(first)
    known = known.set_column(
        known.schema.get_field_index("modified_at"),
        "modified_at",
        known["modified_at"].cast(pa.timestamp("us", "UTC"), safe=False),
    )
    assert box.found(known=known) == first
    assert read == []
    later = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    path.write_text(PEOPLE.replace("Ana", "Eva"))
    os.utime(path, (later, later))
    assert box.found(known=known).files[0].digest != first.files[0].digest
    assert len(read) == 1

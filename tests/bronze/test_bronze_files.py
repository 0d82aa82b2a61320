"""Files at a URI, on the local disk and on a file system that is not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pipelines import files


@pytest.fixture(params=["path", "file://", "mock://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mock://":
        files._root.cache_clear()
        return "mock://store/box"
    return str(tmp_path) if request.param == "path" else f"file://{tmp_path}"


def test_a_small_file_comes_back_as_it_was_written(root: str) -> None:
    uri = (
        files.join(root, "a", "ñandú 100%.txt") if not root.startswith("file") else files.join(root, "a.txt")
    )
    if root.startswith("mock"):
        files._resolve(root)[0].create_dir(files._resolve(files.join(root, "a"))[1])
    assert not files.exists(uri)
    files.write_text(uri, "uno\r\nñ")
    files.write_text(uri, "dos\r\nñ")
    assert files.exists(uri)
    assert files.read_text(uri) == "dos\r\nñ"
    assert files.sha256(uri) == hashlib.sha256("dos\r\nñ".encode()).hexdigest()
    found = files.listing(root, recursive=True)
    assert [f.uri for f in found] == [uri]
    assert found[0].size == files.size(uri) == 7
    assert files.read_text(found[0].uri) == "dos\r\nñ"


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = str(tmp_path / "x.json")
    files.write_text(uri, "old")
    broken = type("Text", (str,), {"encode": lambda self, *_: (_ for _ in ()).throw(OSError("disk"))})
    with pytest.raises(OSError, match="disk"):
        files.write_text(uri, broken("new"))
    assert files.read_text(uri) == "old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_relative_path_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_text("in/a.txt", "a")
    (found,) = files.listing("in")
    assert found.uri == str(tmp_path / "in" / "a.txt")
    monkeypatch.chdir("/")
    assert files.read_text(found.uri) == "a"


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("absent", "file"):
        with pytest.raises(FileNotFoundError):
            files.listing(str(tmp_path / name))


def test_listing_stays_in_the_folder_unless_asked(tmp_path: Path) -> None:
    files.write_text(str(tmp_path / "a"), "")
    files.write_text(str(tmp_path / "b" / "c"), "")
    assert [f.path for f in files.listing(str(tmp_path))] == ["a"]
    assert [f.path for f in files.listing(f"{tmp_path}/", recursive=True)] == ["a", "b/c"]

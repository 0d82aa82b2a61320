"""Files at a URI: listing, reading, digests and small texts, on whatever ``pyarrow.fs`` reaches.

A URI is a local path (relative or absolute), ``file://``, ``s3://`` (or ``s3a://``), ``gs://``,
``abfss://`` or ``hdfs://``. Nothing else in the package opens a data file by its path.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from errno import EACCES
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyarrow import NativeFile
    from pyarrow.dataset import Dataset

CHUNK = 1 << 20
"""Bytes read at a time."""
NO_CHARACTER = "\ufffd"
"""Stands in a path for bytes that are no UTF-8, as systems with an older encoding write them."""


@dataclass(frozen=True)
class FileInfo:
    """One file of a listing."""

    uri: str
    path: str
    """Relative to the folder that was listed, with ``/``."""
    size: int
    """Bytes."""
    modified_at: datetime | None
    """When the storage says that it was last written; UTC."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@lru_cache(maxsize=64)
def _root(root: str) -> tuple[fs.FileSystem, str]:
    return fs.FileSystem.from_uri(root)  # type: ignore[no-any-return]


def _resolve(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system and its path. Only the root is parsed as a URI: names may hold any character."""
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return fs.LocalFileSystem(), os.path.abspath(uri)
    if scheme == "file":
        return fs.LocalFileSystem(), "/" + unquote(rest).partition("/")[2]
    scheme = {"s3a": "s3", "s3n": "s3"}.get(scheme, scheme)
    authority, _, path = rest.partition("/")
    system, base = _root(f"{scheme}://{authority}/")
    return system, f"{base.rstrip('/')}/{path}" if base.strip("/") or base == "/" else path


def absolute(uri: str) -> str:
    """``uri`` so that every process understands it: a relative local path gets the working folder."""
    return uri.rstrip("/") if "://" in uri else _resolve(uri)[1]


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` below it."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def below(uri: str) -> fs.FileSystem:
    """The folder ``uri`` as a file system of its own: paths are relative to it."""
    system, path = _resolve(uri)
    return fs.SubTreeFileSystem(path, system)


def exists(uri: str) -> bool:
    """True where a file or folder stands at ``uri``."""
    system, path = _resolve(uri)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def listing(uri: str, *, recursive: bool = False) -> list[FileInfo]:
    """The files in a folder (with ``recursive`` in its sub-folders too), by path.

    A name that is not UTF-8 is told with ``NO_CHARACTER`` where it is none; such a file cannot be opened by it.
    Raises FileNotFoundError where there is no folder: an object store has one where an object
    lies below it; PermissionError with the folder that may not be listed.
    """
    system, path = _resolve(uri)
    path = path.rstrip("/") or path
    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        raise FileNotFoundError(f"{uri} is a file, not a folder")
    try:
        found = system.get_file_info(fs.FileSelector(path, recursive=recursive))
    except PermissionError:
        raise PermissionError(EACCES, "Permission denied", _closed(path)) from None
    except OSError as error:
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(f"{uri} does not exist") from None
        raise error
    root = absolute(uri)
    files = []
    for info in found:
        if info.is_file:
            relative = _told(info)[len(path) :].strip("/")
            files.append(FileInfo(join(root, relative), relative, info.size, info.mtime))
    return sorted(files, key=lambda f: f.path)


def _told(info: fs.FileInfo) -> str:
    """The path as Arrow tells it, or the nearest to it that is text: Arrow does not tell one that is not UTF-8."""
    try:
        return str(info.path)
    except UnicodeDecodeError as error:
        return bytes(error.object).decode("utf-8", "replace")


def _closed(path: str) -> str:
    """The first folder in a local folder that may not be listed, which Arrow does not tell; else the folder itself."""
    below = (os.path.join(at, name) for at, names, _ in os.walk(path) for name in sorted(names))
    return next((each for each in (path, *below) if not os.access(each, os.R_OK | os.X_OK)), path)


def size(uri: str) -> int:
    """Bytes of a file. Raises FileNotFoundError."""
    system, path = _resolve(uri)
    info = system.get_file_info(path)
    if not info.is_file:
        raise FileNotFoundError(f"{uri} does not exist")
    return int(info.size)


def open_input(uri: str) -> NativeFile:
    """A file's bytes from start to end, as stored (nothing is decompressed)."""
    system, path = _resolve(uri)
    return system.open_input_stream(path, compression=None, buffer_size=CHUNK)


def open_random(uri: str) -> NativeFile:
    """A file that can be read at any place (Parquet)."""
    system, path = _resolve(uri)
    return system.open_input_file(path)


def is_local(uri: str) -> bool:
    """True for a file that any library opens by its name."""
    return "://" not in uri or uri.startswith("file://")


def parquet(uris: Sequence[str]) -> Dataset:
    """Parquet files of one store as one table with the columns of all; nothing is read before it is asked for."""
    from pyarrow import dataset

    resolved = [_resolve(uri) for uri in uris]
    factory = dataset.FileSystemDatasetFactory(
        resolved[0][0], [path for _, path in resolved], dataset.ParquetFileFormat()
    )
    return factory.finish(factory.inspect(fragments=len(resolved)))


def sha256(uri: str) -> str:
    """The digest of a file's bytes as stored, in hexadecimal; streams."""
    hashed = hashlib.sha256()
    with open_input(uri) as stream:
        while chunk := stream.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def read_text(uri: str) -> str:
    """A small UTF-8 file. Raises FileNotFoundError."""
    return read_bytes(uri).decode("utf-8")


def read_bytes(uri: str) -> bytes:
    """A small file. Raises FileNotFoundError."""
    try:
        with open_input(uri) as stream:
            return bytes(stream.read())
    except NotADirectoryError:
        # The defaults of conf/ may lie in an archive: below a file there is nothing.
        raise FileNotFoundError(f"{uri} does not exist") from None


def write_text(uri: str, text: str) -> None:
    """Write a small UTF-8 file, its folder too; readers see the old content or the new, never half."""
    write_bytes(uri, text.encode("utf-8"))


def write_bytes(uri: str, content: bytes) -> None:
    """``write_text`` for what is no text."""
    system, path = _resolve(uri)
    if not isinstance(system, fs.LocalFileSystem):
        # An object appears when its upload is complete.
        with system.open_output_stream(path) as stream:
            stream.write(content)
        return
    system.create_dir(os.path.dirname(path), recursive=True)
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        with system.open_output_stream(draft) as stream:
            stream.write(content)
        system.move(draft, path)
    except BaseException:
        if system.get_file_info(draft).is_file:
            system.delete_file(draft)
        raise


def move(uri: str, to: str) -> None:
    """Give a file another name in its store; a file of that name is replaced."""
    system, path = _resolve(uri)
    system.move(path, _resolve(to)[1])


def open_new(uri: str) -> NativeFile:
    """A new file to write piece by piece, which nobody may look for before it is closed."""
    system, path = _resolve(uri)
    if isinstance(system, fs.LocalFileSystem):
        system.create_dir(os.path.dirname(path), recursive=True)
    return system.open_output_stream(path)


def delete(uri: str) -> None:
    """Delete a folder with all that is in it; nothing where there is none."""
    system, path = _resolve(uri)
    if system.get_file_info(path).type != fs.FileType.NotFound:
        system.delete_dir(path.rstrip("/"))


def folders(uri: str) -> list[str]:
    """The names of the folders in a folder; none where it does not exist."""
    system, path = _resolve(uri)
    found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

"""What padron may not read or write, in one line that names it; of a local warehouse before anything is done with it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.errors import PadronError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_AGAIN = "move that away, and run the same command again."


_UNFIT = re.compile(r"[\[\]{}*?^|\\]|%[0-9A-Fa-f]{2}")
"""What Spark or DuckDB take for a pattern, or Delta's libraries not for a part of a path."""


def check_name(root: str) -> None:
    """Raises UsageError where the local path ``root`` holds what one of those who read and write tables cannot take."""
    found = None if "://" in root else _UNFIT.search(root)
    if found is not None:
        raise UsageError(
            f"The warehouse {root} cannot hold tables, for its path has {found[0]} in it: choose another folder. "
            "Spaces and accents do no harm."
        )


def check_readable(root: str, path: str) -> None:
    """Raises UsageError where ``root`` is no folder, or padron may not read its table ``path``."""
    if "://" in root:
        return
    there = _folder(root)
    # A folder above a warehouse that is not there yet only has to let through.
    mode = os.R_OK if there == root else os.F_OK
    for at in (there, *_way(root, path)):
        if not os.access(at, mode | (os.X_OK if os.path.isdir(at) else 0)):
            raise UsageError(f"The warehouse {root} cannot be read: permission is denied to {at}.")


def check_writable(root: str, path: str) -> None:
    """Raises UsageError where ``root`` is no folder, or padron may not write to it and its table ``path``."""
    if "://" in root:
        return
    _check_open(root, (_folder(root), *_way(root, path)))


def check_all_writable(root: str, paths: Iterable[str]) -> None:
    """Raises UsageError where padron may not write to its tables ``paths``, or to their layers; those that are not there
    are made."""
    if "://" in root:
        return
    tables = {os.path.join(root, *path.split("/")) for path in paths}
    layers = {os.path.dirname(table) for table in tables}
    _check_open(root, sorted({*layers, *tables, *(os.path.join(table, "_delta_log") for table in tables)}))


def _check_open(root: str, places: Iterable[str]) -> None:
    for at in places:
        if os.path.isdir(at) and not os.access(at, os.W_OK | os.X_OK):
            raise UsageError(
                f"The warehouse {root} cannot be written to: {at} is read-only for padron's user."
            )


def _folder(root: str) -> str:
    """``root``, or what is there of the way to it. Raises UsageError where that is no folder."""
    there = root
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        told = "is no folder" if there == root else f"cannot be made, for {there} is no folder"
        raise UsageError(f"The warehouse {root} {told}: check --warehouse.")
    return there


def _way(root: str, path: str) -> list[str]:
    """What is there of the folders from ``root`` to the log of its table ``path``, and of the log's files."""
    *above, table = path.split("/")
    log = os.path.join(root, *above, table, "_delta_log")
    folders = [os.path.join(root, *above), os.path.dirname(log), log]
    inside = os.listdir(log) if os.access(log, os.R_OK | os.X_OK) else []
    return [at for at in (*folders, *(os.path.join(log, name) for name in inside)) if os.path.exists(at)]


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Name what cannot be read: the file that the error names, or else ``uri``. Raises UsageError."""
    try:
        yield
    except PermissionError as error:
        raise UsageError(
            f"{error.filename or uri} cannot be read (permission denied): let padron's user read it, and run again."
        ) from None


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Name the file that cannot be written because something is in its way. Raises PadronError."""
    try:
        yield
    except IsADirectoryError:
        raise PadronError(f"{uri} cannot be written, for a folder has its name: {_AGAIN}") from None
    except (FileExistsError, NotADirectoryError):
        folder = uri.rpartition("/")[0]
        raise PadronError(f"{uri} cannot be written, for {folder} is no folder: {_AGAIN}") from None
    except PermissionError:
        raise PadronError(
            f"{uri} cannot be written (permission denied): let padron's user write it, and run the same command again."
        ) from None

"""Whether a local warehouse may be read and written, which Delta does not say; nothing of one behind a URI."""

from __future__ import annotations

import os

from pipelines.errors import UsageError


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
    for at in (_folder(root), *_way(root, path)):
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

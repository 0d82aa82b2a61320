"""The files that travel with the code: the defaults of ``conf/`` and the modules themselves.

They are read where they lie, which may be inside an archive: spark-submit ships the package to the
executors as one (``--py-files padron.zip``), and nothing is unpacked there.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pipelines


def package() -> Traversable:
    """The package's folder."""
    return files(pipelines)


def default_conf() -> Traversable:
    """The folder of defaults: inside the package that was built, or beside it in a checkout."""
    inside = package() / "conf"
    return inside if inside.is_dir() else Path(pipelines.__file__).resolve().parent.parent / "conf"


def is_there(path: Traversable) -> bool:
    """True where a file or folder stands at ``path``."""
    return path.is_file() or path.is_dir()


def beneath(folder: Traversable) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    """Every file below ``folder`` with the parts of its path there, in the order of these."""
    found: list[tuple[tuple[str, ...], Traversable]] = []
    waiting: list[tuple[tuple[str, ...], Traversable]] = [((), folder)]
    while waiting:
        above, at = waiting.pop()
        for each in at.iterdir():
            parts = (*above, each.name)
            if each.is_dir():
                waiting.append((parts, each))
            else:
                found.append((parts, each))
    yield from sorted(found, key=lambda pair: pair[0])

"""Names that would configure nothing: variables of no file, YAML files that nobody reads."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

FILES = ("benchmarks.yml", "linkage.yml", "metrics.yml", "padron.yml", "renames.yml", "survivorship.yml")
"""The YAML files of a folder of configuration; each may be overridden key by key."""
FOLDERS = ("quality", "sources")
"""Its folders of which every ``*.yml`` is read."""
PREFIX = "PADRON__"
"""Of a variable that overrides a key; with one underscore they are options."""

_STEMS = [name.removesuffix(".yml").upper() for name in FILES]


def unknown_variables() -> list[str]:
    """A line for every PADRON__… of the environment that overrides no key of any file."""
    lines = []
    for variable in sorted(name for name in os.environ if name.startswith(PREFIX)):
        stem, _, key = variable.removeprefix(PREFIX).partition("__")
        if stem not in _STEMS and key:
            near = difflib.get_close_matches(stem.upper(), _STEMS, n=1)
            hint = f"Did you mean {PREFIX}{near[0]}__{key}?" if near else f"Files: {', '.join(_STEMS)}."
            lines.append(f"{variable}: {stem} is no file of conf. {hint}")
        elif not key:
            lines.append(f"{variable} names no file and key: write it like {PREFIX}PADRON__TIMEZONE.")
    return lines


def unread_files(folder: Traversable, shown: str) -> list[str]:
    """A line for every YAML file of ``folder``, which is told as ``shown``, that nobody reads."""
    lines = []
    for name in _yaml(folder):
        if name not in FILES:
            wanted = f"{name.rpartition('.')[0].lower()}.yml"
            near = difflib.get_close_matches(wanted, FILES, n=1)
            hint = (
                f"Did you mean {near[0]}?" if near else f"Read are {', '.join(FILES)}; move others elsewhere."
            )
            lines.append(f"{shown}/{name} is not read. {hint}")
    for below in FOLDERS:
        inside = folder / below
        names = _yaml(inside) if inside.is_dir() else ()
        lines += [
            f"{shown}/{below}/{name} is not read: let its name end with .yml."
            for name in names
            if not name.endswith(".yml")
        ]
    return lines


def _yaml(folder: Traversable) -> Iterator[str]:
    """The names of the YAML files in a folder, but for those that editors hide there."""
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        is_yaml = path.name.lower().endswith((".yml", ".yaml")) and not path.name.startswith(".")
        if is_yaml and path.is_file():
            yield path.name

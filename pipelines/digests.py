"""What the program's own code is, in a few digits: what it made can be told from what other code made."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pipelines
from pipelines.config import default_conf

LEFT_OUT = ("cli", "simulate")
"""Parts of the program that do not decide what a night publishes."""


@cache
def code_digest() -> str:
    """Digest of the program's code and dictionaries that decide what a night publishes."""
    root = Path(pipelines.__file__).resolve().parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] not in LEFT_OUT:
            found.update(str(relative).encode())
            found.update(path.read_bytes())
    for path in sorted((default_conf() / "dictionaries").glob("*.csv*")):
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]

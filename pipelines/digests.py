"""What the program is, in a few digits: what it made can be told from what another program made."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from pipelines.packaged import beneath, default_conf, package

LEFT_OUT = ("cli", "simulate")
"""Parts of the program that do not decide what a night publishes."""

LAYERS = ("bronze", "silver", "linkage", "identity", "gold")
"""The layers in the order of the flow: none uses code of one to its right."""

JUDGES = ("ops", "night_gates.py")
"""Parts that run a night and judge it, and write none of its tables; but for ``TABLES_OF_OPS``."""
TABLES_OF_OPS = (("ops", "profiles.py"), ("ops", "source_catalogue.py"))
LIBRARIES = {
    "bronze": ("python", "pyspark", "delta-spark", "pyarrow"),
    "silver": ("phonenumbers", "python-stdnum", "cleanco", "tzdata"),
    "linkage": ("splink", "sqlglot", "duckdb", "numpy", "scipy"),
}
"""What a layer computes with, beside what the layers to its left do: another release of one may give other rows."""
_RIGHT_OF = {layer: {*LAYERS[at + 1 :], *JUDGES, *LEFT_OUT} for at, layer in enumerate(LAYERS)}


@cache
def code_digest(layer: str | None = None) -> str:
    """Digest of the program's code and dictionaries that decide what a night publishes.

    With ``layer`` of those that decide what that layer writes: its own folder, the ones to its
    left, and what all share.
    """
    without = _RIGHT_OF.get(layer or "", set(LEFT_OUT))
    found = hashlib.sha256()
    for parts, path in beneath(package()):
        if parts[-1].endswith(".py") and (parts[0] not in without or parts in TABLES_OF_OPS):
            found.update("/".join(parts).encode())
            found.update(path.read_bytes())
    for parts, path in beneath(default_conf() / "dictionaries"):
        if parts[-1].endswith((".csv", ".csv.gz")):
            found.update(parts[-1].encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def program_digest(layer: str | None = None) -> str:
    """``code_digest`` with the versions of the ``libraries`` that the code computes with."""
    found = hashlib.sha256(code_digest(layer).encode())
    found.update(repr(sorted(libraries(layer).items())).encode())
    return found.hexdigest()[:16]


def libraries(layer: str | None = None) -> dict[str, str]:
    """Version by name of what the program computes with; with ``layer`` up to and with that layer."""
    used = LAYERS[: LAYERS.index(layer) + 1] if layer in LAYERS else LAYERS
    return {name: version_of(name) for one in used for name in LIBRARIES.get(one, ())}


@cache
def version_of(name: str) -> str:
    """The version of a library; of one that the platform provides, and that no package tells of, ``provided``."""
    if name == "python":
        return ".".join(map(str, sys.version_info[:2]))
    if name == "pyspark":
        # spark-submit may put another on the path than the one that is installed.
        return str(import_module("pyspark").__version__)
    try:
        return version(name)
    except PackageNotFoundError:
        return "provided"

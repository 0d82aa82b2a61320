"""What the program is, in a few digits: what it made can be told from what another program made."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version

from pipelines.packaged import beneath, default_conf, package

LEFT_OUT = ("cli", "simulate")
"""Parts of the program that do not decide what a night publishes."""

LAYERS = ("bronze", "silver", "linkage", "identity", "gold")
"""The layers in the order of the flow: none uses code of one to its right."""

JUDGES = ("ops", "night_gates.py")
"""Parts that run a night and judge it, and write none of its tables; but for ``PROFILES``."""
PROFILES = ("ops", "profiles.py")
LIBRARIES = {
    "bronze": ("pyspark", "delta-spark", "pyarrow"),
    "silver": ("phonenumbers", "python-stdnum", "cleanco"),
    "linkage": ("splink", "duckdb", "numpy", "scipy"),
}
"""What a layer computes with, beside what the layers to its left do: another release of one may give other rows."""
_RIGHT_OF = {layer: {*LAYERS[at + 1 :], *JUDGES, *LEFT_OUT} for at, layer in enumerate(LAYERS)}


@cache
def code_digest(layer: str | None = None) -> str:
    """Digest of the program's code and dictionaries, and of the libraries' versions, that decide what a night publishes.

    With ``layer`` of those that decide what that layer writes: its own folder, the ones to its
    left, and what all share.
    """
    without = _RIGHT_OF.get(layer or "", set(LEFT_OUT))
    found = hashlib.sha256()
    for parts, path in beneath(package()):
        if parts[-1].endswith(".py") and (parts[0] not in without or parts == PROFILES):
            found.update("/".join(parts).encode())
            found.update(path.read_bytes())
    for parts, path in beneath(default_conf() / "dictionaries"):
        if parts[-1].endswith((".csv", ".csv.gz")):
            found.update(parts[-1].encode())
            found.update(path.read_bytes())
    for name in _libraries(layer):
        found.update(f"{name} {version(name)}".encode())
    return found.hexdigest()[:16]


def _libraries(layer: str | None) -> list[str]:
    used = LAYERS if layer not in LAYERS else LAYERS[: LAYERS.index(layer) + 1]
    return [name for one in used for name in LIBRARIES.get(one, ())]

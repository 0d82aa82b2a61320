"""What a command that is soon over does without, so that most of its time is not loading."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is left out", name=fullname)
        return None


def arrow_without_pandas() -> None:
    """Let pyarrow find no pandas, which it looks for once: at its first conversion of whatever values.

    It loads pandas, a quarter of a second, only to recognise pandas' own objects. For processes that hand
    it none; whoever imports pandas itself still gets it.
    """
    if "pandas" in sys.modules:
        return
    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        import pyarrow as pa

        pa.scalar(0)
    finally:
        sys.meta_path.remove(hidden)


def leave(code: int) -> None:
    """End the process with ``code`` at once: to take down all that was loaded takes a tenth of a second.

    For processes in which every file, connection and folder is closed by who opened it.
    """
    for stream in (sys.stdout, sys.stderr):
        # Who read them may be gone.
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)

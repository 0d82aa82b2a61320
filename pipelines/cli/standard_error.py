"""Standard error whose reader may go away: what is only told about a night never decides how the night ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, cast


class _StandardError:
    """``sys.stderr`` of now. Once it cannot be written to, for its reader is gone or its disk is full, it leads nowhere."""

    @property
    def encoding(self) -> str:
        return sys.stderr.encoding or "utf-8"

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()

    def write(self, text: str) -> int:
        try:
            return sys.stderr.write(text)
        except OSError:
            _lead_nowhere()
            return len(text)

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except OSError:
            _lead_nowhere()


def _lead_nowhere() -> None:
    """Also what Python holds back, which it would try to write when it ends, and end with 120."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


standard_error = cast("IO[str]", _StandardError())

"""Standard error whose reader may go away: what is only told about a night never decides how the night ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, cast


def _now() -> IO[str] | None:
    """What is written to; None where the program was started without it. A spinner stands in its place, which would hand
    everything back to the console that writes here.
    """
    stream: IO[str] | None = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    return stream


class _StandardError:
    """``sys.stderr`` of now. Once it cannot be written to, for its reader is gone or its disk is full, it leads nowhere."""

    @property
    def encoding(self) -> str:
        return getattr(_now(), "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        stream = _now()
        return stream is not None and stream.isatty()

    def fileno(self) -> int:
        stream = _now()
        return 2 if stream is None else stream.fileno()

    def write(self, text: str) -> int:
        stream = _now()
        if stream is not None:
            try:
                stream.write(text)
            except OSError:
                _lead_nowhere(stream)
        return len(text)

    def flush(self) -> None:
        stream = _now()
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                _lead_nowhere(stream)


def _lead_nowhere(stream: IO[str]) -> None:
    """Also what Python holds back, which it would try to write when it ends, and end with 120."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


standard_error = cast("IO[str]", _StandardError())

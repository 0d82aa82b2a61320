"""What a run still does when it is ended by SIGTERM: a scheduler's time limit, a node that is drained, a shutdown."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.errors import PadronError

GRACE = 20.0
"""Seconds for the last words; Kubernetes kills 30 s after SIGTERM."""


class Terminated(PadronError):
    """The process was told to end; the last release stands, and the next run resumes."""

    exit_code = 128 + signal.SIGTERM

    def __init__(self) -> None:
        super().__init__(
            "ended by SIGTERM, as by a time limit or a shutdown. The last release stands; the same command goes on "
            "from the last finished stage."
        )


@contextmanager
def telling(last_words: Callable[[Terminated], None]) -> Iterator[None]:
    """While inside, SIGTERM has ``last_words`` said before the process ends by it, as it would without.

    The stages are not waited for: what they leave half written nobody reads. A thread of its own speaks, because the one
    that the signal interrupted may hold what is needed for it; after ``GRACE`` seconds nobody waits for it either.
    Python delivers signals to the main thread only: in another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        speaker = threading.Thread(target=last_words, args=(Terminated(),), daemon=True)
        speaker.start()
        speaker.join(GRACE)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

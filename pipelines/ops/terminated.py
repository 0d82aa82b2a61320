"""What a run still does when it is ended by SIGTERM: a scheduler's time limit, a node that is drained, a shutdown."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipelines.errors import PadronError

GRACE = 20.0
"""Seconds for the last words, alerts included; Kubernetes kills 30 s after SIGTERM."""


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
    """While inside, SIGTERM has ``last_words`` said; then the process ends at once, with the code that a shell gives it.

    The stages are not waited for: what they leave half written nobody reads. A thread of its own hears of the signal, for
    the main one may be in the middle of a long write, and after ``GRACE`` seconds nobody waits for the words either.
    Python lets the main thread alone ask for signals: in another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    is_ending = threading.Event()

    def listen() -> None:
        # A byte for each signal that Python handles: its number.
        while number := os.read(heard, 1):
            if number[0] == signal.SIGTERM:
                is_ending.set()
                speaker = threading.Thread(target=_say, args=(last_words,), daemon=True)
                speaker.start()
                speaker.join(GRACE)
                os._exit(Terminated.exit_code)
        os.close(heard)

    before_told = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    threading.Thread(target=listen, name="SIGTERM", daemon=True).start()
    try:
        yield
    finally:
        if is_ending.is_set():
            # What fails now may fail because Java got the signal too: the last words tell why, and end the process.
            threading.Event().wait()
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(before_told)
        os.close(told)


def _say(last_words: Callable[[Terminated], None]) -> None:
    # Whatever becomes of the words, the process ends.
    with suppress(BaseException):
        last_words(Terminated())

"""What a run still does when it is told to end: SIGTERM of a scheduler's time limit, a node that is drained or a shutdown,
SIGHUP of a terminal that is closed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipelines.errors import PadronError

GRACE = 20.0
"""Seconds for the last words, alerts included; Kubernetes kills 30 s after SIGTERM."""


_SENT_BY: dict[int, str] = {
    signal.SIGTERM: "as by a time limit or a shutdown",
    signal.SIGHUP: "as when the terminal is closed (nohup or tmux keeps a run going)",
}


class Terminated(PadronError):
    """The process was told to end; the last release stands, and the next run resumes."""

    exit_code = 128 + signal.SIGTERM

    def __init__(self, number: int = signal.SIGTERM) -> None:
        self.exit_code = 128 + number
        super().__init__(
            f"ended by {signal.Signals(number).name}, {_SENT_BY[number]}. The last release stands; the same command goes on "
            "from the last finished stage."
        )


@contextmanager
def telling(last_words: Callable[[Terminated], None]) -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP have ``last_words`` said; then the process ends at once, with the code that a shell
    gives it. A signal that is ignored (nohup) stays so.

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
            if number[0] in before:
                is_ending.set()
                error = Terminated(number[0])
                speaker = threading.Thread(target=_say, args=(last_words, error), daemon=True)
                speaker.start()
                speaker.join(GRACE)
                os._exit(error.exit_code)
        os.close(heard)

    before_told = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = {n: signal.getsignal(n) for n in _SENT_BY if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, lambda number, frame: None)
    threading.Thread(target=listen, name="told to end", daemon=True).start()
    try:
        yield
    finally:
        if is_ending.is_set():
            # What fails now may fail because Java got the signal too: the last words tell why, and end the process.
            threading.Event().wait()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_told)
        os.close(told)


def _say(last_words: Callable[[Terminated], None], error: Terminated) -> None:
    # Whatever becomes of the words, the process ends.
    with suppress(BaseException):
        last_words(error)

"""A command measured from start to exit: wall and CPU seconds, peak memory of all its processes.

The command gets a session of its own, and its processes are those of the session: a JVM that a
Python started, and the workers that the JVM started, belong to it even when their parents are gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipelines.errors import UsageError

LOOK = 0.2
"""Seconds between two looks at the memory."""
TURN = 0.02
"""Seconds between two looks at whether it has ended."""
LAST_LINES = 5
_PROC = "/proc"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """What a command took."""

    outcome: Literal["done", "capped", "died"]
    seconds: float
    """From the start of the process to its exit."""
    cpu_seconds: float
    peak_bytes: int
    """Resident memory (RSS), summed over the processes; pages that several share count in each."""
    memory: tuple[tuple[float, int], ...] = ()
    """Every look: seconds since the epoch, resident bytes."""
    said: tuple[str, ...] = ()
    """Of one that died, how, and the last lines of its standard error."""


@dataclass
class _Tree:
    """The processes of a session, looked at again and again."""

    session: int
    memory: list[tuple[float, int]] = field(default_factory=list)
    cpu: dict[tuple[int, str], float] = field(default_factory=dict)
    """CPU seconds of each process ever seen, by number and start."""
    strangers: set[int] = field(default_factory=set)

    def look(self) -> list[int]:
        """The processes that are alive now."""
        alive, resident = [], 0
        for name in os.listdir(_PROC):
            if not name.isdigit() or int(name) in self.strangers:
                continue
            try:
                with open(f"{_PROC}/{name}/stat", encoding="utf-8", errors="replace") as file:
                    # The program's name stands in brackets and may hold anything.
                    values = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            state, session, user, system, start, pages = (values[i] for i in (0, 3, 11, 12, 19, 21))
            if int(session) != self.session:
                self.strangers.add(int(name))
                continue
            self.cpu[int(name), start] = (int(user) + int(system)) / _TICKS
            if state not in "ZX":
                alive.append(int(name))
                resident += int(pages) * _PAGE
        self.memory.append((time.time(), resident))
        return alive

    @property
    def peak_bytes(self) -> int:
        return max((resident for _, resident in self.memory), default=0)

    def kill(self) -> None:
        """End all of them, also those that start while others are ended."""
        while alive := self.look():
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(TURN)


def measured(
    command: Sequence[str], folder: str, cap: float, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run ``command`` and measure it; after ``cap`` seconds all its processes are killed.

    ``folder`` takes its standard error. Nothing of it is left running, whatever happens. Raises
    UsageError where the system has no /proc.
    """
    if not os.path.exists(f"{_PROC}/self/stat"):
        raise UsageError("bench: memory is read from /proc, which this system has not: run it on Linux.")
    complaints = os.path.join(folder, "stderr.txt")
    with open(complaints, "wb") as stderr:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    tree = _Tree(process.pid)
    is_capped, status, next_look = False, None, 0.0
    usage = None
    try:
        while True:
            # The system adds up the CPU of a process and of those that it waited for.
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            now = time.monotonic()
            if ended:
                break
            if now - started > cap:
                is_capped = True
                break
            if now >= next_look:
                tree.look()
                next_look = now + LOOK
            time.sleep(TURN)
    finally:
        tree.kill()
        if is_capped or not (usage and ended):
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status or 0)
    seen = sum(tree.cpu.values())
    cpu = max(seen, usage.ru_utime + usage.ru_stime)
    outcome: Literal["done", "capped", "died"] = (
        "capped" if is_capped else "done" if not process.returncode else "died"
    )
    said = _said(process.returncode, complaints) if outcome == "died" else ()
    seconds = cap if is_capped else now - started
    return Measured(outcome, seconds, cpu, tree.peak_bytes, tuple(tree.memory), said)


def _said(code: int, complaints: str) -> tuple[str, ...]:
    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    with open(complaints, encoding="utf-8", errors="replace") as file:
        lines = [line.strip()[:200] for line in file if line.strip()]
    return (how, *lines[-LAST_LINES:])

"""One run at a time: the lock is a Delta commit with owner and heartbeat in ``ops/lock``.

Object stores have no safe second driver, so the commit itself decides: of two that try at once
one conflicts. A holder whose process is dead on this host is stale at once, any other when its
heartbeat ran out: a process id may be somebody else's by now. Clocks of hosts differ, so a holder on another host is
watched before its lock is taken. A night that runs as a job a layer parks the lock between its jobs: only a run of the
same night takes it from there, until the night has waited too long.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pipelines.access import check_writable
from pipelines.errors import LockHeld, PadronError
from pipelines.ops.failures import told
from pipelines.ops.tables import LOCK
from pipelines.storage import Warehouse
from pipelines.stored import LostFileError

if TYPE_CHECKING:
    from types import TracebackType

    from deltalake import DeltaTable

HEARTBEAT = timedelta(seconds=30)
EXPIRY = timedelta(minutes=10)
WATCHED = 3 * HEARTBEAT
"""How long a holder on another host is looked at before its lock is taken over."""
PARKED = timedelta(hours=12)
"""How long a night may wait for the job of its next layer."""
DAYS_KEPT = 1
"""Days that the lock's past stays: nobody reads it but who looks into what happened."""
FREE: dict[str, Any] = {"owner": None, "run": None, "host": None, "pid": None, "heartbeat_at": None}

_FIRST_NAMESPACE = 0xEFFFFFFC
"""What Linux calls the process ids of the machine itself; a container has its own."""

_mine: set[str] = set()
"""Owners of the locks that this process holds: the one of a restarted container may have had its process id."""


def this_host() -> str:
    """Name of the host; in a container with the namespace that its process ids belong to."""
    name = socket.gethostname()
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return name
    return name if namespace == _FIRST_NAMESPACE else f"{name}/{namespace}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_stale(row: dict[str, Any], now: datetime, host: str) -> bool:
    """True where the holder cannot be alive any more, or waited too long for its next job."""
    if row["pid"] is None:
        return bool(now - row["heartbeat_at"] > PARKED)
    if now - row["heartbeat_at"] > EXPIRY:
        return True
    if row["host"] != host:
        return False
    pid = int(row["pid"])
    return not _alive(pid) or (pid == os.getpid() and row["owner"] not in _mine)


def holder(warehouse: Warehouse) -> dict[str, Any] | None:
    """Who holds the lock (owner, run, host, pid, heartbeat_at); None where nobody alive does."""
    try:
        content = warehouse.arrow(LOCK.path)
    except LostFileError:
        # Whoever is alive writes it again within a heartbeat.
        return None
    rows = [] if content is None else content.to_pylist()
    held = rows[0] if rows and rows[0]["owner"] is not None else None
    is_held = held is not None and not is_stale(held, datetime.now(UTC), this_host())
    return held if is_held else None


class Lock:
    """The warehouse's lock as a context. Entering raises LockHeld where another run holds it, UsageError where a local
    warehouse may not be written to.

    ``night`` names the night that it is taken for: a lock that this night parked is its own.
    """

    def __init__(self, warehouse: Warehouse, run: str, night: str | None = None) -> None:
        self.warehouse = warehouse
        self.run = run
        self.night = night
        self._parks: str | None = None
        self._found: dict[str, Any] | None = None
        self._left: dict[str, Any] = FREE
        self.owner = uuid.uuid4().hex
        self.host = this_host()
        self.taken_over: str | None = None
        self._written: int | None = None
        """The version of the lock that this run wrote last."""
        self.is_lost = False
        """True once a heartbeat found that another run took the lock over."""
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    def _row(self) -> dict[str, Any]:
        return {
            "owner": self.owner,
            "run": self.run,
            "host": self.host,
            "pid": os.getpid(),
            "heartbeat_at": datetime.now(UTC),
        }

    def __enter__(self) -> Lock:
        check_writable(self.warehouse.root, LOCK.path)
        seen = self.warehouse.open(LOCK.path)
        try:
            if seen is None:
                self.warehouse.create(LOCK, [self._row()])
                self._written = 0
            else:
                held = self._held(seen)
                if held is not None:
                    is_own = held["pid"] is None and held["owner"] == self.night
                    if not is_own and not self._is_abandoned(held, seen):
                        raise LockHeld(_message(held))
                    if is_own:
                        self._found = held
                    else:
                        self.taken_over = f"stale lock of {held['run']} on {held['host']} taken over"
                self._renew(seen)
        except (DeltaError, OSError) as error:
            if self._is_newer(seen):
                raise LockHeld("Another run took the lock at the same moment: wait for it to end.") from None
            raise PadronError(
                f"The lock of the warehouse {self.warehouse.root} cannot be written: {told(error)}."
            ) from None
        _mine.add(self.owner)
        # Every heartbeat leaves a file and a commit. Whoever holds the lock is the only one who writes to it. What cannot
        # be deleted, by a role that may not or on a store that keeps everything, stops no night.
        with suppress(Exception):
            self.warehouse.shorten_log(LOCK.path, DAYS_KEPT)
            self.warehouse.vacuum(LOCK.path, [], hours=24 * DAYS_KEPT)
        self._beat = threading.Thread(target=self._heartbeats, daemon=True)
        self._beat.start()
        return self

    def _held(self, seen: DeltaTable) -> dict[str, Any] | None:
        """Who holds the lock as it was ``seen``; None where nobody does.

        A row whose file a machine that lost power took with it says nothing: its holder is watched like one on another
        host. Raises LockHeld where that one is alive.
        """
        try:
            rows = self.warehouse.rows_of(LOCK.path, seen).to_pylist()
        except (pa.ArrowInvalid, FileNotFoundError):
            if not self._is_silent(seen):
                raise LockHeld("Another run holds the lock: wait for it to end.") from None
            self.taken_over = (
                "a lock whose file was lost, and which nobody renewed, taken over: a night that waits for the job of its next "
                "layer may have held it"
            )
            return None
        return rows[0] if rows and rows[0]["owner"] is not None else None

    def _is_silent(self, seen: DeltaTable) -> bool:
        """True where for ``WATCHED`` nobody writes the lock after it was ``seen``. Who cannot look does not know."""
        end = time.monotonic() + WATCHED.total_seconds()
        while time.monotonic() < end:
            time.sleep(WATCHED.total_seconds() / 9)
            now = self.warehouse.open(LOCK.path)
            if now is None or now.version() != seen.version():
                return False
        return True

    def _is_abandoned(self, held: dict[str, Any], seen: DeltaTable) -> bool:
        """True where the lock may be taken over.

        Clocks of two hosts may differ: a holder elsewhere whose heartbeat is far from now is watched for
        ``WATCHED``, and is alive where another one comes.
        """
        now = datetime.now(UTC)
        is_over = is_stale(held, now, self.host)
        if held["pid"] is None or held["host"] == self.host or abs(now - held["heartbeat_at"]) <= EXPIRY:
            return is_over
        return self._is_silent(seen)

    def _is_newer(self, seen: DeltaTable | None) -> bool:
        """True where somebody wrote the lock after it was ``seen``: then the commit failed for that."""
        with suppress(DeltaError, OSError):
            now = self.warehouse.open(LOCK.path)
            return now is not None and (seen is None or now.version() > seen.version())
        return False

    def _heartbeats(self) -> None:
        while not self._stop.wait(HEARTBEAT.total_seconds()):
            # A beat that fails, whatever a store that is out of reach for a while makes Delta say, is followed by another;
            # whether the lock is lost is asked before a release.
            with suppress(Exception):
                seen = self._own()
                self.is_lost = seen is None
                if seen is not None:
                    self._renew(seen)

    def _renew(self, seen: DeltaTable) -> None:
        """Write the lock as this run's, after the version that was ``seen``."""
        next_version = seen.version() + 1
        self.warehouse.replace_rows(LOCK, [self._row()], seen)
        self._written = next_version

    def _own(self) -> DeltaTable | None:
        """The lock's table while this run holds it; None when another has taken it over.

        Raises PadronError where there is no such table: it was there, so the store cannot be looked at.
        """
        seen = self.warehouse.open(LOCK.path)
        if seen is None:
            raise PadronError(
                f"The lock of the warehouse {self.warehouse.root} is not there any more: ops/lock was deleted, or the "
                "storage cannot be reached. Nothing is released; run again when the warehouse is whole."
            )
        try:
            rows = self.warehouse.rows_of(LOCK.path, seen).to_pylist()
        except (pa.ArrowInvalid, FileNotFoundError):
            # What this run wrote last is its own, also where the storage lost the file.
            if seen.version() == self._written:
                return seen
            raise
        return seen if rows and rows[0]["owner"] == self.owner else None

    def check(self) -> None:
        """Raises LockHeld where another run took the lock over: what this one does must not be released."""
        if self._own() is None:
            raise _lost()

    def check_known(self) -> None:
        """``check`` by what the last heartbeat found, without a look at the table."""
        if self.is_lost:
            raise _lost()

    def park(self, night: str, before: str) -> None:
        """Leave the lock with ``night`` when this run ends, until the job of the layer ``before`` takes it."""
        self._parks, self.run = night, f"night {night}, which waits for its {before} job,"

    def leave_as_found(self) -> None:
        """Leave a lock that ``night`` had parked to it when this run ends, for as long as it would have waited."""
        self._left = self._found or FREE

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        _mine.discard(self.owner)
        if self._beat is not None:
            self._beat.join()
        # A lock that cannot be given back is stale as soon as this process has ended; how the run ended matters more.
        with suppress(Exception):
            seen = self._own()
            if seen is not None:
                is_parked = self._parks is not None and kind is None
                left = {**self._row(), "owner": self._parks, "pid": None} if is_parked else self._left
                self.warehouse.replace_rows(LOCK, [left], seen)


def _lost() -> LockHeld:
    return LockHeld(
        "Another run took the lock over, because this one gave no sign of life for "
        f"{EXPIRY.total_seconds() / 60:.0f} minutes: nothing is released by this one."
    )


def _message(held: dict[str, Any]) -> str:
    process = "" if held["pid"] is None else f"process {held['pid']}, "
    return (
        f"{held['run']} holds the lock on {held['host']} ({process}last sign of life "
        f"{held['heartbeat_at']:%Y-%m-%d %H:%M:%S} UTC): wait for it to end."
    )

"""One run at a time: the lock is a Delta commit with owner and heartbeat in ``ops/lock``.

Object stores have no safe second driver, so the commit itself decides: of two that try at once
one conflicts. A holder whose process is dead on this host is stale at once; one on another host
when its heartbeat ran out.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from deltalake.exceptions import CommitFailedError, DeltaError

from pipelines.errors import LockHeld
from pipelines.ops.tables import LOCK
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from types import TracebackType

HEARTBEAT = timedelta(seconds=30)
EXPIRY = timedelta(minutes=10)
FREE: dict[str, Any] = {"owner": None, "run": None, "host": None, "pid": None, "heartbeat_at": None}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_stale(row: dict[str, Any], now: datetime, host: str) -> bool:
    """True where the holder cannot be alive any more."""
    if row["host"] == host:
        return not _alive(int(row["pid"]))
    return bool(now - row["heartbeat_at"] > EXPIRY)


class Lock:
    """The warehouse's lock as a context. Entering raises LockHeld where another run holds it."""

    def __init__(self, warehouse: Warehouse, run: str) -> None:
        self.warehouse = warehouse
        self.run = run
        self.owner = uuid.uuid4().hex
        self.host = socket.gethostname()
        self.taken_over: str | None = None
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
        seen = self.warehouse.open(LOCK.path)
        try:
            if seen is None:
                self.warehouse.create(LOCK, [self._row()])
            else:
                rows = seen.to_pyarrow_table().to_pylist()
                held = rows[0] if rows and rows[0]["owner"] is not None else None
                if held is not None:
                    if not is_stale(held, datetime.now(UTC), self.host):
                        raise LockHeld(self._message(held))
                    self.taken_over = f"stale lock of {held['run']} on {held['host']} taken over"
                self.warehouse.replace_rows(LOCK, [self._row()], seen)
        except (CommitFailedError, DeltaError, OSError):
            raise LockHeld("Another run took the lock at the same moment: wait for it to end.") from None
        # Every heartbeat leaves a file. Whoever holds the lock is the only one who writes to it.
        self.warehouse.vacuum(LOCK.path, [], hours=24)
        self._beat = threading.Thread(target=self._heartbeats, daemon=True)
        self._beat.start()
        return self

    def _message(self, held: dict[str, Any]) -> str:
        return (
            f"{held['run']} holds the lock on {held['host']} (process {held['pid']}, last sign of life "
            f"{held['heartbeat_at']:%Y-%m-%d %H:%M:%S} UTC): wait for it to end."
        )

    def _heartbeats(self) -> None:
        while not self._stop.wait(HEARTBEAT.total_seconds()):
            seen = self.warehouse.open(LOCK.path)
            if seen is not None:
                self.warehouse.replace_rows(LOCK, [self._row()], seen)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._beat is not None:
            self._beat.join()
        seen = self.warehouse.open(LOCK.path)
        if seen is not None:
            rows = seen.to_pyarrow_table().to_pylist()
            if rows and rows[0]["owner"] == self.owner:
                self.warehouse.replace_rows(LOCK, [FREE], seen)

"""Alerts: a night that warned, was stopped or failed is told to a command and a webhook.

Both get the run's summary as JSON, which holds counts and padron's own lines and no personal data.
An alert that fails or takes too long is said as a warning; it never changes how the night ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pipelines
from pipelines import files
from pipelines.config import digest
from pipelines.errors import GateStopped, LockHeld, PadronError
from pipelines.ops import releases
from pipelines.ops.failures import kind

if TYPE_CHECKING:
    from datetime import date

    from pipelines.config import Alerts
    from pipelines.ops.record import Record
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

Say = Callable[[str], None]


TOLD = ("ops", "alerted.json")
"""What was alerted where no night was made: digests of warnings by the digest of their landing folder. No texts, for they
name files."""


def warned(conf: Alerts, warehouse: Warehouse, record: Record, warnings: Sequence[str], say: Say) -> None:
    """Tell of ``warnings`` that a night went on with, or that its upkeep gave; nothing where there is none."""
    if warnings:
        summary = _summary(warehouse, "warned", 0, None, record)
        _send(conf, "warned", {**summary, "warnings": list(warnings)}, say)


def warned_without_night(
    conf: Alerts, warehouse: Warehouse, landing: str, warnings: Sequence[str], say: Say
) -> None:
    """Tell of ``warnings`` of a run on ``landing`` that had nothing to do, each once: a scheduler may ask every hour.

    What is gone, and comes again, is told again; so is what nobody was told. Of two runs at once both may tell.
    """
    told = _told(warehouse)
    place = digest(landing)
    known = {text for text in warnings if digest(text) in told.get(place, ())}
    release = releases.newest(warehouse)
    if release is not None:
        # Its night has told.
        known |= {text for text in warnings if any(text in warning for warning in release.warnings)}
    new = [text for text in warnings if text not in known]
    if new:
        summary = _summary(warehouse, "warned", 0, None, None)
        if _send(conf, "warned", {**summary, "warnings": new}, say):
            known.update(new)
    here = sorted(digest(text) for text in known)
    if told.get(place, []) != here:
        # Where it cannot be remembered, it is told once more.
        with suppress(OSError):
            files.write_text(files.join(warehouse.root, *TOLD), json.dumps({**told, place: here}))


def _told(warehouse: Warehouse) -> dict[str, list[str]]:
    try:
        found = json.loads(files.read_text(files.join(warehouse.root, *TOLD)))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, list)} if isinstance(found, dict) else {}


def died(conf: Alerts, warehouse: Warehouse, run: Mapping[str, Any], say: Say) -> None:
    """Tell of ``run``, the newest row in ops/runs of a run that never said how it ended, and so told nobody."""
    message = f"{run['run_id']} never said how it ended: it was killed, its machine went down, or that could not be written."
    about = {"run_id": run["run_id"], "business_date": run["business_date"].isoformat()}
    _send(conf, "failed", {**_summary(warehouse, "failed", 1, message, None), **about}, say)


def told_late(conf: Alerts, warehouse: Warehouse, release: Release, say: Say) -> None:
    """Tell of a released night whose run was killed before, or while, it told of it: what it warned of, perhaps again."""
    message = f"{release.release_id} was released, and its run killed before it had told of it."
    about = {
        "run_id": release.release_id,
        "business_date": release.business_date.isoformat(),
        "warnings": list(release.warnings),
    }
    _send(conf, "warned", {**_summary(warehouse, "warned", 0, message, None), **about}, say)


def failed(
    conf: Alerts,
    warehouse: Warehouse,
    error: Exception,
    records: Sequence[Record],
    say: Say,
    asked: date | None = None,
) -> None:
    """Tell of a run that ended with ``error``; ``records``: of its nights, the last is the one it ended in.

    ``asked``: the date of the night that was asked for, where none had begun.
    """
    is_stopped, is_locked = isinstance(error, GateStopped), isinstance(error, LockHeld)
    event = "stopped" if is_stopped else "locked" if is_locked else "failed"
    code = error.exit_code if isinstance(error, PadronError) else 1
    message = str(error) if isinstance(error, PadronError) else kind(error)
    if event in conf.events:
        record = records[-1] if records else None
        summary = _summary(warehouse, event, code, message, record)
        if record is None and asked is not None:
            summary["business_date"] = asked.isoformat()
        _send(conf, event, summary, say)


def _summary(
    warehouse: Warehouse, event: str, code: int, message: str | None, record: Record | None
) -> dict[str, Any]:
    """What an alert says. What cannot be read any more is left out: the alert matters more."""
    try:
        release = releases.newest(warehouse)
    except Exception:
        release = None
    results = [] if record is None else record.results
    return {
        "event": event,
        "exit_code": code,
        "message": message,
        "run_id": None if record is None else record.run_id,
        "business_date": None if record is None else record.business_date.isoformat(),
        "release_id": None if release is None else release.release_id,
        "seconds": None if record is None else round(record.seconds, 1),
        "warnings": [] if record is None else record.warnings,
        "stages": [
            {"stage": r.stage, "status": r.status, "rows": r.rows_out, "seconds": round(r.seconds, 1)}
            for r in results
        ],
        "warehouse": warehouse.root,
        "host": socket.gethostname(),
        "version": pipelines.__version__,
    }


def _send(conf: Alerts, event: str, summary: dict[str, Any], say: Say) -> bool:
    """True where somebody was told."""
    if event not in conf.events:
        return False
    body = json.dumps(summary).encode()
    hooks: list[tuple[str, Callable[[], None]]] = []
    if conf.command:
        hooks.append(("command", partial(_run, conf.command, body, conf)))
    if conf.webhook is not None:
        hooks.append(("webhook", partial(_post, conf.webhook, body, conf)))
    failed = {name: _in_time(deliver, conf.timeout_seconds) for name, deliver in hooks}
    # Said when all were told: whoever would read it may be gone with the terminal.
    for name, error in failed.items():
        if error is not None:
            # The address may hold a secret: neither it nor what the other side said is repeated.
            say(f"The alert's {name} failed ({_why(error)}); the night itself is not affected.")
    return any(error is None for error in failed.values())


def _in_time(deliver: Callable[[], None], seconds: float) -> Exception | None:
    """What went wrong; TimeoutError where it takes longer. A socket's own limit is one for each part of an answer."""
    found: list[Exception] = []

    def attempt() -> None:
        try:
            deliver()
        except Exception as error:
            found.append(error)

    hook = threading.Thread(target=attempt, name="alert", daemon=True)
    hook.start()
    # A command is killed at its limit, and says so a little later.
    hook.join(seconds + 1)
    if hook.is_alive():
        return TimeoutError()
    return found[0] if found else None


def _run(command: Sequence[str], body: bytes, conf: Alerts) -> None:
    nowhere = subprocess.DEVNULL
    # In a session of its own: what a script started in the background ends with it at the limit.
    with subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True
    ) as hook:
        try:
            hook.communicate(body, timeout=conf.timeout_seconds)
        except BaseException:
            # Until it is waited for, its number is nobody else's, also where it has ended before its children.
            with suppress(OSError):
                os.killpg(hook.pid, signal.SIGKILL)
            raise
    if hook.returncode:
        raise subprocess.CalledProcessError(hook.returncode, command)


def _post(url: str, body: bytes, conf: Alerts) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": f"padron/{pipelines.__version__}"}
    if conf.bearer_from is not None:
        headers["Authorization"] = f"Bearer {_secret(conf.bearer_from)}"
    address = re.sub(r"\$\{(\w+)\}", lambda found: _secret(found[1]), url)
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")
    with _OPENER.open(request, timeout=conf.timeout_seconds) as answer:
        answer.read(1)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it would drop the summary, and take the bearer to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


class MissingSecret(Exception):
    """An environment variable that the configuration names is not set."""


def _secret(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise MissingSecret(variable)
    return value


def _why(error: Exception) -> str:
    if isinstance(error, MissingSecret):
        return f"the environment variable {error} is not set"
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit code {error.returncode}"
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
        return "it took too long"
    code = getattr(error, "code", None)
    return f"HTTP {code}" if code is not None else type(error).__name__

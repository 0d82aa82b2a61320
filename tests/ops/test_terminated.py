"""A run that is told to end: what the record says of it, who is told, and that the next one goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_night
from tiny_night import ROOT, STAGES, Tiny, Watch, tiny

from pipelines.ops import releases
from pipelines.ops import run as run_module
from pipelines.ops.record import last_states
from pipelines.ops.terminated import Terminated, telling
from pipelines.stages import Content, Inputs

VICTIM, UPKEEP = "linkage.link", "upkeep"


def shop_with_a_hook(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tiny:
    """A first night to run, whose alerts are written to told.json."""
    hook = f"import sys; open({str(folder / 'told.json')!r}, 'w').write(sys.stdin.read())"
    (folder / "conf").mkdir()
    alerts = {"command": [sys.executable, "-c", hook]}
    (folder / "conf" / "padron.yml").write_text(f"alerts: {json.dumps(alerts)}\n", encoding="utf-8")
    made = tiny(monkeypatch, folder)
    made.config = folder / "conf"
    made.deliver("2026-07-01", {"1": "Ana Ruiz", "2": "Eva Gil"})
    return made


def told_to_end(inputs: Inputs | None = None) -> Content:
    """What is interrupted, and would go on for ever: it is not waited for."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
    return {}


def ended_in(place: str, shop: Tiny) -> int:
    """Exit code of a night in a process of its own that is told to end in a stage, or in the upkeep after its release."""
    folders = [str(folder) for folder in (shop.landing, shop.warehouse, shop.config)]
    return subprocess.run([sys.executable, __file__, place, *folders], check=False, timeout=60).returncode


def test_a_run_that_is_told_to_end_says_so_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = shop_with_a_hook(monkeypatch, tmp_path)
    assert ended_in(VICTIM, shop) == Terminated.exit_code
    (state,) = last_states(shop.house).values()
    assert (state["status"], state["message"][:16]) == ("failed", "ended by SIGTERM")
    assert releases.newest(shop.house) is None
    said = json.loads((tmp_path / "told.json").read_text())
    assert (said["event"], said["exit_code"], said["run_id"]) == ("failed", 143, "2026-07-01.1")
    assert "Ruiz" not in json.dumps(said)
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-01.2"]
    assert (watch.stages["silver.build"], watch.stages[VICTIM]) == ("reused", "done")


def test_a_night_that_is_released_has_not_failed_when_its_upkeep_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = shop_with_a_hook(monkeypatch, tmp_path)
    assert ended_in(UPKEEP, shop) == Terminated.exit_code
    said = json.loads((tmp_path / "told.json").read_text())
    assert (said["exit_code"], said["run_id"], said["release_id"]) == (143, None, "2026-07-01.1")
    assert [row["status"] for row in last_states(shop.house).values()] == ["released"]


WORDS_WITHOUT_END = """
import os, signal, threading
from pipelines.ops import terminated
terminated.GRACE = 0.1
with terminated.telling(lambda error: threading.Event().wait()):
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
"""


def test_last_words_that_never_end_do_not_keep_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", WORDS_WITHOUT_END], check=False, timeout=60, cwd=ROOT)
    assert ended.returncode == Terminated.exit_code


JAVA_ENDS_TOO = """
import os, signal, time
from pipelines.ops import terminated
def words(error):
    time.sleep(1)
    print("told", flush=True)
with terminated.telling(words):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    raise ConnectionRefusedError("Java is gone")
"""


def test_what_fails_because_java_got_the_signal_too_does_not_end_the_process_first() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", JAVA_ENDS_TOO],
        check=False,
        timeout=60,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (Terminated.exit_code, "told\n", "")


TERMINAL_IS_CLOSED = """
import os, signal, sys, threading
from pipelines.ops.terminated import telling
# Whoever runs this may be under nohup.
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
with telling(lambda error: print(error, flush=True)):
    os.kill(os.getpid(), signal.SIGHUP)
    threading.Event().wait(1 if sys.argv[1] == "nohup" else None)
"""


@pytest.mark.parametrize(
    ("how", "code", "said"), [("plain", 129, "ended by SIGHUP, as when"), ("nohup", 0, "")]
)
def test_a_closed_terminal_is_told_and_nohup_keeps_the_run(how: str, code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TERMINAL_IS_CLOSED, how],
        check=False,
        timeout=60,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout[: len(said)] if said else ended.stdout) == (code, said)


def test_the_signal_means_afterwards_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with telling(lambda error: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


if __name__ == "__main__":
    landing, warehouse, config = (Path(argument) for argument in sys.argv[2:])
    if sys.argv[1] == UPKEEP:
        run_module._keep_up = lambda *_: told_to_end()  # type: ignore[assignment]
    stages = tuple(replace(s, run=told_to_end) if s.name == sys.argv[1] else s for s in STAGES)
    tiny_night.install(setattr, stages, {})
    Tiny(landing, warehouse, config=config).run()

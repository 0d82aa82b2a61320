"""A run that is ended by SIGTERM: what the record says of it, who is told, and that the next one goes on."""

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
from pipelines.ops.record import last_states
from pipelines.ops.terminated import telling
from pipelines.stages import Content, Inputs

VICTIM = "linkage.link"


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


def told_to_end(inputs: Inputs) -> Content:
    """A stage that is interrupted, and would go on for ever; it is not waited for."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
    return {}


def test_a_run_that_is_told_to_end_says_so_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = shop_with_a_hook(monkeypatch, tmp_path)
    folders = [str(folder) for folder in (shop.landing, shop.warehouse, shop.config)]
    ended = subprocess.run([sys.executable, __file__, *folders], check=False, timeout=60)
    assert ended.returncode == -signal.SIGTERM
    (state,) = last_states(shop.house).values()
    assert (state["status"], state["message"][:16]) == ("failed", "ended by SIGTERM")
    assert releases.newest(shop.house) is None
    said = json.loads((tmp_path / "told.json").read_text())
    assert (said["event"], said["exit_code"], said["run_id"]) == ("failed", 143, "2026-07-01.1")
    assert "Ruiz" not in json.dumps(said)
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-01.2"]
    assert (watch.stages["silver.build"], watch.stages[VICTIM]) == ("reused", "done")


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
    assert ended.returncode == -signal.SIGTERM


def test_the_signal_means_afterwards_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with telling(lambda error: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


if __name__ == "__main__":
    landing, warehouse, config = (Path(argument) for argument in sys.argv[1:])
    stages = tuple(replace(s, run=told_to_end) if s.name == VICTIM else s for s in STAGES)
    tiny_night.install(setattr, stages, {})
    Tiny(landing, warehouse, config=config).run()

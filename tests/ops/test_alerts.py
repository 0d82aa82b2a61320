"""Who is told of a night that warned, was stopped or failed; and that telling never harms the night."""

from __future__ import annotations

import datetime as dt
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_night import PEOPLE, Tiny, Watch, tiny

from pipelines.cli import execute
from pipelines.config import Alerts
from pipelines.errors import GateStopped, LockHeld, PadronError
from pipelines.ops import releases, run
from pipelines.ops.alerts import failed
from pipelines.ops.lock import Lock
from pipelines.ops.record import last_states
from pipelines.stages import Inputs
from pipelines.storage import Warehouse


@dataclass
class Listener:
    """A webhook on this machine that keeps what it was sent."""

    url: str = ""
    status: int = 200
    wait: float = 0.0
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((dict(self.headers), json.loads(body)))
            time.sleep(made.wait)
            self.send_response(made.status)
            self.send_header("Location", f"{made.url}/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


def judged(status: str) -> Any:
    def gate(inputs: Inputs) -> list[dict[str, Any]]:
        value = float(inputs.rows(PEOPLE))
        message = f"{value:.0f} people."
        row = {"gate": "volume", "status": status, "severity": "warn", "value": value, "bound": 0.0}
        return [{**row, "message": message}]

    return gate


def shop_that(monkeypatch: pytest.MonkeyPatch, folder: Path, status: str, alerts: str) -> Tiny:
    """A first night whose gate says ``status``, with ``alerts`` in conf/padron.yml."""
    (folder / "conf").mkdir()
    (folder / "conf" / "padron.yml").write_text(f"alerts: {alerts}\n", encoding="utf-8")
    made = tiny(monkeypatch, folder, {"silver.build": judged(status)})
    made.config = folder / "conf"
    made.deliver("2026-07-01", {"1": "Ana Ruiz"})
    return made


def test_a_stopped_night_is_posted_with_its_summary_and_without_personal_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener
) -> None:
    monkeypatch.setenv("HOOK", f"{listener.url}/T0/secret")
    monkeypatch.setenv("TOKEN", "s3cret")
    shop = shop_that(monkeypatch, tmp_path, "blocked", '{webhook: "${HOOK}", bearer_from: TOKEN}')
    with pytest.raises(GateStopped):
        shop.run()
    ((headers, told),) = listener.got
    assert headers["Authorization"] == "Bearer s3cret"
    assert (told["event"], told["exit_code"], told["run_id"]) == ("stopped", 3, "2026-07-01.1")
    assert told["message"].startswith("volume: 1 people. `padron runs 2026-07-01.1` has the gates")
    assert told["release_id"] is None
    assert [s["stage"] for s in told["stages"]] == ["bronze.land", "silver.build"]
    assert "Ruiz" not in json.dumps(told)


def test_a_night_that_warned_is_told_and_one_that_did_not_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener
) -> None:
    shop = shop_that(monkeypatch, tmp_path, "warned", f'{{webhook: "{listener.url}"}}')
    shop.run()
    ((_, told),) = listener.got
    assert (told["event"], told["exit_code"], told["release_id"]) == ("warned", 0, "2026-07-01.1")
    assert told["warnings"] == ["volume: 1 people."]
    shop.gates["silver.build"] = judged("passed")
    shop.deliver("2026-07-02", {"2": "eva"})
    shop.run()
    assert len(listener.got) == 1


def test_upkeep_that_fails_after_a_release_is_told_and_the_night_is_released(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener
) -> None:
    def fails(*args: Any) -> Any:
        raise OSError(28, "No space left on device")

    shop = shop_that(monkeypatch, tmp_path, "passed", f'{{webhook: "{listener.url}"}}\nmaintain_every: 1')
    monkeypatch.setattr(run, "maintain", fails)
    assert shop.run().released == ["2026-07-01.1"]
    ((_, told),) = listener.got
    assert (told["event"], told["exit_code"], told["release_id"]) == ("warned", 0, "2026-07-01.1")
    assert told["warnings"] == ["upkeep of the tables failed (OSError): run padron maintain."]


def test_each_layers_job_tells_what_is_new_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener
) -> None:
    shop = shop_that(monkeypatch, tmp_path, "warned", f'{{webhook: "{listener.url}"}}')
    for layer in ("bronze", "silver", "linkage"):
        shop.run(layer=layer)
    assert [told["warnings"] for _, told in listener.got] == [["volume: 1 people."]]

    def fails(inputs: Inputs) -> list[dict[str, Any]]:
        raise ArithmeticError

    shop.gates["identity.assign"] = fails
    with pytest.raises(PadronError, match="ArithmeticError"):
        shop.run(layer="identity")
    # The same job again judges the earlier layers again, and has nothing new to say of them.
    row = {"gate": "jitter", "status": "warned", "severity": "warn", "value": 0.01, "bound": 0.005}
    shop.gates["identity.assign"] = lambda inputs: [{**row, "message": "1 of 100."}]
    shop.run(layer="identity")
    shop.run(layer="gold")
    told = [(t["event"], t["warnings"]) for _, t in listener.got[1:]]
    assert told == [("failed", ["volume: 1 people."]), ("warned", ["jitter: 1 of 100."])]
    assert releases.required(shop.house).warnings == ("volume: 1 people.", "jitter: 1 of 100.")


def test_a_failure_reaches_a_command_on_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "told.json"
    code = f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"
    shop = shop_that(monkeypatch, tmp_path, "passed", json.dumps({"command": [sys.executable, "-c", code]}))
    shop.gates["silver.build"] = lambda inputs: 1 / 0
    with pytest.raises(Exception, match=r"silver\.build failed: ZeroDivisionError"):
        shop.run()
    told = json.loads(out.read_text(encoding="utf-8"))
    assert (told["event"], told["exit_code"]) == ("failed", 1)


@pytest.mark.parametrize(
    ("broken", "date", "dates"),
    [
        ("retention: 30", None, []),
        ("timezone: Marte/Olympus", "2026-07-01", ["--date", "2026-07-01"]),
        ("retention: 30", None, ["--date", "2026-07-01..2026-07-03"]),
    ],
)
def test_a_configuration_that_cannot_be_read_is_told_to_whom_it_names(
    tmp_path: Path, listener: Listener, broken: str, date: str | None, dates: list[str]
) -> None:
    (tmp_path / "padron.yml").write_text(
        f'{broken}\nalerts: {{webhook: "{listener.url}"}}\n', encoding="utf-8"
    )
    asked = [
        "run",
        "--config",
        str(tmp_path),
        "--warehouse",
        str(tmp_path / "house"),
        "--landing",
        str(tmp_path),
        *dates,
    ]
    assert execute(asked) == 2
    ((_, told),) = listener.got
    assert (told["event"], told["exit_code"], told["run_id"]) == ("failed", 2, None)
    assert told["business_date"] == date
    assert told["message"].startswith(f"conf/padron.yml:1: {broken.partition(':')[0]}")
    assert execute([*asked, "--dry-run"]) == 2
    assert len(listener.got) == 1, "who asks what would be run sees it"


def test_a_configuration_that_does_not_say_whom_to_tell_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "padron.yml").write_text("alerts: {webhok: http://127.0.0.1:9}\n", encoding="utf-8")
    assert execute(["run", "--config", str(tmp_path), "--warehouse", str(tmp_path / "house")]) == 2


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ('{command: ["/nonexistent/program"]}', "command failed (FileNotFoundError)"),
        ('{command: ["false"]}', "command failed (exit code 1)"),
        ('{command: ["sleep", "60"], timeout_seconds: 0.2}', "command failed (it took too long)"),
        ('{webhook: "${NOT_SET}"}', "webhook failed (the environment variable NOT_SET is not set)"),
        ('{webhook: "http://127.0.0.1:9/secret"}', "webhook failed (URLError)"),
    ],
)
def test_an_alert_that_fails_is_said_and_the_night_is_released(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alerts: str, said: str
) -> None:
    shop, watch = shop_that(monkeypatch, tmp_path, "warned", alerts), Watch()
    assert shop.run(watch).released == ["2026-07-01.1"]
    assert [text for text in watch.said if said in text], watch.said
    assert "secret" not in " ".join(watch.said)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('sleep 600 & echo $! >"$0"; wait', "it hangs"),
        # The script ends, and who holds its input reads nothing.
        ('exec 3<&0; sleep 600 <&3 & echo $! >"$0"', "x" * 1_000_000),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells what a process does")
def test_what_a_command_left_in_the_background_ends_with_it_at_the_limit(
    tmp_path: Path, script: str, message: str
) -> None:
    noted = tmp_path / "pid"
    conf = Alerts.model_validate({"command": ["sh", "-c", script, str(noted)], "timeout_seconds": 1})
    said: list[str] = []
    failed(conf, Warehouse(str(tmp_path)), PadronError(message), (), said.append)
    assert said == ["The alert's command failed (it took too long); the night itself is not affected."]
    assert is_gone(int(noted.read_text(encoding="utf-8")))


def is_gone(pid: int) -> bool:
    """True as soon as the process is gone, or waits for its parent to notice."""
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text(encoding="utf-8").split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("wait", "status", "said"),
    [(1.0, 200, "it took too long"), (0.0, 500, "HTTP 500"), (0.0, 302, "HTTP 302")],
)
def test_a_slow_or_unwilling_webhook_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener, wait: float, status: int, said: str
) -> None:
    patience = 0.1 if wait else 10
    hook = f'{{webhook: "{listener.url}", timeout_seconds: {patience}}}'
    shop, watch = shop_that(monkeypatch, tmp_path, "warned", hook), Watch()
    listener.wait, listener.status = wait, status
    assert shop.run(watch).released
    assert any(said in text for text in watch.said)


def test_a_webhook_that_answers_drop_by_drop_holds_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip() -> None:
            answer, _ = server.accept()
            with answer, suppress(OSError):
                answer.recv(65536)
                for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 600:
                    answer.send(bytes([letter]))
                    if done.wait(0.05):
                        return

        slow = threading.Thread(target=drip, daemon=True)
        slow.start()
        hook = f'{{webhook: "http://127.0.0.1:{server.getsockname()[1]}", timeout_seconds: 0.2}}'
        shop, watch = shop_that(monkeypatch, tmp_path, "warned", hook), Watch()
        assert shop.run(watch).released
        assert slow.is_alive(), "the night went on before the answer had ended"
        done.set()
    assert any("it took too long" in text for text in watch.said)


def test_a_locked_warehouse_is_told_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listener: Listener
) -> None:
    shop = shop_that(monkeypatch, tmp_path, "passed", f'{{webhook: "{listener.url}", events: [locked]}}')
    with Lock(shop.house, "another run"), pytest.raises(LockHeld):
        shop.run(date=dt.date(2026, 7, 1))
    assert [(t["event"], t["business_date"]) for _, t in listener.got] == [("locked", "2026-07-01")]
    assert last_states(shop.house) == {}

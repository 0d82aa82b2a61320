"""A Spark standalone cluster on this machine, from pip's pyspark: a master, workers, and what they start.

Nothing of the tests' own environment reaches the workers: their Python has third-party packages only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyspark

SPARK = Path(pyspark.__file__).resolve().parent
HOST = "127.0.0.1"
PATIENCE = 120.0
"""Seconds that a process of the cluster may take to come up."""


def bare_python(folder: Path) -> Path:
    """A Python beside the tests' own: the packages that it has, but none that is installed for editing."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (home,) = folder.glob("lib/python*/site-packages")
    # A line of a .pth adds a folder and reads no further .pth there, where an editable package would stand.
    own = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (home / "third_party.pth").write_text("\n".join(own) + "\n", encoding="utf-8")
    return folder / "bin" / "python"


@dataclass
class Cluster:
    """A running cluster."""

    url: str
    page: str
    """Where the master tells its state as JSON."""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.page, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def executors(self) -> list[int]:
        """The JVMs that the workers started."""
        own = {worker.pid for worker in self.workers}
        return [pid for pid, parent, command in _processes() if parent in own and "Executor" in command]


def _processes() -> Iterator[tuple[int, int, str]]:
    """Process, parent and command line of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        yield int(folder.name), parent, command


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind((HOST, 0))
        port: int = asked.getsockname()[1]
    return port


def environment(python: Path) -> dict[str, str]:
    """What processes of the cluster, and a driver, know of this one: where Java is, and little else."""
    kept = ("PATH", "HOME", "JAVA_HOME", "LANG", "DEFAULT_ARTIFACT_REPOSITORY")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "SPARK_HOME": str(SPARK),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": str(python),
        "TZ": "UTC",
    }


@contextmanager
def cluster(folder: Path, python: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and ``workers`` of one core and 1.5 GB; all that they started is gone afterwards."""
    port, page = _free_port(), _free_port()
    made = Cluster(f"spark://{HOST}:{port}", f"http://{HOST}:{page}/json/")
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{command[0]}", *command[1:]],
                stdout=log,
                stderr=log,
                env=environment(python),
                cwd=folder,
                start_new_session=True,
            )
        started.append(process)
        return process

    try:
        start("master", "master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(page))
        for number in range(workers):
            work = str(folder / f"work-{number}")
            size = ("-c", "1", "-m", "1500m")
            options = ("-h", HOST, *size, "-d", work, "--webui-port", "0", made.url)
            made.workers.append(start(f"worker-{number}", "worker.Worker", *options))
        deadline = time.monotonic() + PATIENCE
        while not _is_up(made, workers):
            dead = [process for process in started if process.poll() is not None]
            assert not dead, "a process of the cluster ended: see its log"
            assert time.monotonic() < deadline, "the cluster did not come up"
            time.sleep(0.5)
        yield made
    finally:
        for process in reversed(started):
            # Each has a session of its own, which its executors and their Pythons belong to.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _is_up(made: Cluster, workers: int) -> bool:
    try:
        found = made.state()["workers"]
    except OSError:
        return False
    return sum(worker["state"] == "ALIVE" for worker in found) == workers

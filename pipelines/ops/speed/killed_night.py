"""A night that is killed inside a stage, for what a resumed one costs.

``python -m pipelines.ops.speed.killed_night STAGE WAREHOUSE CONFIG COMMAND…``: runs COMMAND, a night on an
empty WAREHOUSE, and ends it by SIGKILL when the first table of STAGE is written: all that the stage did is
lost. Ends with 1 where the night ended before.
"""

from __future__ import annotations

import subprocess
import sys
import time

from pipelines.night import stages
from pipelines.settings import load_settings
from pipelines.storage import Warehouse, check_condition

TURN = 0.05
"""Seconds between two looks."""


def main(victim: str, warehouse: str, config: str, command: list[str]) -> int:
    """Run and kill; the exit code."""
    house = Warehouse(warehouse)
    (stage,) = (s for s in stages(load_settings(config).sources) if s.name == victim)
    # A table is empty after the commit that creates it, and the one that adds its CHECK.
    empty = {table.path: 1 if check_condition(table) else 0 for table in stage.writes}
    night = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while night.poll() is None:
        if any((house.version(path) or 0) > version for path, version in empty.items()):
            night.kill()
            night.wait()
            return 0
        time.sleep(TURN)
    return 1


if __name__ == "__main__":
    _, victim, warehouse, config, *command = sys.argv
    sys.exit(main(victim, warehouse, config, command))

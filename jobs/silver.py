"""The night up to silver, under spark-submit: a task of its own for schedulers; options of ``padron run``."""

import sys

from pipelines.cli import execute

if __name__ == "__main__":
    sys.exit(execute(["run", "--layer", "silver", *sys.argv[1:]]))

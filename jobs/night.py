"""The night under spark-submit: the same options and exit codes as ``padron run``."""

import sys

from pipelines.cli import execute

if __name__ == "__main__":
    sys.exit(execute(["run", *sys.argv[1:]]))

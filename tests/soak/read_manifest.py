"""``read_manifest.py FILE``: what of a manifest the spark-operator's models do not know, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from kubeflow_spark_api.models import SparkV1beta2ScheduledSparkApplication


def lost(given: Any, read: Any, at: str = "") -> Iterator[str]:
    """Where what was read is not what was given: a field that the model does not have, or of another type."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read.get(key), f"{at}/{key}")
    elif isinstance(given, list) and isinstance(read, list):
        for number, value in enumerate(given):
            yield from lost(value, read[number], f"{at}/{number}")
    elif given != read:
        yield at


with open(sys.argv[1], encoding="utf-8") as file:
    manifest = yaml.safe_load(file)
model = SparkV1beta2ScheduledSparkApplication.from_dict(manifest)
assert model is not None
print(json.dumps(sorted(lost(manifest, model.to_dict()))))  # noqa: T201 (its answer)

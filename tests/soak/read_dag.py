"""``read_dag.py FOLDER``: what Airflow makes of the DAGs there, as JSON; run by a Python that has Airflow."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.execution_time import macros

NIGHT = datetime(2026, 7, 2, 3, 30, tzinfo=timezone.utc)  # noqa: UP017


def rendered(dag: object, text: str) -> str:
    template = dag.get_template_env().from_string(text)  # type: ignore[attr-defined]
    return str(template.render(data_interval_end=NIGHT, macros=macros))


bag = DagBag(dag_folder=sys.argv[1])
found = [
    {
        "dag": dag.dag_id,
        "at_once": dag.max_active_runs,
        "catchup": dag.catchup,
        "tasks": {
            task.task_id: {
                "kind": type(task).__name__,
                "application": task.application,
                "arguments": [rendered(dag, text) for text in task.application_args],
            }
            for task in dag.tasks
        },
    }
    for dag in bag.dags.values()
]
print(json.dumps({"errors": bag.import_errors, "dags": found}))  # noqa: T201 (its answer)

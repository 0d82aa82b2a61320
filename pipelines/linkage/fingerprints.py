"""Whether a record must be linked again: a digest of all that its pairs depend on, but for their other ends.

Two records of which neither fingerprint changed are blocked, or not, by the same rule, and score
the same. Their matching columns count without generic values, so that a value which became generic
tonight changes whoever carries it; where a record stands in a subdivided block counts too, because
that depends on all who share its key.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version

import duckdb
import numpy as np
import numpy.typing as npt

from pipelines.digests import code_digest
from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Generation

Ints = npt.NDArray[np.int64]

OF_THE_MACHINE = frozenset(
    (
        "placement",
        "memory_limit",
        "task_memory_limit",
        "task_pairs",
        "threads",
        "training",
        "max_links",
        "max_review",
    )
)
"""Keys of conf/linkage.yml that change nothing of how two records are linked by a generation."""


def linked_by(generation: Generation, conf: Linkage) -> int:
    """The part that all records share: 63 bits of a digest of what else decides how they are linked.

    Both parts are joined by XOR. Generic values are left out: what they change, they change in the
    records that carry them.
    """
    content = json.loads(generation.content)
    del content["generic"]
    plain = conf.model_dump(mode="json", exclude=set(OF_THE_MACHINE))
    versions = [version(name) for name in ("splink", "duckdb")]
    text = json.dumps([content, plain, versions, code_digest()], sort_keys=True, ensure_ascii=False)
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) >> 1


PLACES = "SELECT node, list_sort(list(concat_ws(chr(31), rule, place))) AS places FROM places GROUP BY node"
"""SQL over table ``places``: node and its places in subdivided blocks, in order."""


def fingerprint(columns: list[str]) -> str:
    """SQL of a row's own part of the fingerprint: ``columns`` (of ``people``), ``places``; $1 is the model."""
    row = ", ".join(f'"{name}"' for name in sorted(columns))
    return f"CAST(hash($1, {row}, places) >> 1 AS BIGINT)"


def fingerprints(connection: duckdb.DuckDBPyConnection, model: str, nodes: int) -> Ints:
    """The own part of each node's fingerprint from tables ``people`` and ``places``; 0 for other models' nodes."""
    columns = [name for name, *_ in connection.execute("DESCRIBE people").fetchall() if name != "node"]
    found = connection.sql(
        f"""SELECT p.node, {fingerprint(columns)} AS fingerprint
        FROM people p LEFT JOIN ({PLACES}) k ON k.node = p.node""",
        params=[model],
    ).to_arrow_table()
    result = np.zeros(nodes, np.int64)
    result[found["node"].to_numpy()] = found["fingerprint"].to_numpy()
    return result

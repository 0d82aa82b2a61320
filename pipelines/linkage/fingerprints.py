"""Whether a record must be linked again: a digest of all that its pairs depend on, but for their other ends.

Two records of which neither fingerprint changed are blocked, or not, by the same rule, and score
the same, but where one of their values became generic, or stopped being so: who carries it is asked
apart (``generic_values.carriers``). Where a record stands in a subdivided block counts, because that
depends on all who share its key.
"""

from __future__ import annotations

import hashlib
import json

import duckdb
import numpy as np
import numpy.typing as npt

from pipelines.digests import LIBRARIES, code_digest, version_of
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
    )
)
"""Keys of conf/linkage.yml that change nothing of how two records are linked by a generation."""


def linked_by(generation: Generation, conf: Linkage) -> int:
    """The part that all records share: 63 bits of a digest of what else decides how they are linked.

    Both parts are joined by XOR.
    """
    plain = conf.model_dump(mode="json", exclude=set(OF_THE_MACHINE))
    versions = [version_of(name) for name in LIBRARIES["linkage"]]
    text = json.dumps([generation.digest, plain, versions, code_digest("linkage")], sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) >> 1


PLACES = "SELECT node, list_sort(list(concat_ws(chr(31), rule, place))) AS places FROM places GROUP BY node"
"""SQL over table ``places``: node and its places in subdivided blocks, in order."""


def matching_columns(conf: Linkage) -> list[str]:
    """The columns of the records that linking looks at."""
    return sorted({"party_type", *conf.fields.values()})


def fingerprint(conf: Linkage) -> str:
    """SQL of a record's own part of the fingerprint, over its ``matching_columns`` and ``places``."""
    row = ", ".join(f'"{name}"' for name in matching_columns(conf))
    return f"CAST(hash({row}, places) >> 1 AS BIGINT)"


def fingerprints(
    connection: duckdb.DuckDBPyConnection, records: str, conf: Linkage, model: str, nodes: int
) -> Ints:
    """The own part of each node's fingerprint from tables ``records`` and ``places``; 0 for other models' nodes."""
    found = connection.sql(
        f"""SELECT r.node, {fingerprint(conf)} AS fingerprint
        FROM {records} r LEFT JOIN ({PLACES}) k ON k.node = r.node
        WHERE (r.party_type IS NOT DISTINCT FROM 'company') = {model == "company"}"""
    ).to_arrow_table()
    result = np.zeros(nodes, np.int64)
    result[found["node"].to_numpy()] = found["fingerprint"].to_numpy()
    return result

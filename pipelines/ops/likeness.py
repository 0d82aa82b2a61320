"""How probable the generation in use holds it that somebody who says this is one of these records' people.

What was asked becomes a record that says only that, and is scored against the records by the same
functions as the night's pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.linkage.brought import load_as_generation
from pipelines.linkage.engine import KEY_COLUMNS, engine
from pipelines.linkage.records import MODELS, prepare
from pipelines.linkage.relation import classify
from pipelines.linkage.scoring import score_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.linkage.config import Linkage
    from pipelines.linkage.generations import Generation

Key = tuple[str, str]
ASKED: Key = ("?", "asked")
"""The key of the record that says what was asked; no source can be called so."""


def likeness(
    said: Mapping[str, Any], records: pa.Table, generation: Generation, conf: Linkage
) -> dict[Key, float]:
    """Probability of each of ``records`` (columns of ``read_records``) by its key.

    ``said``: columns of silver/customer_records; what is not among them is not known.
    """
    company = records["party_type"].to_pylist()
    found: dict[Key, float] = {}
    for name in MODELS:
        of_model = (
            [kind == "company" for kind in company]
            if name == "company"
            else [kind != "company" for kind in company]
        )
        chosen = records.filter(pa.array(of_model, pa.bool_()))
        if chosen.num_rows:
            found |= _scored(said, chosen, name, generation, conf)
    return found


def _scored(
    said: Mapping[str, Any], records: pa.Table, name: str, generation: Generation, conf: Linkage
) -> dict[Key, float]:
    values = {column: said.get(column) for column in records.column_names}
    values |= dict(zip(KEY_COLUMNS, (*ASKED, name), strict=True))
    both = pa.concat_tables([records, pa.Table.from_pylist([values], schema=records.schema)])
    with engine(conf) as connection:
        load_as_generation(connection, both, generation, conf)
        prepare(connection, name)
        connection.execute(
            """CREATE TABLE blocked AS SELECT least(q.node, f.node) AS join_key_l,
                greatest(q.node, f.node) AS join_key_r, '0' AS match_key
            FROM facts q, facts f WHERE q.source = $1 AND f.source <> $1""",
            [ASKED[0]],
        )
        model = generation.models[name]
        pairs = score_pairs(connection, model)
        believed = classify(model.relations, pairs)[0]
        keys = connection.execute("SELECT source, record_id FROM facts ORDER BY node").fetchall()
    ends = zip(pairs["node_l"].to_pylist(), pairs["node_r"].to_pylist(), believed, strict=True)
    return {
        keys[left] if keys[left] != ASKED else keys[right]: float(probability)
        for left, right, probability in ends
    }

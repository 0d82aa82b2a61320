"""What a stage's content makes of last night's table, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.tables import Table


def whole(content: DataFrame | TakenOver, table: Table, last: pa.Table | None) -> pa.Table:
    """The rows that the runner would leave, ``last`` being the table of the prior state."""
    if not isinstance(content, TakenOver):
        return content.select(*table.names).toArrow()
    assert last is not None
    comes = content.comes.select(*table.names).toArrow()
    return pa.concat_tables([content.by_arrow(table.arrow).left_of(last), comes.cast(table.arrow)])

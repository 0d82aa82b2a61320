"""What a stage's content makes of last night's table, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from pipelines.amended import Amended

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.tables import Table


def whole(content: DataFrame | Amended, table: Table, last: pa.Table | None) -> pa.Table:
    """The rows that the runner would leave, ``last`` being the table of the prior state."""
    if not isinstance(content, Amended):
        return content.select(*table.names).toArrow()
    assert last is not None
    stands = ds.dataset(last).to_table(columns=content.columns(table.names), filter=content.stands)
    comes = content.rows.select(*table.names).toArrow()
    return pa.concat_tables([part.cast(table.arrow) for part in (stands, comes)])

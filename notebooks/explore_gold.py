# %% [markdown]
# # Explore the released customer view
#
# Reads the tables that `release.json` names, at the versions that it names, with DuckDB and pandas:
# no Spark, no Java. `PADRON_WAREHOUSE` says where the warehouse is.

# %%
import json
import os
from pathlib import Path

import duckdb
import pandas as pd
from deltalake import DeltaTable

from pipelines.gold.customers import CUSTOMERS
from pipelines.tables import Personal

warehouse = Path(os.environ.get("PADRON_WAREHOUSE", "out/demo/warehouse"))
pointer = warehouse / "release.json"
if not pointer.exists():
    raise SystemExit(f"{warehouse} has no release: run `make run`, or set PADRON_WAREHOUSE.")
release = json.loads(pointer.read_text(encoding="utf-8"))
versions = {t["table"]: (t["path"], t["version"]) for t in release["tables"]}
print(f"Release {release['release_id']} of {release['business_date']}: {len(versions)} tables")

# %% [markdown]
# A table's newest version need not be the released one (a gate may have stopped the night after
# it was written), so a table is always opened at its released version.

# %%
db = duckdb.connect()
for name in ("customers", "xref", "rfm"):
    path, version = versions[f"gold/{name}"]
    db.register(name, DeltaTable(path, version=version).to_pyarrow_dataset())


def ask(query: str) -> pd.DataFrame:
    """The answer to a query over customers, xref and rfm."""
    return db.sql(query).df()


# %% [markdown]
# ## Segments
#
# Money stays in its currency, so a customer who buys in two has a row in each.

# %%
segments = ask("""
    SELECT coalesce(segment, 'not scored: ' || unscored_reason) AS segment, segment_es,
           count(*) AS customers, round(sum(monetary), 2) AS monetary, currency
    FROM rfm JOIN customers USING (customer_id)
    WHERE is_live
    GROUP BY ALL
    ORDER BY currency NULLS LAST, customers DESC, segment
""")
print(segments.to_string(index=False))

# %% [markdown]
# ## Which sources know the same customers

# %%
together = ask("""
    WITH known AS (SELECT DISTINCT customer_id, source FROM xref WHERE is_live)
    SELECT l.source AS source_l, r.source AS source_r, count(*) AS customers
    FROM known AS l JOIN known AS r ON l.customer_id = r.customer_id AND l.source <= r.source
    GROUP BY ALL
    ORDER BY ALL
""")
print(together.pivot(index="source_l", columns="source_r", values="customers").fillna(0).astype(int).to_string())

# %% [markdown]
# ## One golden record, masked
#
# The customer with most records. What a column says about a person is declared with the table, and
# decides here what is shown: `direct` and `quasi` values are masked, and so are ids.


# %%
def masked(column: str, value: object) -> object:
    """The value, or only its shape where it says something about a person."""
    if CUSTOMERS.column(column).personal is Personal.NONE:
        return value
    if isinstance(value, list):
        return f"{len(value)} values"
    return f"••• ({len(value)} characters)" if isinstance(value, str) else "•••"


found = db.sql("""
    SELECT * FROM customers WHERE is_live ORDER BY record_count DESC, customer_id LIMIT 1
""").to_arrow_table()
golden = found.to_pylist()[0]
for column, value in golden.items():
    if value is not None and value != []:
        print(f"{column:<28} {masked(column, value)}")

# %% [markdown]
# The records that it was made of:

# %%
made_of = db.sql(
    "SELECT source, count(*) AS records, min(valid_from) AS since FROM xref "
    "WHERE customer_id = ? AND is_live GROUP BY source ORDER BY source",
    params=[golden["customer_id"]],
).df()
print(made_of.to_string(index=False))

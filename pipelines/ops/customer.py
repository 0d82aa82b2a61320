"""Everything known about one customer, read from the newest release without Spark."""

from __future__ import annotations

from typing import Any

from pipelines.errors import PadronError
from pipelines.ops.reading import Reader
from pipelines.ops.register import as_customer_id
from pipelines.storage import Warehouse

BLOCKS = {
    "records": "gold/xref",
    "rfm": "gold/rfm",
    "service": "gold/service",
}


class UnknownCustomerError(PadronError):
    """The id was never published."""


def show_customer(warehouse: str, customer_id: str) -> dict[str, list[dict[str, Any]]]:
    """The customer's blocks by name: profile, records, rfm, service; or what the id became.

    Raises UnknownCustomerError for an id that was never published, NoReleaseError.
    """
    customer_id = as_customer_id(customer_id)
    reader = Reader(Warehouse(warehouse))
    profile = reader.rows("SELECT * FROM gold.customers WHERE customer_id = ?", [customer_id])
    if not profile:
        became = reader.rows(
            "SELECT customer_id, became, kind, valid_from FROM identity.aliases "
            "WHERE customer_id = ? AND valid_to IS NULL ORDER BY became",
            [customer_id],
        )
        if not became:
            raise UnknownCustomerError(f"No release ever published the id {customer_id}.")
        return {"became": became}
    found: dict[str, list[dict[str, Any]]] = {"profile": profile}
    for block, path in BLOCKS.items():
        if reader.has(path):
            layer, name = path.split("/")
            found[block] = reader.rows(f"SELECT * FROM {layer}.{name} WHERE customer_id = ?", [customer_id])
    return found

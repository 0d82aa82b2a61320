"""What a night would change, worked out of two states of the tables; and nights tried beside a warehouse."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tiny_night import Watch, configured, tiny

from pipelines import files
from pipelines.gold.rfm import RFM
from pipelines.gold.xref import XREF
from pipelines.identity.tables import ASSIGNMENTS, EVENTS
from pipelines.ops import rehearsal
from pipelines.ops import tried as tried_nights
from pipelines.ops.foretold import SegmentMove, foretell
from pipelines.ops.run import Options
from pipelines.ops.sales import Basis
from pipelines.silver.orders import ORDERS
from pipelines.silver.renames import RENAMES
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import Table

NIGHT = date(2026, 7, 2)


def written(house: Warehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    """The version that holds these rows; columns that they lack are NULL."""
    return house.write(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)), None)


def owners(**customers: str) -> list[dict[str, Any]]:
    return [{"source": "crm", "record_id": r, "customer_id": c} for r, c in customers.items()]


def order(record: str, net: str, status: str = "completed") -> dict[str, Any]:
    return {
        "source": "crm",
        "record_id": record,
        "order_id": f"{record}-{net}",
        "ordered_at": datetime(2026, 6, 1, tzinfo=UTC),
        "order_date": date(2026, 6, 1),
        "status": status,
        "gross": Decimal(net),
        "returned": Decimal(0),
        "net": Decimal(net),
        "currency": "EUR",
    }


def scored(**segments: str | None) -> list[dict[str, Any]]:
    common = {"as_of": NIGHT, "is_stale": False, "definition_version": "1", "n": 1}
    return [{"customer_id": c, "currency": "EUR", "segment": s, **common} for c, s in segments.items()]


def test_customers_records_orders_and_segments(tmp_path: Path) -> None:
    """A and B merge, C splits, D loses its only record, E is new; R1 is called Z1 from tonight on."""
    house = Warehouse(str(tmp_path))
    then = owners(R1="A", R2="B", R3="C", R4="C", R5="D", R6="F")
    now = owners(Z1="A", R2="A", R3="C", R4="C2", R7="E", R6="F")
    renamed = {"source": "crm", "record_id": "R1", "new_source": "crm", "new_record_id": "Z1"}
    merged = {"source": "crm", "record_id": "R2", "old_customer_id": "B", "customer_id": "A"}
    told = {**merged, "business_date": NIGHT, "publication": 1, "sequence": 1, "event": "merged"}
    orders = [
        order("R2", "10.00"),
        order("R2", "5.00", "cancelled"),
        order("R4", "7.50"),
        order("R6", "100.00"),
    ]
    before = {
        ASSIGNMENTS.path: written(house, ASSIGNMENTS, then),
        XREF.path: written(house, XREF, [{**row, "is_live": True} for row in then]),
        RFM.path: written(house, RFM, scored(A="New", B="New", C="Loyal", D="Prospect", F="Loyal")),
    }
    after = {
        ASSIGNMENTS.path: written(house, ASSIGNMENTS, now),
        XREF.path: written(house, XREF, [{**row, "is_live": True} for row in now]),
        RFM.path: written(
            house, RFM, scored(A="Loyal", C="New", C2="New", D="Prospect", E="New", F="At risk")
        ),
        ORDERS.path: written(house, ORDERS, orders),
        EVENTS.path: written(house, EVENTS, [{**told, "cause": "decision"}]),
        RENAMES.path: written(house, RENAMES, [{**renamed, "since": NIGHT, "business_date": NIGHT}]),
    }
    found = foretell(house, before, after, Basis())
    assert (found.customers_before, found.customers_after) == (5, 5)
    assert found.customers == {"merged": 2, "split": 1, "rearranged": 0, "gone": 1, "new": 1}
    assert (found.records_before, found.records_after) == (6, 6)
    assert found.records == {"new": 1, "gone": 1, "moved": 2}
    assert found.events == {"merged by decision": 1}
    (money,) = found.money
    assert (money.orders, money.net, money.total) == (2, Decimal("17.50"), Decimal("117.50"))
    assert set(found.segments) == {
        SegmentMove(None, "New", 2, 1),
        SegmentMove("New", None, 1, 1),
        SegmentMove("New", "Loyal", 1, 1),
        SegmentMove("Loyal", "New", 1, 1),
        SegmentMove("Loyal", "At risk", 1, 0),
    }
    same = foretell(house, after, after, Basis())
    assert (same.records["moved"], same.segments, same.events) == (0, (), {})


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    shop = tiny(monkeypatch, tmp_path)
    shop.deliver("2026-07-01", {"C1": "ana", "C2": "hugo"})
    shop.run()
    shop.deliver("2026-07-02", {"C2": "ana", "C3": "leo"})
    shop.deliver("2026-07-03", {"C4": "rosa"})
    return shop


def tried(shop: Any, inside: Any, gates: Any = None) -> Watch:
    watch = Watch()
    options = Options(str(shop.landing), str(shop.warehouse))
    with rehearsal.rehearsed(options, configured(shop.config), lambda records=None: None, watch) as found:  # type: ignore[arg-type,return-value]
        inside(found)
    return watch


def test_tried_nights_are_what_the_run_makes_and_leave_no_trace(asked: Any) -> None:
    before = bytes_of(asked.warehouse)
    seen: dict[str, Any] = {}

    def look(found: rehearsal.Rehearsed) -> None:
        assert [str(night.business_date) for night in found.nights] == ["2026-07-02", "2026-07-03"]
        seen.update(
            {path: found.house.arrow(path, version).to_pylist() for path, version in found.tables.items()}
        )  # type: ignore[union-attr]
        for path, version in found.tables.items():
            data = found.house.dataset(path, version)
            assert data is not None
            assert data.count_rows() == len(seen[path])
            assert found.house.rows(path, version) == len(seen[path])

    tried(asked, look)
    assert bytes_of(asked.warehouse) == before
    assert not [name for name in files.folders(str(asked.warehouse)) if name.startswith(tried_nights.FOLDER)]
    asked.run()
    for row in seen["bronze/batches"]:
        row.pop("ingested_at")
    assert {path: sorted(rows, key=repr) for path, rows in seen.items()} == asked.content()
    tried(asked, lambda found: None if found is None else pytest.fail("there is nothing to do"))


def test_a_gate_that_would_stop_is_told_and_stops_nothing(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = {
        "gate": "g",
        "status": "blocked",
        "severity": "fail",
        "value": 1.0,
        "bound": 0.0,
        "message": "no",
    }
    monkeypatch.setattr(rehearsal, "gates", lambda _: {"silver.build": lambda inputs: [dict(stop)]})
    found: list[str] = []
    tried(asked, lambda made: found.extend(v["status"] for v in made.verdicts))
    assert found == ["blocked", "blocked"]


def test_a_stage_that_fails_leaves_nothing_behind_either(asked: Any) -> None:
    before = bytes_of(asked.warehouse)

    def fail(_: Any) -> None:
        raise RuntimeError("the reader of the result fails")

    with pytest.raises(RuntimeError):
        tried(asked, fail)
    assert bytes_of(asked.warehouse) == before


def test_what_a_dead_process_left_is_deleted_a_day_later(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left = asked.warehouse / f"{tried_nights.FOLDER}dead"
    left.mkdir()
    (left / "part.parquet").write_text("x")
    tried(asked, lambda found: None)
    assert left.exists(), "it may be another plan that is at work"
    monkeypatch.setattr(tried_nights, "LEFT_OVER", -tried_nights.LEFT_OVER)
    tried(asked, lambda found: None)
    assert not left.exists()

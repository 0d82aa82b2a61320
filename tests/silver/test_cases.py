"""Cases: typed, and open or not at the end of the business date."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from silver_box import bronze, told

from pipelines.config import Conf, Project
from pipelines.silver.build import build
from pipelines.silver.targets import delivered_targets
from pipelines.sources import load_sources

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_tickets_of_the_default_configuration(spark: SparkSession) -> None:
    sources = load_sources(Conf(Path(__file__).resolve().parents[2] / "conf"))
    tickets = bronze(
        spark,
        """
        | requester_id | ticket_id | opened_at           | closed_at           | category | status   | csat | reopened |
        | S1           | T1        | 2026-07-01T10:00:00 | 2026-07-02T10:00:00 | QUEJA    | resuelto | 4    | N        |
        | S1           | T2        | 2026-07-01T10:00:00 | 2026-07-04T00:00:00 | envio    | cerrado  | 9    | Y        |
        | S1           | T3        | 2026-07-01T10:00:00 | nunca               | cuenta   | abierto  | x    |          |
        |              | T4        | 2026-07-03T23:59:59 |                     | otra     | en curso |      |          |
        | S1           | T5        | 2026-07-04T00:00:00 |                     | factura  | abierto  |      |          |
        | S1           | T6        | pronto              |                     | factura  | abierto  |      |          |
        | S1           | T7        | 2026-07-01T10:00:00 | 2026-07-02T10:00:00 | garantia | abierto  |      | Y        |
        """,
        of="support/tickets",
    )
    made = build(
        {("support", "tickets"): tickets},
        sources,
        Project(timezone="Europe/Madrid"),
        business_date=date(2026, 7, 3),
    )
    assert told(
        made.cases,
        "case_id",
        "source",
        "record_id",
        "case_type",
        "category",
        "status",
        "is_open",
        "csat",
        "is_reopened",
    ) == [
        "T1 support S1 claim complaint solved False 4 False",
        "T2 support S1 request shipment closed True - True",
        "T3 support S1 query account open True - -",
        "T4 support - other other other True - -",
        "T5 support S1 query invoice open False - -",
        "T7 support S1 claim warranty open True - True",
    ]
    assert told(made.quarantine, "source", "feed", "reason") == ["support tickets bad_timestamp"]
    assert delivered_targets({("support", "tickets"): tickets}, sources) == {"cases"}

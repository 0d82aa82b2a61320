"""A source is YAML only: rename, join, translate, parse; what cannot be read is NULL, never an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from silver_box import bronze, source, told

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.silver import values
from pipelines.silver.frames import is_own_key
from pipelines.silver.mapping import standard_rows
from pipelines.silver.outcomes import classify
from pipelines.silver.targets import check_sources
from pipelines.sources import Source, load_sources

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def read(spark: SparkSession, texts: list[str], column: Column) -> list[str]:
    frame = spark.createDataFrame(list(enumerate(texts)), "place int, text string")
    rows = frame.select("place", column.cast("string").alias("read")).orderBy("place").collect()
    return [f"{text} = {row['read']}" for text, row in zip(texts, rows, strict=True)]


def text_column() -> Column:
    from pyspark.sql import functions as F

    return F.col("text")


def test_amounts_as_people_write_them(spark: SparkSession) -> None:
    texts = [
        "1.234,56",
        "1,234.56",
        "1.234.567",
        "12,50",
        "1,234",
        "1.234",
        "(12.50)",
        "12.50-",
        "MXN 1,234.50",
    ]
    texts += ["€ 5", "-€5,1", "N/A", "12.34,56", "", "1e-05", "99999999999999999999"]
    assert read(spark, texts, values.as_amount(text_column())) == [
        "1.234,56 = 1234.5600",
        "1,234.56 = 1234.5600",
        "1.234.567 = 1234567.0000",
        "12,50 = 12.5000",
        "1,234 = 1234.0000",
        "1.234 = 1.2340",
        "(12.50) = -12.5000",
        "12.50- = -12.5000",
        "MXN 1,234.50 = 1234.5000",
        "€ 5 = 5.0000",
        "-€5,1 = -5.1000",
        "N/A = None",
        "12.34,56 = None",
        " = None",
        "1e-05 = 0.0000",
        "99999999999999999999 = None",
    ]


def test_the_declared_decimal_settles_what_is_ambiguous(spark: SparkSession) -> None:
    assert read(spark, ["1,234", "1.234", "12.5", "1.234,5"], values.as_amount(text_column(), ",")) == [
        "1,234 = 1.2340",
        "1.234 = 1234.0000",
        "12.5 = 12.5000",
        "1.234,5 = 1234.5000",
    ]


def test_timestamps_are_local_to_the_source_unless_they_carry_an_offset(spark: SparkSession) -> None:
    texts = ["2026-07-01T10:00:00", "2026-01-01 10:00", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00.5+0200"]
    texts += ["01/07/2026 10:00", "2026-02-30T10:00:00", "2026-07-01T25:00:00", "yesterday"]
    made = values.as_timestamp(text_column(), ["dd/MM/yyyy HH:mm"], zone="Europe/Madrid")
    assert read(spark, texts, made) == [
        "2026-07-01T10:00:00 = 2026-07-01 08:00:00",
        "2026-01-01 10:00 = 2026-01-01 09:00:00",
        "2026-07-01T10:00:00Z = 2026-07-01 10:00:00",
        "2026-07-01T10:00:00.5+0200 = 2026-07-01 08:00:00.5",
        "01/07/2026 10:00 = 2026-07-01 08:00:00",
        "2026-02-30T10:00:00 = None",
        "2026-07-01T25:00:00 = None",
        "yesterday = None",
    ]
    zones = [
        "2026-07-01T10:00:00z",
        "2026-07-01T10:00:00-06",
        "2026-07-01T10:00:00+05:30",
        "2026-07-01T10:00:00",
    ]
    iso = ["yyyy-MM-dd'T'HH:mm:ssX", "yyyy-MM-dd'T'HH:mm:ss"]
    assert read(spark, zones, values.as_timestamp(text_column(), iso, zone="Europe/Madrid")) == [
        "2026-07-01T10:00:00z = 2026-07-01 10:00:00",
        "2026-07-01T10:00:00-06 = 2026-07-01 16:00:00",
        "2026-07-01T10:00:00+05:30 = 2026-07-01 04:30:00",
        "2026-07-01T10:00:00 = 2026-07-01 08:00:00",
    ]


def test_impossible_dates_and_halves_of_whole_numbers_are_null(spark: SparkSession) -> None:
    dates = ["31/12/2025", "30/02/2025", "2025-02-29", "2024-02-29", "00/00/0000"]
    assert read(spark, dates, values.as_date(text_column(), ["dd/MM/yyyy"])) == [
        "31/12/2025 = 2025-12-31",
        "30/02/2025 = None",
        "2025-02-29 = None",
        "2024-02-29 = 2024-02-29",
        "00/00/0000 = None",
    ]
    assert read(spark, ["17850.0", "3.5", "4"], values.as_integer(text_column())) == [
        "17850.0 = 17850",
        "3.5 = None",
        "4 = 4",
    ]
    assert read(spark, ["Sí", "N", "quizá"], values.as_boolean(text_column())) == [
        "Sí = true",
        "N = false",
        "quizá = None",
    ]


NEW_SOURCE = """
source: franchise
owner: Partners
channel: pos
timezone: America/Mexico_City
feeds:
  tickets-caja:
    mode: append
    key: [Folio No.]
    target: orders
    decimal: ","
    columns: [Folio No., Cliente, Fecha, Hora, Importe, Moneda, Estado]
    map:
      source: {constant: pos}
      record_id: Cliente
      order_id: Folio No.
      ordered_at: {join: [Fecha, Hora], formats: ["dd/MM/yyyy HH:mm"]}
      amount: Importe
      currency: Moneda
      status: {column: Estado, codes: {"PAGADO": completed, "Cancelado  Hoy": cancelled}, unmapped: quarantine}
      channel: {constant: store}
"""


def current(bronze_rows: DataFrame, a_source: Source, feed: str) -> DataFrame:
    return classify(bronze_rows, a_source, feed).filter("_outcome = 'current'")


def test_a_new_source_needs_yaml_only(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "franchise.yml").write_text(NEW_SOURCE, encoding="utf-8")
    sources = load_sources(Conf(tmp_path))
    check_sources(sources)
    franchise = sources["franchise"]
    received = bronze(
        spark,
        """
        | Folio_No_ | Cliente | Fecha      | Hora  | Importe  | Moneda | Estado          |
        | 1         | K1      | 01/07/2026 | 18:30 | 1.234,5  | MXN    | pagado          |
        | 2         |         | 01/07/2026 | 18:31 | 1.234    | MXN    | cancelado   hoy |
        | 3         | K1      | 31/02/2026 | 18:31 | 10       | MXN    | PAGADO          |
        | 4         | K1      | 01/07/2026 | 18:31 | N/A      | MXN    | PAGADO          |
        | 5         | K1      | 01/07/2026 | 18:31 | 10       | MXN    | apartado        |
        """,
        of="franchise/tickets-caja",
    )
    feed = franchise.feeds["tickets-caja"]
    rows = standard_rows(
        current(received, franchise, "tickets-caja"), franchise, "tickets-caja", feed, timezone="UTC"
    )
    assert told(
        rows, "source", "order_id", "record_id", "ordered_at", "amount", "currency", "status", "channel"
    ) == [
        "pos 1 K1 2026-07-02 00:30:00 1234.5000 MXN completed store",
        "pos 2 - 2026-07-02 00:31:00 1234.0000 MXN cancelled store",
    ]
    judged = classify(received, franchise, "tickets-caja").filter("_outcome = 'quarantined'")
    assert told(judged, "Folio_No_", "_reason") == ["3 bad_timestamp", "4 bad_amount", "5 unmapped_status"]


CRM = source(
    """
    source: crm
    owner: CRM team
    channel: crm
    feeds:
      contacts:
        mode: snapshot
        key: [id]
        target: customer_records
        columns: [id, name, mail, mail2, street, number, sex, language, since]
        map:
          record_id: id
          full_name_raw: name
          emails_raw: [mail, mail2]
          address_raw: {join: [street, number]}
          gender: {column: sex, codes: {"Mujer": F}, unmapped: "null"}
          language: {column: language, codes: {"español": es}, unmapped: other}
          registered_at: since
    """
)


def test_lists_joins_and_codes(spark: SparkSession) -> None:
    received = bronze(
        spark,
        """
        | id | name | mail | mail2 | street | number | sex   | language | since      |
        | A  | Ana  | a@x  | b@x   | Mayor  | 1      | MUJER | Español  | 2026-06-30 |
        | B  | Blas |      | c@x   |        | 2      | H     | latín    | 2026-06-31 |
        | C  |      |      |       |        |        |       |          |            |
        """,
    )
    rows = standard_rows(
        current(received, CRM, "contacts"), CRM, "contacts", CRM.feeds["contacts"], timezone="UTC"
    )
    assert told(
        rows, "source", "record_id", "emails_raw", "address_raw", "gender", "language", "registered_at"
    ) == [
        "crm A ['a@x', 'b@x'] Mayor 1 F es 2026-06-30 00:00:00",
        "crm B ['c@x'] 2 - other -",
        "crm C - - - - -",
    ]


def test_a_column_that_no_file_has_brought_is_null(spark: SparkSession) -> None:
    received = bronze(spark, "| id |\n| A |")
    rows = standard_rows(
        current(received, CRM, "contacts"), CRM, "contacts", CRM.feeds["contacts"], timezone="UTC"
    )
    assert told(rows, "record_id", "full_name_raw", "emails_raw") == ["A - -"]


def test_two_codes_that_are_one_are_refused_where_they_become_two_things() -> None:
    text = """
        source: crm
        owner: CRM team
        channel: crm
        feeds:
          people:
            mode: append
            key: [id]
            target: customer_records
            columns: [id, sex]
            map: {record_id: id, gender: {column: sex, codes: {"Muy  Alta": F, "muy alta ": SAID, "x": F}}}
        """
    check_sources({"crm": source(text.replace("SAID", "F"))})
    with pytest.raises(UsageError) as caught:
        check_sources({"crm": source(text.replace("SAID", "M"))})
    assert str(caught.value) == (
        "conf/sources/crm.yml: feeds.people.map.gender.codes: 'Muy  Alta' and 'muy alta ' are one code, as case and blanks "
        "do not count, and become F and M: leave one of them."
    )


def test_a_map_that_does_not_fit_its_target_says_so() -> None:
    wrong = source(
        """
        source: crm
        owner: CRM team
        channel: crm
        feeds:
          tickets:
            mode: append
            key: [id]
            target: cases
            columns: [id, opened]
            map: {case_id: id, opened_on: opened}
        """
    )
    with pytest.raises(UsageError) as caught:
        check_sources({"crm": wrong})
    assert str(caught.value).splitlines() == [
        "conf/sources/crm.yml: feeds.tickets.map.opened_on is no column of cases. Did you mean opened_at?",
        "conf/sources/crm.yml: feeds.tickets.map lacks opened_at, which cases needs.",
    ]


def test_a_feed_that_uses_a_column_of_credentials_must_say_that_it_holds_none() -> None:
    text = """
        source: crm
        owner: CRM team
        channel: crm
        feeds:
          people:
            mode: snapshot
            key: [user_token]
            target: customer_records
            columns: {user_token: {SAID}, password: }
            map: {record_id: user_token}
        """
    with pytest.raises(
        UsageError, match=r"feeds.people: user_token is used, and by its name holds credentials"
    ) as caught:
        check_sources({"crm": source(text.replace("{SAID}", ""))})
    assert "columns: {user_token: {credential: false}}" in str(caught.value)
    check_sources({"crm": source(text.replace("SAID", "credential: false"))})
    with pytest.raises(UsageError, match="user_token is said to hold credentials"):
        check_sources({"crm": source(text.replace("SAID", "credential: true"))})


def test_the_default_sources_fit_their_targets() -> None:
    check_sources(load_sources(Conf(Path(__file__).resolve().parents[2] / "conf")))


def test_a_key_of_joined_columns_is_not_sure_to_be_one_of_its_own() -> None:
    """1 + 23 and 12 + 3 may be joined to one text: the newest row stands."""
    text = """
source: crm
owner: sales
channel: crm
feeds:
  people:
    mode: snapshot
    key: [branch, number]
    target: customer_records
    columns: {branch: {required: true}, number: {required: true}, name:}
    map: {record_id: HOW, full_name_raw: name}
"""
    joined = source(text.replace("HOW", "{join: [branch, number]}")).feeds["people"]
    plain = source(text.replace("HOW", "number").replace("[branch, number]", "[number]")).feeds["people"]
    assert [is_own_key("customer_records", feed) for feed in (joined, plain)] == [False, True]

"""Types of columns: what they are in Arrow and in Spark is the same thing."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_type

from pipelines.column_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    LONG,
    MONEY,
    STRING,
    STRINGS,
    TIMESTAMP,
    array_of,
    arrow_type,
    element_of,
    map_of,
    spark_type,
)

KINDS = [
    *(STRING, BOOLEAN, INT, LONG, DOUBLE, DATE, TIMESTAMP, MONEY, STRINGS),
    array_of(LONG),
    map_of(STRING, LONG),
    map_of(STRING, "decimal(34,4)"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_what_spark_writes_it_as(kind: str) -> None:
    assert spark_type(kind).simpleString() == kind
    assert to_arrow_type(spark_type(kind)).equals(arrow_type(kind))


def test_what_a_list_holds() -> None:
    assert element_of(STRINGS) == STRING
    assert element_of(array_of(MONEY)) == MONEY
    assert element_of(STRING) is None
    assert arrow_type(MONEY) == pa.decimal128(20, 4)


def test_a_word_that_is_no_type() -> None:
    with pytest.raises(ValueError, match="text is no type"):
        arrow_type("text")

"""What a source's ``map`` can make: the columns of each target, their types, and which of them a row must have."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.bronze.secrets import is_secret_name
from pipelines.bronze.tables import stored_name
from pipelines.column_types import element_of
from pipelines.errors import UsageError
from pipelines.silver.customer_records import KEY, RAW, STANDARD
from pipelines.silver.values import fold
from pipelines.sources import FILE, ROW
from pipelines.tables import BOOLEAN, DATE, DOUBLE, INT, LONG, MONEY, STRING, TIMESTAMP, Personal

if TYPE_CHECKING:
    from pipelines.sources import Feed, Mapped, Parse, Source, Use


@dataclass(frozen=True)
class Target:
    """A target of ``map``, before its builder makes the published table of it."""

    key: tuple[str, ...]
    """Key of the published table."""
    columns: Mapping[str, str]
    """What a map may name."""
    mandatory: Mapping[str, str] = field(default_factory=dict)
    """Column → why a row without it is quarantined: absent, or not to be read."""
    readable: Mapping[str, str] = field(default_factory=dict)
    """Column → why a row is quarantined in which it stands and cannot be read."""


_PASSED_ON = frozenset(
    [
        "loyalty_id",
        "cookie_id",
        "gender",
        "occupation",
        "employer",
        "education",
        "language",
        "preferred_channel",
        "marketing_opt_in",
        "home_store",
        "registered_at",
        "updated_at",
    ]
)

TARGETS: dict[str, Target] = {
    "customer_records": Target(
        key=("source", "record_id"),
        columns={c.name: c.type for c in (*KEY, *RAW)}
        | {c.name: c.type for c in STANDARD if c.name in _PASSED_ON},
        mandatory={"record_id": "missing_record_id"},
    ),
    "orders": Target(
        key=("source", "order_id"),
        columns={
            "source": STRING,
            "record_id": STRING,
            "order_id": STRING,
            "ordered_at": TIMESTAMP,
            "amount": MONEY,
            "currency": STRING,
            "status": STRING,
            "channel": STRING,
            "store_id": STRING,
            "recipient_source": STRING,
            "recipient_id": STRING,
            "account_user_id": STRING,
        },
        mandatory={
            "source": "missing_source",
            "order_id": "missing_order_id",
            "ordered_at": "bad_timestamp",
            "amount": "bad_amount",
        },
    ),
    "order_lines": Target(
        key=("order_id", "line_no"),
        columns={
            "order_id": STRING,
            "line_no": STRING,
            "sku": STRING,
            "product_name": STRING,
            "category": STRING,
            "quantity": DOUBLE,
            "unit_price": MONEY,
            "amount": MONEY,
        },
        mandatory={
            "order_id": "missing_order_id",
            "line_no": "missing_line_no",
            "quantity": "bad_quantity",
            "amount": "bad_amount",
        },
    ),
    "returns": Target(
        key=("return_id",),
        columns={
            "return_id": STRING,
            "order_id": STRING,
            "line_no": STRING,
            "returned_at": TIMESTAMP,
            "channel": STRING,
            "store_id": STRING,
            "quantity": DOUBLE,
            "amount": MONEY,
            "currency": STRING,
            "reason": STRING,
        },
        mandatory={
            "return_id": "missing_return_id",
            "returned_at": "bad_timestamp",
            "amount": "bad_amount",
        },
        readable={"quantity": "bad_quantity"},
    ),
    "cases": Target(
        key=("case_id",),
        columns={
            "source": STRING,
            "record_id": STRING,
            "case_id": STRING,
            "case_type": STRING,
            "category": STRING,
            "priority": STRING,
            "status": STRING,
            "opened_at": TIMESTAMP,
            "first_response_at": TIMESTAMP,
            "closed_at": TIMESTAMP,
            "csat": INT,
            "is_reopened": BOOLEAN,
        },
        mandatory={"case_id": "missing_case_id", "opened_at": "bad_timestamp"},
    ),
}

PERSONAL: dict[str, dict[str, Personal]] = {
    "customer_records": {c.name: c.personal for c in (*KEY, *RAW, *STANDARD)},
    **{
        target: {
            "currency": Personal.NONE,
            "status": Personal.NONE,
            "source": Personal.NONE,
            "sku": Personal.NONE,
            "case_type": Personal.NONE,
            "category": Personal.NONE,
            "priority": Personal.NONE,
            "order_id": Personal.PSEUDONYM,
            "record_id": Personal.PSEUDONYM,
            "case_id": Personal.PSEUDONYM,
            "return_id": Personal.PSEUDONYM,
        }
        for target in ("orders", "order_lines", "returns", "cases")
    },
}
"""By target: what a column says about a person; a column of an event that is not here narrows down who it is."""

_PARSES: dict[str, Parse] = {
    DATE: "date",
    TIMESTAMP: "timestamp",
    MONEY: "amount",
    DOUBLE: "number",
    INT: "integer",
    LONG: "integer",
    BOOLEAN: "boolean",
}
_NUMBERS = ("amount", "number", "integer")


def parse_of(made: Mapped, wanted: str) -> Parse:
    """How the text is read: as YAML says, else as the column's type needs."""
    if made.product:
        return "amount"
    return made.parse if made.parse != "text" else _PARSES.get(wanted, "text")


def uses(feed: Feed) -> dict[str | None, Use]:
    """What a feed's rows become: itself (None), and what is derived from it, by name."""
    found: dict[str | None, Use] = {None: feed}
    return found | feed.derive


def delivered_targets(
    feeds: Mapping[tuple[str, str], object], sources: Mapping[str, Source]
) -> frozenset[str]:
    """The targets that a feed which ever came in fills; metrics of the others are NULL, not 0."""
    return frozenset(
        use.target for source, feed in feeds for use in uses(sources[source].feeds[feed]).values()
    ) - {"bronze_only"}


def check_sources(sources: Mapping[str, Source]) -> None:
    """Raises UsageError where a map names a column that its target lacks, or leaves out one that it needs, and where a
    feed uses a column of credentials, which no table has."""
    problems = [
        f"conf/sources/{source.source}.yml: {problem}"
        for source in sources.values()
        for feed_name, feed in source.feeds.items()
        for name, use in uses(feed).items()
        for problem in _problems(f"feeds.{feed_name}" + (f".derive.{name}" if name else ""), use)
    ]
    problems += [
        f"conf/sources/{source.source}.yml: feeds.{name}: {problem}"
        for source in sources.values()
        for name, feed in source.feeds.items()
        for problem in _credentials(feed)
    ]
    if problems:
        raise UsageError("\n".join(problems))


def _credentials(feed: Feed) -> list[str]:
    used = {
        column
        for use in uses(feed).values()
        for column in (*use.key, *(c for p in use.parts for c in p.columns))
    }
    used |= {name for name, column in feed.columns.items() if column.required}
    found = []
    for name in sorted(used):
        said = feed.columns[name].credential if name in feed.columns else None
        if said:
            found.append(
                f"{name} is said to hold credentials, which are never stored; a key or map cannot use it."
            )
        elif said is None and is_secret_name(name):
            found.append(
                f"{name} is used, and by its name holds credentials, which are never stored. If it holds none, say so: "
                f"columns: {{{name}: {{credential: false}}}}."
            )
    return found


def _problems(place: str, use: Use) -> list[str]:
    target = TARGETS.get(use.target)
    if target is None:
        return []
    found = []
    for column in use.map:
        if column not in target.columns:
            near = difflib.get_close_matches(column, target.columns, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Its columns: {', '.join(target.columns)}."
            found.append(f"{place}.map.{column} is no column of {use.target}. {hint}")
    # A source's own name is the default of `source`.
    found.extend(
        f"{place}.map lacks {column}, which {use.target} needs."
        for column in target.mandatory
        if column not in use.map and column != "source"
    )
    for column, made in use.map.items():
        wanted = target.columns.get(column, STRING)
        if isinstance(made, tuple) != (element_of(wanted) is not None):
            found.append(
                f"{place}.map.{column}: {'one value' if isinstance(made, tuple) else 'a list'} is expected."
            )
        elif not isinstance(made, tuple) and not _fits(parse_of(made, wanted), wanted):
            found.append(f"{place}.map.{column}: parse {made.parse} does not give {wanted}.")
    if any(p.take == "sum" and p.parse not in _NUMBERS and not p.product for p in use.parts):
        found.append(f"{place}.map: take sum needs parse amount, number or integer.")
    for column, made in use.map.items():
        for part in made if isinstance(made, tuple) else (made,):
            found.extend(
                f"{place}.map.{column}.codes: {problem}" for problem in _said_twice(part.codes or {})
            )
    return found


def _said_twice(codes: Mapping[str, str]) -> list[str]:
    """Codes that are one, as case and blanks do not count, and have several translations."""
    found: dict[str, str] = {}
    problems = []
    for code in codes:
        first = found.setdefault(fold(code), code)
        if codes[first] != codes[code]:
            problems.append(
                f"{first!r} and {code!r} are one code, as case and blanks do not count, and become {codes[first]} and "
                f"{codes[code]}: leave one of them."
            )
    return problems


def _fits(parse: Parse, wanted: str) -> bool:
    expected = _PARSES.get(wanted)
    return expected is None or parse == expected or (parse in _NUMBERS and expected in _NUMBERS)


def personal_of(feed: Feed) -> dict[str, Personal]:
    """What a feed's columns (by folded stored name) say about a person, by the silver columns that they fill.

    The most telling counts; what no map uses may name a person.
    """
    order = list(Personal)
    found: dict[str, Personal] = {}
    for use in uses(feed).values():
        table = PERSONAL.get(use.target, {})
        for name, made in use.map.items():
            for part in made if isinstance(made, tuple) else (made,):
                for column in part.columns:
                    key = stored_name(column).casefold()
                    said = table.get(name, Personal.QUASI if use.target in TARGETS else Personal.DIRECT)
                    found[key] = max(found.get(key, said), said, key=order.index)
    return found


def is_physical(use: Use) -> bool:
    """True where the key is a row's place: every row of a file stands for itself."""
    return FILE in use.key and ROW in use.key

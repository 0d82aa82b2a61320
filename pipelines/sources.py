"""What a source delivers and what it means: the models of ``conf/sources/*.yml``.

A new source, feed, renamed column or code needs a change of YAML only. One file is one folder
``<landing>/<date>/<source>``; ``orders`` is a folder of feeds of several source systems.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from pipelines.config import Conf, Country, Strict, text_of, validate
from pipelines.config_yaml import parse
from pipelines.errors import UsageError

OP = "op"
"""The column that makes a file a delta: I inserts, U updates, D deletes."""

FILE = "_file"
ROW = "_row"
"""File and physical row: a key for rows that carry none, and columns that a map may use."""

PLACEHOLDERS = ("TO BE NAMED", "TO_BE_NAMED")
"""What a draft writes for an owner and for a source that a person has to name."""

Target = Literal["customer_records", "orders", "order_lines", "returns", "cases", "bronze_only"]
Take = Literal["last", "first", "sum", "min", "max"]
Parse = Literal["text", "date", "timestamp", "amount", "number", "integer", "boolean"]


class ColumnSpec(Strict):
    """One column as the source delivers it."""

    required: bool = Field(False, description="A file without it stops the night: the contract is broken.")
    meaning: str = Field("", description="What it holds.")
    credential: bool | None = Field(
        None,
        description="true: never stored, whatever its name; false: stored, although its name says password, "
        "token, pin …; null: by its name.",
    )


class Mapped(Strict):
    """How one standard column is made from source columns: rename, join, parse, translate codes."""

    column: str | None = Field(None, description="Source column.")
    join: tuple[str, ...] = Field((), description="Source columns joined by one space, empty ones left out.")
    constant: str | None = Field(None, description="A fixed value.")
    product: tuple[str, ...] = Field((), description="Source columns of numbers, multiplied.")
    parse: Parse = Field("text", description="What the text is turned into.")
    formats: tuple[str, ...] = Field(
        (), description="Date or timestamp patterns, tried in order (yyyy-MM-dd …)."
    )
    codes: dict[str, str] | None = Field(
        None, description="Source code → standard code; case and blanks do not count."
    )
    patterns: dict[str, str] | None = Field(
        None,
        description="Regular expression → standard code, in place of `codes`; the first that is found wins.",
    )
    unmapped: Literal["keep", "null", "other", "quarantine"] = Field(
        "keep", description="What a code without a translation becomes."
    )
    take: Take = Field(
        "last",
        description="Under `derive`: the value of several rows with one key; last and first skip NULL.",
    )

    @field_validator("patterns", mode="before")
    @classmethod
    def _of_pairs(cls, value: Any) -> Any:
        pairs = value if isinstance(value, list) else ()
        is_pairs = all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in pairs)
        return dict(pairs) if pairs and is_pairs else value

    @field_serializer("patterns")
    def _in_order(self, value: dict[str, str] | None) -> list[list[str]] | None:
        # The first that is found wins: a digest, and JSON that sorts its keys, must not lose which that is.
        return None if value is None else [list(pair) for pair in value.items()]

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = (self.column is not None, bool(self.join), self.constant is not None, bool(self.product))
        if sum(origins) != 1:
            raise ValueError("give exactly one of column, join, constant, product")
        if self.product and (len(self.product) != 2 or self.codes or self.patterns):
            raise ValueError("product takes two columns, and no codes")
        if self.codes is not None and self.patterns is not None:
            raise ValueError("give codes or patterns, not both")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column is not None else (*self.join, *self.product)


def _mapped(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Use(Strict):
    """What the rows of a feed become: the target, its key, and how its columns are made."""

    key: tuple[str, ...] = Field(
        min_length=1,
        description="Columns that identify a row; [_file, _row] where every physical row stands for itself.",
    )
    target: Target = Field(description="The silver table that its rows become.")
    map: dict[str, Mapped | tuple[Mapped, ...]] = Field(
        default_factory=dict,
        description="Standard column → source column, or how it is made; a list makes an array.",
    )
    name_order: Literal["auto", "given_first", "surname_first"] = "auto"
    birth_date_formats: tuple[str, ...] = ("yyyy-MM-dd",)

    @field_validator("map", mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: [_mapped(i) for i in v] if isinstance(v, list) else _mapped(v) for k, v in value.items()}

    @property
    def parts(self) -> tuple[Mapped, ...]:
        """Every ``Mapped`` of the map, those of lists one by one."""
        return tuple(p for made in self.map.values() for p in (made if isinstance(made, tuple) else (made,)))


class Feed(Use):
    """One feed: what its files look like, how rows replace each other, and what they become."""

    mode: Literal["snapshot", "delta", "append"] = Field(
        description="snapshot: a file without `op` is the full state, one with it a delta; "
        "delta: every file has `op`; append: upsert by key, never deletes."
    )
    columns: dict[str, ColumnSpec] = Field(description="Declared columns; others are landed and reported.")
    derive: dict[str, Use] = Field(
        default_factory=dict,
        description="What its rows become besides, one row a key: orders and customers from order lines.",
    )
    cadence_days: Annotated[int, Field(ge=1)] | Literal["source"] | None = Field(
        "source",
        description="Days that its own newest delivery may be old, null: irregular; source: the source's, which any "
        "of its feeds keeps.",
    )
    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."

    @field_validator("columns", mode="before")
    @classmethod
    def _bare_columns(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {name: {} for name in value}
        return {k: v or {} for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        uses: tuple[Use, ...] = (self, *self.derive.values())
        used = {name for use in uses for name in (*use.key, *(c for p in use.parts for c in p.columns))}
        unknown = sorted(used - set(self.columns) - {FILE, ROW})
        if unknown:
            raise ValueError(f"uses columns that it does not declare: {', '.join(unknown)}")
        if any((FILE in use.key) != (ROW in use.key) for use in uses):
            raise ValueError("a row's place is _file and _row together: key: [_file, _row]")
        if any(part.take != "last" for part in self.parts):
            raise ValueError("`take` belongs under `derive`: a feed's own rows are not grouped")
        return self

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have: the key, and what is declared required."""
        key = tuple(name for name in self.key if name not in (FILE, ROW))
        return tuple(dict.fromkeys((*key, *(n for n, c in self.columns.items() if c.required))))

    @property
    def has_own_cadence(self) -> bool:
        """True where the feed does not just share the source's cadence."""
        return self.cadence_days != "source"


class Source(Strict):
    """One source folder."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of its landing folder.")
    owner: str = Field(description="Who answers for its data.")
    channel: Literal["crm", "erp", "pos", "web", "app", "contact_centre", "social", "loyalty", "orders"] = (
        Field(description="Channel of its records, from the closed list.")
    )
    cadence_days: int | None = Field(
        1, ge=1, description="Days that its newest delivery may be old; null: irregular."
    )
    encoding: str = Field("utf-8", description="Encoding of its text files, as Python names it.")
    delimiter: str = Field(",", min_length=1, max_length=1)
    timezone: str | None = Field(None, description="Zone of its naive timestamps; null: the business zone.")
    country: Country | None = Field(
        None, description="Country of records that name none (ISO 3166-1 alpha-2); null: the project's."
    )
    feeds: dict[str, Feed]

    def cadence_of(self, feed: str) -> int | None:
        """Days that the feed's newest delivery may be old; None: irregular."""
        own = self.feeds[feed].cadence_days
        return self.cadence_days if own == "source" else own

    def encoding_of(self, feed: str) -> str:
        return self.feeds[feed].encoding or self.encoding

    def delimiter_of(self, feed: str) -> str:
        return self.feeds[feed].delimiter or self.delimiter


def load_sources(conf: Conf) -> dict[str, Source]:
    """Every source of ``conf/sources``, by name. Raises UsageError with file, line and key."""
    sources: dict[str, Source] = {}
    for path in conf.files("sources"):
        name = f"conf/sources/{path.name}"
        content, node = parse(text_of(path, name), name)
        source = validate(Source, content, node, name)
        if source.source in sources:
            raise UsageError(f"{name}: source {source.source} is declared twice.")
        _check_named(source, name)
        sources[source.source] = source
    if not sources:
        raise UsageError("conf/sources has no source: add one file a source, like the defaults.")
    return sources


def _check_named(source: Source, file: str) -> None:
    """Raises UsageError where a draft's placeholder still stands."""
    if source.owner in PLACEHOLDERS:
        raise UsageError(
            f"{file}: owner: {source.owner} is what a draft left open: name who answers for the source."
        )
    for feed, spec in source.feeds.items():
        for use in (spec, *spec.derive.values()):
            if any(part.constant in PLACEHOLDERS for part in use.parts):
                raise UsageError(
                    f"{file}: {feed}: a constant is {PLACEHOLDERS[1]}, which a draft left open: name the source whose "
                    "records it points at."
                )

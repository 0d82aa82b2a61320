"""A generation: everything that decides how records are linked, as one hashed, versioned thing.

Within a generation, linking night by night gives what linking everything at once gives. It is a
row of ``linkage/generations`` and, as the same JSON, a file that can be carried to another
warehouse.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.blocking_report import BlockingReport
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.over_large_keys import OverLarge
from pipelines.linkage.relation import Relations
from pipelines.tables import DATE, LONG, STRING, Column, Kind, Personal, Table

GENERATIONS = Table(
    layer="linkage",
    name="generations",
    grain="One coming into use of a generation: a trained or starter model with its values, rules and thresholds.",
    key=("generation_id", "sequence"),
    columns=(
        Column("generation_id", STRING, "First twelve digits of the digest.", required=True),
        Column("sequence", LONG, "Order in which generations came into use; the highest is in use."),
        Column(
            "kind",
            STRING,
            "trained, or starter where no party type had enough to train on.",
            required=True,
        ),
        Column("created_on", DATE, "Business date of the night that made it.", required=True),
        Column(
            "previous_id",
            STRING,
            "The generation that it revises by its generic values or over-large keys; NULL for a training.",
        ),
        Column("records", LONG, "Records that it was trained on.", unit="records"),
        Column("pairs", LONG, "Candidate pairs that its cut was set on.", unit="pairs"),
        Column("digest", STRING, "SHA-256 of the content in canonical JSON.", required=True),
        Column(
            "content",
            STRING,
            "The generation in JSON; frequent and generic values and over-large keys stand in it. One with the models of "
            "an earlier row names that row's generation (models_of) in their place.",
            Personal.DIRECT,
            required=True,
        ),
    ),
    owner="data engineering",
    kind=Kind.APPEND,
)

SCHEMA: pa.Schema = GENERATIONS.arrow
Json = dict[str, Any]
MODELS_OF = "models_of"
"""Of a row that does not repeat its models: the generation of an earlier row that tells them."""
_UNREAD = "The generation cannot be read: it is no file that padron wrote."


@dataclass(frozen=True)
class Model:
    """The model of one party type."""

    settings: Json
    """Splink settings with m and u of every level."""
    frequencies: Mapping[str, Mapping[str, float]]
    """Frequency of the frequent values, by column; any other value counts as rare. Splink counts them
    itself for settings that their owner brought."""
    floor: float
    """Frequency of a rare value, where the settings name no other for its column."""
    kind: str
    """trained or starter."""
    relations: Relations
    """The relation model over its comparison patterns."""
    rules: tuple[Rule, ...] = ()
    """The blocking rules that its training chose, the surest first."""
    notes: tuple[str, ...] = ()
    """What training had to work round, a line each."""
    is_foreign: bool = False
    """Splink settings that their owner brought: columns are the file's own, classes of relation have no names."""
    blocking: BlockingReport | None = None
    """What the rules cost and bring; None where nobody measured it. Decides nothing."""


@dataclass(frozen=True)
class Generation:
    """Models by party type, generic values, over-large blocking keys and the cut."""

    models: Mapping[str, Model]
    generic: tuple[tuple[str, str], ...]
    """(role, value) pairs that are no evidence, sorted."""
    cut: float
    """Lowest same_person_probability of a link."""
    created_on: date
    records: int
    pairs: int
    previous_id: str | None = None
    over_large: tuple[OverLarge, ...] = ()
    """Blocking keys above the cap and how their blocks are subdivided, sorted."""

    @cached_property
    def content(self) -> str:
        """What decides the linkage, in canonical JSON: equal content links equally."""
        models = {
            name: {
                "settings": model.settings,
                "frequencies": {c: dict(values) for c, values in model.frequencies.items()},
                "floor": model.floor,
                "kind": model.kind,
                "relations": model.relations.as_json(),
                "rules": [asdict(rule) for rule in model.rules],
                "notes": list(model.notes),
                "is_foreign": model.is_foreign,
            }
            for name, model in self.models.items()
        }
        plain: Json = {"models": models, "generic": [list(pair) for pair in self.generic], "cut": self.cut}
        # A generation of before they were listed keeps its digest.
        if self.over_large:
            plain["over_large"] = [list(key) for key in self.over_large]
        return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def generation_id(self) -> str:
        return self.digest[:12]

    @property
    def kind(self) -> str:
        """starter where no party type could be trained; the models say which was."""
        return "trained" if any(m.kind == "trained" for m in self.models.values()) else "starter"

    def to_json(self) -> str:
        """The generation as a file: content, where it came from, and what its training measured."""
        plain = {
            "created_on": self.created_on.isoformat(),
            "records": self.records,
            "pairs": self.pairs,
            "previous_id": self.previous_id,
            "digest": self.digest,
            "blocking": {
                name: model.blocking.as_json() for name, model in self.models.items() if model.blocking
            },
            "content": json.loads(self.content),
        }
        return json.dumps(plain, ensure_ascii=False, indent=1)

    def _models_in(self, known: pa.Table, plain: Json) -> str | None:
        """The generation whose row in ``known`` has these models; None where no row of it or of what it revises has."""
        for name in (self.generation_id, self.previous_id):
            told = None if name is None else _told(known, name)
            if told is not None and _models_of(told) == _models_of(plain):
                return told.get(MODELS_OF, name)
        return None

    @classmethod
    def from_json(cls, text: str) -> Generation:
        """The generation that ``to_json`` wrote. Raises UsageError when it is none, or was edited."""
        return cls._of(_parsed(text))

    @classmethod
    def _of(cls, file: Json) -> Generation:
        try:
            content = file["content"]
            # Generations of before there was one have no report.
            blocking = {
                name: BlockingReport.from_json(plain) for name, plain in file.get("blocking", {}).items()
            }
            generation = cls(
                models={
                    name: Model(
                        m["settings"],
                        m["frequencies"],
                        m["floor"],
                        m["kind"],
                        Relations.from_json(m["relations"]),
                        tuple(_rule(rule) for rule in m["rules"]),
                        tuple(m["notes"]),
                        m["is_foreign"],
                        blocking.get(name),
                    )
                    for name, m in content["models"].items()
                },
                generic=tuple((role, value) for role, value in content["generic"]),
                cut=content["cut"],
                created_on=date.fromisoformat(file["created_on"]),
                records=file["records"],
                pairs=file["pairs"],
                previous_id=file["previous_id"],
                over_large=tuple(_over_large(key) for key in content.get("over_large", [])),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(_UNREAD) from None
        if generation.digest != file.get("digest"):
            raise UsageError("The generation's content does not fit its digest: it was changed by hand.")
        return generation

    def revised(
        self, generic: tuple[tuple[str, str], ...], over_large: tuple[OverLarge, ...], created_on: date
    ) -> Generation:
        """The same models and cut with these generic values and over-large keys: itself, or a minor revision."""
        if (generic, over_large) == (self.generic, self.over_large):
            return self
        return replace(
            self,
            generic=generic,
            over_large=over_large,
            created_on=created_on,
            previous_id=self.generation_id,
        )

    def row(self, sequence: int | None = None, known: pa.Table | None = None) -> pa.Table:
        """The generation as its row of ``linkage/generations``; models that a row of ``known`` has are not told again.

        A model is long, and a value that becomes generic at night makes a revision: told each time, the table would
        grow with the nights.
        """
        plain = json.loads(self.to_json())
        holder = None if known is None else self._models_in(known, plain)
        if holder is not None:
            del plain["content"]["models"], plain["blocking"]
            plain[MODELS_OF] = holder
        return pa.Table.from_pylist(
            [
                {
                    "generation_id": self.generation_id,
                    "sequence": sequence,
                    "kind": self.kind,
                    "created_on": self.created_on,
                    "previous_id": self.previous_id,
                    "records": self.records,
                    "pairs": self.pairs,
                    "digest": self.digest,
                    "content": json.dumps(plain, ensure_ascii=False, indent=1),
                }
            ],
            schema=SCHEMA,
        )


def _rule(plain: Json) -> Rule:
    values: Json = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
    return Rule(**values)


def _over_large(plain: list[Any]) -> OverLarge:
    model, rule, key, next_keys, is_sliced = plain
    return model, rule, key, next_keys, is_sliced


def _parsed(text: str) -> Json:
    try:
        plain = json.loads(text)
    except ValueError:
        raise UsageError(_UNREAD) from None
    if not isinstance(plain, dict):
        raise UsageError(_UNREAD)
    return plain


def _models_of(plain: Json) -> tuple[Any, Any]:
    """The models of ``plain`` and what was measured of their rules; files of before there were reports have none."""
    return plain["content"]["models"], plain.get("blocking", {})


def _told(rows: pa.Table, generation_id: str) -> Json | None:
    """What the last row of a generation tells, models of an earlier row put in; None where it is not among ``rows``."""
    texts = _texts(rows, generation_id)
    if not texts:
        return None
    plain = _parsed(texts[-1])
    if MODELS_OF in plain:
        telling = [
            other for text in _texts(rows, plain[MODELS_OF]) if MODELS_OF not in (other := _parsed(text))
        ]
        if not telling:
            raise UsageError(f"The row with the models of generation {generation_id} is missing.")
        plain["content"]["models"], plain["blocking"] = _models_of(telling[-1])
    return plain


def _texts(rows: pa.Table, generation_id: str) -> list[str]:
    found: list[str] = rows.filter(pc.equal(rows["generation_id"], generation_id))["content"].to_pylist()
    return found


def newest(rows: pa.Table | None) -> Generation | None:
    """The generation in use: the last that came into use.

    ``rows`` as the table is stored; None or no row before the first night.
    """
    last = _in_use(rows)
    return None if rows is None or last is None else generation_of(rows, last["generation_id"])


def generation_of(rows: pa.Table, generation_id: str) -> Generation:
    """The generation of ``rows`` by its whole id. Raises UsageError where it is not among them."""
    told = _told(rows, generation_id)
    if told is None:
        raise UsageError(f"Generation {generation_id} is not in this warehouse.")
    return Generation._of(told)


def lineage(rows: pa.Table | None) -> list[str]:
    """The id of the generation in use, then those that it is a minor revision of."""
    last = _in_use(rows)
    return [] if last is None else ancestry(rows, last["generation_id"])


def ancestry(rows: pa.Table | None, generation_id: str) -> list[str]:
    """The id of a generation of ``rows``, then those that it is a minor revision of; none where it is not among them."""
    if rows is None:
        return []
    came = list(
        zip(_sequences(rows), rows["generation_id"].to_pylist(), rows["previous_id"].to_pylist(), strict=True)
    )
    found: list[str] = []
    wanted, before = generation_id, math.inf
    # One comes into use again when the value or key is gone that a revision had: who revises whom is asked of the
    # rows before. Rows of before they were numbered all have number 0.
    while earlier := [row for row in came if row[1] == wanted and row[0] <= before]:
        row = max(earlier, key=lambda row: row[0])
        came.remove(row)
        found.append(wanted)
        before, _, wanted = row
    return list(dict.fromkeys(found))


def came_into_use(now: Generation, given: Generation | None, rows: pa.Table | None) -> pa.Table | None:
    """The rows that a night adds to ``rows``; None where it linked by the generation in use.

    ``given`` is the generation that the night was asked to adopt, ``now`` the one that linked:
    the same, or a minor revision of it.
    """
    known = lineage(rows)
    new = [given] if given is not None and given.generation_id not in known else []
    last = new[-1].generation_id if new else (known[0] if known else None)
    if now.generation_id != last:
        new.append(now)
    added: pa.Table | None = None
    for at, generation in enumerate(new, start=_last_sequence(rows) + 1):
        added = _together(added, generation.row(at, _together(rows, added)))
    return added


def _together(one: pa.Table | None, other: pa.Table | None) -> pa.Table | None:
    if one is None or other is None:
        return one if other is None else other
    return pa.concat_tables([one, other], promote_options="default")


def _sequences(rows: pa.Table) -> list[int]:
    """Sequence of each row; tables written before generations were numbered have none."""
    if "sequence" not in rows.column_names:
        return [0] * rows.num_rows
    return [number or 0 for number in rows["sequence"].to_pylist()]


def _last_sequence(rows: pa.Table | None) -> int:
    return 0 if rows is None else max(_sequences(rows), default=0)


def _in_use(rows: pa.Table | None) -> Json | None:
    if rows is None or rows.num_rows == 0:
        return None
    # Without their content, which is long.
    columns = ["generation_id", "created_on", "previous_id"]
    last = _last_sequence(rows)
    candidates: list[Json] = [
        row
        for row, number in zip(rows.select(columns).to_pylist(), _sequences(rows), strict=True)
        if number == last
    ]
    revised = {row["previous_id"] for row in candidates}
    heads = [row for row in candidates if row["generation_id"] not in revised] or candidates
    return max(heads, key=lambda row: (row["created_on"], row["generation_id"]))

"""The configurations that runs had (``ops/configurations``): kept as JSON by part, and made Settings again.

A part is kept as its models dump it, with all that an environment set in it, so that the same models read it. Kept is what
decides what a night publishes, or whether (``Settings.whole``), and not who is told, upkeep, how Java starts, or the folders
that a command names. Of renamed keys, which point at people, a digest is kept: those that a run applied stand in its
silver/renames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.config import Project
from pipelines.config import digest as digest_of
from pipelines.errors import UsageError
from pipelines.gold.config import Metrics, Survivorship
from pipelines.gold.rates import RATES
from pipelines.linkage.config import Linkage
from pipelines.ops.record import rows_of
from pipelines.ops.tables import CONFIGURATIONS
from pipelines.quality.contracts import Contract
from pipelines.quality.row_rules import row_rules
from pipelines.renames import DECLARED
from pipelines.settings import NOT_IN_NIGHTS, making_tables
from pipelines.silver.targets import check_sources
from pipelines.sources import Source

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.storage import Warehouse


def recorded(settings: Settings) -> dict[str, Any]:
    """``Settings.whole`` as it is kept: of renamed keys a digest, as ``renamed_keys``; None where there are none."""
    is_key = pc.is_valid(settings.renames["record_id"])
    keys = settings.renames.filter(is_key)
    content = {
        **settings.whole,
        "renames": settings.renames.filter(pc.invert(is_key)).to_pydict(),
        "renamed_keys": digest_of(keys.to_pydict()) if keys.num_rows else None,
    }
    return dict(json.loads(_as_json(content)))


def _as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, default=str)


def keep_configuration(warehouse: Warehouse, settings: Settings) -> None:
    """Keep the configuration, once for every digest, so that a past run can be told and repeated."""
    if all(row["conf_digest"] != settings.digest for row in rows_of(warehouse, CONFIGURATIONS.path)):
        content = _as_json(recorded(settings))
        row = {"conf_digest": settings.digest, "at": datetime.now(UTC), "content": content}
        warehouse.append_rows(CONFIGURATIONS, [row])


def configuration(warehouse: Warehouse, conf_digest: str) -> dict[str, Any] | None:
    """The configuration with that digest, by part; None where it was not kept."""
    kept = {row["conf_digest"]: row["content"] for row in rows_of(warehouse, CONFIGURATIONS.path)}
    return dict(json.loads(kept[conf_digest])) if conf_digest in kept else None


def makes_the_same(warehouse: Warehouse, conf_digest: str | None, settings: Settings) -> bool:
    """True where the configuration with that digest makes the tables that ``settings`` make.

    It may judge them otherwise: bounds, promises, owners. False also where it was not kept.
    """
    if conf_digest == settings.digest:
        return True
    kept = configuration(warehouse, conf_digest) if conf_digest else None
    if kept is None:
        return False
    return digest_of(making_tables(kept)) == digest_of(making_tables(recorded(settings)))


@dataclass(frozen=True)
class Restored:
    """A kept configuration as Settings."""

    settings: Settings
    others: tuple[str, ...]
    """Parts that are others than today's."""
    unread: tuple[str, ...]
    """Parts that this program cannot read: they are today's."""
    inexact: tuple[str, ...]
    """Parts that this program would keep in another form: what they do not tell it is at its default."""


def restored(kept: Mapping[str, Any], keys: pa.Table, today: Settings) -> Restored:
    """A kept configuration (``configuration``) as Settings, with the renamed ``keys`` that held (rows of ``DECLARED``).

    What is not kept is as in ``today``.
    """
    read: dict[str, Any] = {}
    for name, reader in _READERS.items():
        try:
            read[name] = reader(kept[name], today)
        # Another version may have kept anything there, or nothing.
        except (UsageError, ValueError, TypeError, LookupError):
            continue
    if "renames" in read:
        read["renames"] = pa.concat_tables([read["renames"], keys])
    settings = replace(today, **read)
    told = recorded(settings)
    then = {**told, "renamed_keys": kept.get("renamed_keys")}
    return Restored(
        settings,
        others=tuple(name for name, now in recorded(today).items() if then[name] != now),
        unread=tuple(name for name in _READERS if name not in read),
        inexact=tuple(name for name in read if told[name] != kept[name]),
    )


def _project(kept: Any, today: Settings) -> Project:
    own = today.project.model_dump(mode="json", include=NOT_IN_NIGHTS)
    return Project.model_validate({**own, **kept})


def _sources(kept: Any, today: Settings) -> dict[str, Source]:
    sources = [Source.model_validate(source) for source in kept]
    found = {source.source: source for source in sources}
    check_sources(found)
    return found


def _contracts(kept: Any, today: Settings) -> tuple[Contract, ...]:
    contracts = tuple(Contract.model_validate(contract) for contract in kept)
    row_rules(contracts)
    return contracts


def _rows(kept: Any, schema: pa.Schema) -> pa.Table:
    """The columns of a small table, whose dates and decimals JSON has as text."""
    return pa.table({name: pa.array(kept[name], pa.string()) for name in schema.names}).cast(schema)


def _renamed_sources(kept: Any, today: Settings) -> pa.Table:
    renames = _rows(kept, DECLARED)
    # An older program kept keys too.
    return renames.filter(pc.is_null(renames["record_id"]))


_READERS: Mapping[str, Callable[[Any, Settings], Any]] = {
    "project": _project,
    "sources": _sources,
    "linkage": lambda kept, today: Linkage.model_validate(kept),
    "survivorship": lambda kept, today: Survivorship.model_validate(kept),
    "metrics": lambda kept, today: Metrics.model_validate(kept),
    "contracts": _contracts,
    "rates": lambda kept, today: None if kept is None else _rows(kept, RATES),
    "renames": _renamed_sources,
}
"""By part, which is the name of a field of Settings: what makes it of its JSON."""

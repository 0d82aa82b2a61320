"""Everything that one run is configured with, loaded and validated before Spark starts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.access import reading
from pipelines.config import Alerts, Conf, Project
from pipelines.config import digest as digest_of
from pipelines.errors import UsageError
from pipelines.gold.config import Metrics, Survivorship
from pipelines.gold.rates import read_rates
from pipelines.linkage.config import Linkage
from pipelines.linkage.decision_files import SCHEMA as DECISION_ROWS
from pipelines.linkage.decision_files import read_decisions
from pipelines.ops.gates import check_names
from pipelines.quality.contracts import Contract, load_contracts
from pipelines.renames import DECLARED, load_renames
from pipelines.silver.targets import check_sources
from pipelines.sources import Source, load_sources

if TYPE_CHECKING:
    import os

    import pyarrow as pa


NOT_IN_TABLES = {
    "gates",
    "bounds",
    "max_deleted_share",
    "retention_days",
    "retention_by_layer",
    "maintain_every",
    "quick_start_records",
    "alerts",
}
"""Keys of conf/padron.yml that judge a night, keep or tell it, and change nothing that it adds."""
NOT_IN_NIGHTS = {"alerts", "maintain_every", "quick_start_records"}
"""Those of them that do not judge it either: who is told, upkeep and how Java starts."""
CATALOGUE = "catalogue"
"""The part that tells of sources what makes no table but the catalogue of sources: who answers for them, what fields mean."""


@dataclass(frozen=True)
class Settings:
    """The configuration of a run."""

    conf: Conf
    project: Project
    sources: dict[str, Source]
    linkage: Linkage
    survivorship: Survivorship
    metrics: Metrics
    contracts: tuple[Contract, ...] = ()
    """What published tables promise (conf/quality)."""
    decisions: pa.Table = field(default_factory=DECISION_ROWS.empty_table)
    """Decisions of stewards in the configuration (``decisions.csv``): rows of ``linkage/decisions``.

    They are no part of the digest: a night takes them into the table, and reads that.
    """
    decision_places: Mapping[str, str] = field(default_factory=dict)
    """Where each of these stands, ``file:line``, by decision_id."""
    rates: pa.Table | None = None
    """Rates to the reporting currency (``gold.rates.RATES``); None where money stays as it is."""
    renames: pa.Table = field(default_factory=DECLARED.empty_table)
    """Declared renames of sources and keys (``renames.DECLARED``)."""

    @cached_property
    def whole(self) -> dict[str, Any]:
        """All that decides what a night publishes, or whether, by part."""
        return {
            "project": self.project.model_dump(mode="json", exclude=NOT_IN_NIGHTS),
            "sources": [self.sources[name].model_dump(mode="json") for name in sorted(self.sources)],
            "linkage": self.linkage.model_dump(mode="json"),
            "survivorship": self.survivorship.model_dump(mode="json"),
            "metrics": self.metrics.model_dump(mode="json"),
            "contracts": [contract.model_dump(mode="json") for contract in self.contracts],
            "rates": self.rates.to_pydict() if self.rates is not None else None,
            "renames": self.renames.to_pydict(),
        }

    @cached_property
    def digest(self) -> str:
        """Digest of all that decides what a night publishes, or whether."""
        return digest_of(self.whole)

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What makes a night's tables (``making_tables``), by the names that ``Stage.conf`` uses."""
        return making_tables(self.whole)

    def digest_of(self, names: tuple[str, ...] | None) -> str:
        """Digest of the named parts, ``catalogue`` among them; of all of ``parts`` where none are named."""
        if names is None:
            return digest_of(self.parts)
        known = {**self.parts, CATALOGUE: _catalogue(self.whole["sources"])}
        return digest_of({name: known[name] for name in names})


def making_tables(whole: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a night's tables, of all that decides it (``Settings.whole``): nothing that only judges or describes it.

    Of ``contracts`` these are the rules that hold rows back. How often a source delivers is a part of its own,
    ``cadences``: only what is stale depends on it.
    """
    return {
        **whole,
        "project": _but(whole["project"], NOT_IN_TABLES),
        "sources": [_source(source) for source in whole["sources"]],
        "cadences": [
            (
                s["source"],
                s["cadence_days"],
                {name: feed["cadence_days"] for name, feed in s["feeds"].items()},
            )
            for s in whole["sources"]
        ],
        "contracts": [
            {"table": contract["table"], **_but(rule, {"owner"})}
            for contract in whole["contracts"]
            for rule in contract["expectations"]
            if rule["severity"] == "quarantine"
        ],
    }


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    """Of a source what says how its files become rows, and these records."""
    feeds = {
        name: {
            **_but(feed, {"cadence_days"}),
            "columns": {column: _but(spec, {"meaning"}) for column, spec in feed["columns"].items()},
        }
        for name, feed in source["feeds"].items()
    }
    return {**_but(source, {"owner", "cadence_days"}), "feeds": feeds}


def _catalogue(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        source["source"]: {
            "owner": source["owner"],
            "meanings": {
                name: {column: spec["meaning"] for column, spec in feed["columns"].items()}
                for name, feed in source["feeds"].items()
            },
        }
        for source in sources
    }


def _but(fields: Mapping[str, Any], left_out: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in left_out}


def load_settings(folder: str | os.PathLike[str] | None = None) -> Settings:
    """The configuration in ``folder`` (default ``./conf``) over the package's defaults.

    Raises UsageError with every problem, a line each.
    """
    # A folder may be closed as well as a file in it.
    with reading("conf"):
        return _loaded(Conf(folder))


def _loaded(conf: Conf) -> Settings:
    conf.check_names()
    check_names(conf.project)
    sources = load_sources(conf)
    currency = conf.project.reporting_currency
    check_sources(sources)
    linkage = conf.load("linkage.yml", Linkage)
    for name in linkage.duplicate_free:
        if name not in sources:
            near = difflib.get_close_matches(name, sources, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"conf/linkage.yml: duplicate_free: {name} is no source of conf/sources.{hint}")
    written = read_decisions(str(conf.path("decisions.csv")))
    return Settings(
        conf=conf,
        project=conf.project,
        sources=sources,
        linkage=linkage,
        survivorship=conf.load("survivorship.yml", Survivorship),
        metrics=conf.load("metrics.yml", Metrics),
        contracts=tuple(load_contracts(conf)),
        decisions=written.rows,
        decision_places=written.places,
        rates=read_rates(str(conf.path("rates.csv")), currency) if currency is not None else None,
        renames=load_renames(conf, sources),
    )


class _WhoIsTold(BaseModel):
    """Of conf/padron.yml who is told, whatever else stands there."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    alerts: Alerts = Field(default_factory=lambda: Alerts.model_validate({}))


def alerts_of(folder: str | os.PathLike[str] | None = None) -> Alerts | None:
    """Who is told that the configuration cannot be read; None where that cannot be read either."""
    try:
        return Conf(folder).load("padron.yml", _WhoIsTold).alerts
    except (UsageError, OSError):
        return None

"""Everything that one run is configured with, loaded and validated before Spark starts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.access import reading
from pipelines.config import Alerts, Conf, Project
from pipelines.config import digest as digest_of
from pipelines.errors import UsageError
from pipelines.gold.config import Metrics, Survivorship
from pipelines.gold.rates import RATES, read_rates
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
NOT_RECORDED = ("alerts", "maintain_every", "quick_start_records")
"""Those of them that judge nothing either: who is told, upkeep, and how Java starts."""


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
    def parts(self) -> dict[str, Any]:
        """What a night is configured with, by the names that ``Stage.conf`` uses."""
        return {
            "project": self.project.model_dump(mode="json", exclude=NOT_IN_TABLES),
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
    def whole(self) -> dict[str, Any]:
        """All of ``parts`` and what only judges a night, without ``NOT_RECORDED``."""
        return {**self.parts, "project": self.project.model_dump(mode="json", exclude=set(NOT_RECORDED))}

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """``whole`` as the record keeps it: of renamed keys, which point at people, a digest. Those that a night applied
        stand in silver/renames."""
        is_key = pc.is_valid(self.renames["record_id"])
        keys = self.renames.filter(is_key)
        return {
            **self.whole,
            "renames": self.renames.filter(pc.invert(is_key)).to_pydict(),
            "renamed_keys": digest_of(keys.to_pydict()) if keys.num_rows else None,
        }

    def digest_of(self, parts: tuple[str, ...] | None) -> str:
        """Digest of the named parts; of all where none are named."""
        return digest_of(self.parts if parts is None else {name: self.parts[name] for name in parts})


def settings_of_record(content: Mapping[str, Any], renames: pa.Table, today: Settings) -> Settings:
    """The configuration of a past run: ``content`` is ``Settings.recorded`` as it was read back from JSON.

    ``renames``: what that run applied (``renames.DECLARED``), of whose keys the record has a digest alone. Of
    ``today`` is what the record leaves out because it changes no table: who is told, upkeep, how Java starts, and
    decisions, which a night reads from their table.
    Raises UsageError where this program knows no such configuration.
    """
    aside = today.project.model_dump(include=set(NOT_RECORDED))
    try:
        sources = [Source.model_validate(source) for source in content["sources"]]
        rates = content["rates"]
        return replace(
            today,
            project=Project.model_validate({**content["project"], **aside}),
            sources={source.source: source for source in sources},
            linkage=Linkage.model_validate(content["linkage"]),
            survivorship=Survivorship.model_validate(content["survivorship"]),
            metrics=Metrics.model_validate(content["metrics"]),
            contracts=tuple(Contract.model_validate(contract) for contract in content["contracts"]),
            rates=None if rates is None else pa.table(rates).select(RATES.names).cast(RATES),
            renames=renames,
        )
    except KeyError as error:
        raise UsageError(f"there is no {error.args[0]} in it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, (error.title, *first["loc"])))
        raise UsageError(f"{place}: {first['msg']}") from None


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

"""Everything that one run is configured with, loaded and validated before Spark starts."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.config import Conf, Project
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
    rates: pa.Table | None = None
    """Rates to the reporting currency (``gold.rates.RATES``); None where money stays as it is."""
    renames: pa.Table = field(default_factory=DECLARED.empty_table)
    """Declared renames of sources and keys (``renames.DECLARED``)."""

    @cached_property
    def digest(self) -> str:
        """Digest of all that decides what a night publishes; what its gates allow is no part of it, so
        that a night that a gate stopped goes on where it stood when the bound is another."""
        return digest_of(
            self.project.model_dump(
                mode="json", exclude={"gates", "bounds", "max_deleted_share", "maintain_every"}
            ),
            [self.sources[name] for name in sorted(self.sources)],
            self.linkage,
            self.survivorship,
            self.metrics,
            list(self.contracts),
            self.rates.to_pydict() if self.rates is not None else None,
            self.renames.to_pydict(),
        )


def load_settings(folder: str | os.PathLike[str] | None = None) -> Settings:
    """The configuration in ``folder`` (default ``./conf``) over the package's defaults.

    Raises UsageError with every problem, a line each.
    """
    conf = Conf(folder)
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
    return Settings(
        conf=conf,
        project=conf.project,
        sources=sources,
        linkage=linkage,
        survivorship=conf.load("survivorship.yml", Survivorship),
        metrics=conf.load("metrics.yml", Metrics),
        contracts=tuple(load_contracts(conf)),
        decisions=read_decisions(str(conf.path("decisions.csv"))),
        rates=read_rates(str(conf.path("rates.csv")), currency) if currency is not None else None,
        renames=load_renames(conf, sources),
    )

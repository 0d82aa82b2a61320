"""The configuration of gold: ``conf/survivorship.yml`` and ``conf/metrics.yml``."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.config import Strict, digest
from pipelines.errors import UsageError
from pipelines.gold.attributes import GROUP_NAMES

Criterion = Literal["validity", "trust", "recency", "completeness", "frequency"]
PartyType = Literal["person", "company", "unknown"]
Mode = Literal["frozen", "relative", "quantile", "ntile"]
REST = "*"
"""Stands in a list of trust for every source that is not named in it."""
_FILE = "conf/survivorship.yml"


class Rule(Strict):
    """How one attribute group survives: criteria in order, the first that differs decides."""

    by: tuple[Criterion, ...] = Field(min_length=1, description="Criteria, the weightiest first.")
    trust: tuple[str, ...] | None = Field(
        default=None,
        description="Sources, the most trusted first; one that is neither named nor covered by * is not used.",
    )


class Survivorship(Strict):
    """conf/survivorship.yml: which source's value reaches the master.

    Raises UsageError when an attribute group has no rule, or a rule names no group.
    """

    trust: tuple[str, ...] = Field(default=(REST,), description="Default order of trust of every rule.")
    expected_sources: dict[PartyType, tuple[str, ...]] = Field(
        default_factory=dict, description="Sources that should know a customer, by kind of party."
    )
    groups: dict[str, Rule] = Field(default_factory=dict, description="The rule of each attribute group.")

    @model_validator(mode="after")
    def _every_group_has_a_rule(self) -> Self:
        problems = []
        for name in sorted(set(self.groups) - set(GROUP_NAMES)):
            near = difflib.get_close_matches(name, GROUP_NAMES, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Groups: {', '.join(GROUP_NAMES)}."
            problems.append(f"{_FILE}: groups.{name} is not an attribute group. {hint}")
        problems += [
            f"{_FILE}: groups.{name} is missing: no attribute reaches the master without a declared rule."
            for name in GROUP_NAMES
            if name not in self.groups
        ]
        for where, trust in [
            ("trust", self.trust),
            *((f"groups.{n}.trust", r.trust) for n, r in self.groups.items()),
        ]:
            if trust is not None and len(set(trust)) < len(trust):
                problems.append(f"{_FILE}: {where} names a source twice.")
        if problems:
            raise UsageError("\n".join(problems))
        return self

    def trust_of(self, group: str) -> tuple[str, ...]:
        """The sources that may feed ``group``, the most trusted first."""
        own = self.groups[group].trust
        return self.trust if own is None else own


class Habitual(Strict):
    """The published rule of the flag ``habitual``: enough counted orders in the window."""

    orders: int = Field(default=3, ge=1, description="Least number of counted orders.")
    window_days: int | None = Field(
        default=365, ge=1, description="Days that end with the business date; null: ever."
    )


class LifecycleDays(Strict):
    """Upper bounds, in days, of the stages of a customer's life."""

    new: int = Field(default=30, ge=0, description="Days since the first order.")
    active: int = Field(default=365, ge=1, description="Days since the last order.")
    lapsed: int = Field(default=730, ge=1, description="Days since the last order; beyond: dormant.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.new <= self.active <= self.lapsed:
            raise ValueError("new, active and lapsed must not fall")
        return self


class ValueTiers(Strict):
    """Share of the scored customers of a currency that a tier, and those above it, hold at most."""

    Platinum: Decimal = Field(default=Decimal("0.01"), gt=0, lt=1, description="Top share by money.")
    Gold: Decimal = Field(default=Decimal("0.05"), gt=0, lt=1, description="Down to this share.")
    Silver: Decimal = Field(default=Decimal("0.10"), gt=0, lt=1, description="Down to this share.")
    Bronze: Decimal = Field(default=Decimal("0.25"), gt=0, lt=1, description="Down to this share.")
    Medium: Decimal = Field(
        default=Decimal("0.50"), gt=0, lt=1, description="Down to this share; the rest is Low."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        shares = [self.Platinum, self.Gold, self.Silver, self.Bronze, self.Medium]
        if shares != sorted(set(shares)):
            raise ValueError("shares must rise from Platinum to Medium")
        return self


class Service(Strict):
    """Options of gold/service."""

    window_days: int | None = Field(
        default=None,
        ge=1,
        description="Cases opened in that many days up to the business date; null: all, so that sums reconcile.",
    )
    reopen_days: int = Field(
        default=30, ge=0, description="Days after which a solved case counts for the reopen rate."
    )


class Metrics(Strict):
    """conf/metrics.yml: the definitions that a company may choose."""

    window_days: int | None = Field(
        default=365, ge=1, description="RFM window that ends with the business date; null: lifetime."
    )
    sale_statuses: tuple[str, ...] | None = Field(
        default=None, description="Order statuses that count as sales; null: all but cancelled_statuses."
    )
    cancelled_statuses: tuple[str, ...] = Field(
        default=("cancelled",), description="Order statuses that never count."
    )
    rfm_mode: Mode = Field(default="frozen", description="Which scores are published.")
    habitual: Habitual = Field(default_factory=Habitual)
    lifecycle_days: LifecycleDays = Field(default_factory=LifecycleDays)
    value_tiers: ValueTiers = Field(default_factory=ValueTiers)
    service: Service = Field(default_factory=Service)

    @field_validator("sale_statuses", "cancelled_statuses")
    @classmethod
    def _as_silver_spells_them(cls, statuses: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if statuses is None else tuple(status.lower() for status in statuses)

    def calibration(self, reporting_currency: str | None = None) -> str:
        """Names what cut points depend on: points of another calibration are never applied.

        ``reporting_currency``: of conf/padron.yml, which decides who is ranked together.
        """
        parts = {
            "window_days": self.window_days,
            "sale_statuses": sorted(self.sale_statuses) if self.sale_statuses is not None else None,
            "cancelled_statuses": sorted(self.cancelled_statuses),
            "value_tiers": self.value_tiers.model_dump(mode="json"),
            "reporting_currency": reporting_currency,
        }
        return f"rfm-1.{digest(parts)[:8]}"

    def rfm_definition(self, reporting_currency: str | None = None) -> str:
        """``definition_version`` of gold/rfm."""
        lifecycle = digest(self.lifecycle_days)[:4]
        return f"{self.calibration(reporting_currency)}.{self.rfm_mode}.{lifecycle}"

    @property
    def service_definition(self) -> str:
        """``definition_version`` of gold/service."""
        return f"service-1.{digest(self.service)[:8]}"

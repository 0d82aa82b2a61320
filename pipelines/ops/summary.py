"""What a released night comes to, as plain values: the terminal, the HTML report and JSON show it.

A block that is None was not delivered or not measured, and is shown as such; an empty one was
looked at and held nothing. There are counts, codes and names of sources only, never a value
that came out of a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pydantic import TypeAdapter


@dataclass(frozen=True)
class NightFigures:
    """One released night. ``seconds`` is wall time; the other figures count."""

    business_date: str
    records_in: int
    """Bronze rows of the customer feeds that the night took in."""
    new: int | None = None
    """Source records seen for the first time."""
    changed: int | None = None
    deleted: int | None = None
    customers: int | None = None
    """Live customers after the night."""
    merges: int | None = None
    splits: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SourceRecords:
    """Live records of one source, and how many different customers they are."""

    source: str
    records: int
    customers: int | None = None

    @property
    def deduplication_rate(self) -> float | None:
        """1 − distinct customers ÷ records (definitions §3.3)."""
        return None if self.customers is None or not self.records else 1 - self.customers / self.records


@dataclass(frozen=True)
class CustomerCounts:
    """Live customers, those with records of two sources or more, and the records they are made of."""

    live: int
    with_two_sources: int
    records: int

    @property
    def consolidation_rate(self) -> float | None:
        """1 − customers ÷ source records (definitions §3.3): a trend, not a quality."""
        return 1 - self.live / self.records if self.records else None

    @property
    def cross_source_rate(self) -> float | None:
        """Customers with two sources or more ÷ customers."""
        return self.with_two_sources / self.live if self.live else None


@dataclass(frozen=True)
class SourceLinks:
    """Pairs of records of two sources (or one) that are the same customer."""

    source_l: str
    source_r: str
    links: int


@dataclass(frozen=True)
class ClusterSize:
    """How many customers have that many live records. ``size`` is text: ``1``, ``2``, ``5-9``, ``50+``."""

    size: str
    customers: int


@dataclass(frozen=True)
class WeightBin:
    """Scored pairs with lower ≤ match weight < upper (log2 of the odds)."""

    lower: float
    upper: float
    pairs: int


@dataclass(frozen=True)
class SegmentCount:
    """Customers of an RFM segment, or of inactive or prospect."""

    segment: str
    segment_es: str
    customers: int


@dataclass(frozen=True)
class RfCell:
    """Customers with a published recency and frequency score (1 … 5)."""

    r_score: int
    f_score: int
    customers: int


@dataclass(frozen=True)
class TierCount:
    """Customers of a value tier."""

    tier: str
    customers: int


@dataclass(frozen=True)
class CaseCounts:
    """Support cases of a type. ``first_response_minutes`` is the median over answered cases."""

    case_type: str
    cases: int
    open_cases: int
    first_response_minutes: float | None = None


@dataclass(frozen=True)
class Quality:
    """Agreement with a known truth, pair by pair and record by record (B³); shares from 0 to 1."""

    records: int
    precision: float
    recall: float
    f1: float
    b3_precision: float
    b3_recall: float
    b3_f1: float
    true_pairs: int | None = None
    made_pairs: int | None = None
    right_pairs: int | None = None


@dataclass(frozen=True)
class FeedOutcome:
    """What became of every bronze row of a feed, of all that the night looked at."""

    source: str
    feed: str
    bronze_rows: int
    current: int
    superseded: int
    deleted: int
    duplicate: int
    quarantined: int
    history: int = 0
    """Rows that landed before that, besides ``bronze_rows``."""

    @property
    def unaccounted(self) -> int:
        """Bronze rows without exactly one outcome: 0, or rows were lost."""
        return self.bronze_rows - (
            self.current + self.superseded + self.deleted + self.duplicate + self.quarantined
        )


@dataclass(frozen=True)
class QuarantineReason:
    """Rows held back, by reason code."""

    source: str
    feed: str
    reason: str
    rows: int


@dataclass(frozen=True)
class GateVerdict:
    """A gate's verdict: passed, warned or blocked; ``bound`` is what ``value`` may be at the most."""

    gate: str
    status: str
    value: float | None = None
    bound: float | None = None
    severity: str | None = None
    message: str | None = None
    fail_bound: float | None = None
    """Above it the night stops, where it is another bound than ``bound``."""
    owner: str | None = None
    """Who answers for what failed, where conf names somebody."""
    nights: tuple[tuple[str, float], ...] = ()
    """Business date and value in every night so far, oldest first: ``ops.gate_trends``."""


@dataclass(frozen=True)
class Issue:
    """Something that its owner should see to: a gate that did not pass, or what stands open in a feed."""

    owner: str
    about: str
    """The gate, or source/feed."""
    status: str
    """blocked, warned, approved; open: no gate of the night said it."""
    message: str


@dataclass(frozen=True)
class StageTime:
    """A stage of the run: done, reused or failed; ``seconds`` is wall time."""

    stage: str
    status: str
    seconds: float
    rows_out: int | None = None


@dataclass(frozen=True)
class Reconciled:
    """A row of gold/reconciliation; amounts are decimal text, so that cents stay exact."""

    measure: str
    source: str
    in_customers: str
    unassigned: str
    source_total: str
    currency: str | None = None

    @property
    def difference(self) -> Decimal:
        """Source total − (customers + unassigned): 0, or money or rows were lost."""
        return Decimal(self.source_total) - Decimal(self.in_customers) - Decimal(self.unassigned)


@dataclass(frozen=True)
class FeedProfile:
    """The newest profile of a feed (ops/profiles)."""

    source: str
    feed: str
    business_date: str
    rows: int
    columns: int
    empty: int
    """Columns without any value."""
    unmapped: int | None = None
    """Values without a translation; None where no map translates."""
    drift: float | None = None
    """Largest change of a share since the profile before."""
    drifted: str | None = None
    """The column that changed so."""


@dataclass(frozen=True)
class MeasureValue:
    """A row of gold/measures: how good the ids of a night are (definitions §3.3)."""

    business_date: str
    measure: str
    part: str
    value: float


@dataclass(frozen=True)
class Summary:
    """A released (or stopped) night, whole."""

    business_date: str
    release_id: str | None
    """Release that readers see; None where nothing was ever released."""
    run_id: str
    status: str
    """released, restored (an older release was gone back to), stopped or failed."""
    seconds: float | None = None
    version: str | None = None
    """Version of the program."""
    nights: tuple[NightFigures, ...] | None = None
    """Released nights, oldest first."""
    sources: tuple[SourceRecords, ...] | None = None
    customers: CustomerCounts | None = None
    links: tuple[SourceLinks, ...] | None = None
    cluster_sizes: tuple[ClusterSize, ...] | None = None
    weights: tuple[WeightBin, ...] | None = None
    """Ascending bins of one width."""
    cut_weight: float | None = None
    """Match weight at the cut, where one weight stands for it."""
    segments: tuple[SegmentCount, ...] | None = None
    rf_grid: tuple[RfCell, ...] | None = None
    tiers: tuple[TierCount, ...] | None = None
    cases: tuple[CaseCounts, ...] | None = None
    feeds: tuple[FeedProfile, ...] | None = None
    measures: tuple[MeasureValue, ...] | None = None
    """Of the nights shown, oldest first."""
    quality: Quality | None = None
    outcomes: tuple[FeedOutcome, ...] | None = None
    quarantine: tuple[QuarantineReason, ...] | None = None
    gates: tuple[GateVerdict, ...] | None = None
    issues: tuple[Issue, ...] | None = None
    """By owner, the worst first."""
    stages: tuple[StageTime, ...] | None = None
    reconciliation: tuple[Reconciled, ...] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def tonight(self) -> NightFigures | None:
        """The figures of the newest night; None where no night is known."""
        return self.nights[-1] if self.nights else None

    def to_json(self) -> str:
        """The summary as JSON text; ``from_json`` reads it back."""
        return _ADAPTER.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """The summary that ``to_json`` wrote. Unknown keys are ignored, missing ones take defaults.

        Raises pydantic's ValidationError for text that is no summary.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Summary)

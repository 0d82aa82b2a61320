"""A summary with every block, of an invented night."""

from __future__ import annotations

from pipelines.ops.summary import (
    CaseCounts,
    ClusterSize,
    CustomerCounts,
    FeedOutcome,
    FeedProfile,
    GateVerdict,
    Issue,
    MeasureValue,
    NightFigures,
    Quality,
    QuarantineReason,
    Reconciled,
    RfCell,
    SegmentCount,
    SourceLinks,
    SourceRecords,
    StageTime,
    Summary,
    TierCount,
    WeightBin,
)

BARE = Summary("2026-07-03", None, "2026-07-03.1", "stopped")
WHOLE = Summary(
    business_date="2026-07-03",
    release_id="2026-07-03.1",
    run_id="2026-07-03.1",
    status="released",
    seconds=84.0,
    version="0.1.0",
    nights=(
        NightFigures("2026-07-02", 1000, 900, 0, 0, 400, 0, 0, 61.0),
        NightFigures("2026-07-03", 120, 30, 80, 10, 412, 7, 2, 84.0),
    ),
    sources=(SourceRecords("crm", 500, 480), SourceRecords("web", 420, 400)),
    customers=CustomerCounts(412, 300, 920),
    links=(SourceLinks("crm", "crm", 20), SourceLinks("web", "crm", 1310), SourceLinks("web", "web", 4)),
    cluster_sizes=(ClusterSize("1", 112), ClusterSize("2", 200), ClusterSize("3", 100)),
    weights=(WeightBin(-2, 0, 300), WeightBin(0, 2, 50), WeightBin(2, 4, 800)),
    cut_weight=2.0,
    segments=(
        SegmentCount("prospect", "Prospectos", 62),
        SegmentCount("Can't lose", "No podemos perderlos", 100),
        SegmentCount("Champions", "Campeones", 250),
    ),
    rf_grid=(RfCell(5, 5, 250), RfCell(1, 5, 100)),
    tiers=(TierCount("Low", 300), TierCount("Platinum", 4)),
    cases=(CaseCounts("claim", 40, 3, 95.0), CaseCounts("other", 2, 2)),
    feeds=(
        FeedProfile("crm", "contacts", "2026-07-03", 120, 24, 2, 3, 0.31, "estado"),
        FeedProfile("web", "users", "2026-07-02", 900, 11, 0),
    ),
    measures=(
        MeasureValue("2026-07-02", "over_clustering", "all", 0.01),
        MeasureValue("2026-07-03", "over_clustering", "all", 0.0125),
        MeasureValue("2026-07-03", "id_jitter", "all", 0.0051),
        MeasureValue("2026-07-03", "revenue_jitter", "all", 0.002),
        MeasureValue("2026-07-03", "largest_customer", "all", 7.0),
    ),
    quality=Quality(920, 0.97, 0.91, 0.9391, 0.98, 0.94, 0.9596, 1400, 1320, 1280),
    outcomes=(
        FeedOutcome("crm", "contacts", 600, 500, 80, 12, 5, 3),
        FeedOutcome("web", "users", 519, 420, 80, 10, 5, 4),
    ),
    quarantine=(QuarantineReason("crm", "contacts", "too_many_fields", 3),),
    gates=(
        GateVerdict("rows_conserved", "passed", 0, 0, "fail", "as it should be"),
        GateVerdict(
            "late_files",
            "warned",
            1,
            0,
            "warn",
            "1 file <came> late & was applied.",
            nights=(("2026-07-02", 0.0), ("2026-07-03", 1.0)),
        ),
    ),
    issues=(
        Issue("CRM team", "volume_low crm/contacts", "blocked", "crm/contacts has 3 rows, 600 are usual."),
        Issue("CRM team", "crm/contacts", "open", "nuevo: landed, not used; declare in conf/sources/crm.yml"),
        Issue("data engineering", "late_files", "warned", "1 file <came> late & was applied."),
    ),
    stages=(
        StageTime("bronze.land", "done", 2.5, 1120),
        StageTime("linkage.link", "reused", 0.1, 3000),
        StageTime("gold.rfm", "done", 9.0, 412),
    ),
    reconciliation=(
        Reconciled("net", "web", "1000000000000.1000", "0.2000", "1000000000000.3000", "EUR"),
        Reconciled("orders", "web", "10", "1", "12"),
    ),
    warnings=("web: a column not declared was landed (nuevo).",),
)

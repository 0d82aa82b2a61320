"""What a released night came to, read from its tables without Spark; its report; and its quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv

import pipelines
from pipelines import files
from pipelines.access import writing
from pipelines.errors import PadronError, UsageError
from pipelines.gold.measures import MEASURES
from pipelines.linkage.evaluate import Quality as Measured
from pipelines.linkage.evaluate import evaluate
from pipelines.ops import releases, report, summary
from pipelines.ops.deliveries import delivered
from pipelines.ops.gate_trends import gate_trends
from pipelines.ops.issues import open_issues
from pipelines.ops.judgements import standing
from pipelines.ops.profiles import PROFILES
from pipelines.ops.reading import Reader
from pipelines.ops.summary import Summary
from pipelines.ops.tables import GATES, RUNS, STAGES
from pipelines.silver.targets import uses
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pipelines.ops.releases import Release
    from pipelines.settings import Settings

REPORTS = "reports"
"""Folder of the warehouse that holds the nights' pages."""
BIN = 2
"""Width of a bin of match weights, in bits."""
Rows = list[dict[str, Any]]


def summarise(warehouse: str, settings: Settings, *, truth: str | None = None) -> Summary:
    """The newest release as counts; with ``truth`` (see ``read_truth``) also how good its customers are.

    Raises NoReleaseError, UsageError for a truth that cannot be read.
    """
    house = Warehouse(warehouse)
    reader = Reader(house)
    release = reader.release
    run = next((r for r in _rows(house, RUNS.path) if _ended(r) and r["run_id"] == release.release_id), {})
    return Summary(
        business_date=release.business_date.isoformat(),
        release_id=release.release_id,
        run_id=release.release_id,
        status="restored" if release.reason else "released",
        seconds=run.get("seconds"),
        version=pipelines.__version__,
        nights=_nights(house, reader, settings),
        sources=_sources(reader),
        customers=_customers(reader),
        links=_links(reader),
        cluster_sizes=_cluster_sizes(reader),
        weights=_weights(reader),
        segments=_segments(reader),
        rf_grid=_rf_grid(reader),
        tiers=_tiers(reader),
        cases=_cases(reader),
        feeds=_feeds(reader),
        measures=_measures(reader),
        quality=_quality(house, truth) if truth is not None else None,
        outcomes=_outcomes(reader),
        quarantine=_quarantine(reader),
        gates=_gates(house, release),
        issues=open_issues(house, release.release_id, release, settings.sources, settings.contracts),
        stages=_stages(house, release),
        reconciliation=_reconciliation(reader),
        warnings=release.warnings,
    )


def write_report(warehouse: str, found: Summary) -> str:
    """Write the night's page below the warehouse and return its path."""
    folder = files.join(Warehouse(warehouse).root, REPORTS)
    uri = files.join(folder, f"{found.business_date}.html")
    with writing(uri):
        files.write_text(uri, report.render(found))
    return uri


def read_truth(uri: str, entity: str | None = None, case: str | None = None) -> pa.Table:
    """The truth as source, record_id, entity_id (text), from a CSV with a header; hard_case where ``case`` is given.

    It has the columns source; source_id or record_id; ``entity``, or else true_id or entity_id; ``case``.
    Raises UsageError.
    """
    try:
        with files.open_input(uri) as stream:
            content = pa_csv.read_csv(stream)
    except FileNotFoundError:
        raise UsageError(f"The truth {uri} does not exist: check --truth.") from None
    except (OSError, ValueError):
        raise UsageError(f"The truth {uri} cannot be read: it must be a CSV with a header.") from None
    names = content.column_names
    named = {"entity_id": entity, "hard_case": case}
    wanted = {**_TRUTH, **{column: (name,) for column, name in named.items() if name}}
    chosen = [next((n for n in options if n in names), None) for options in wanted.values()]
    if None in chosen:
        expected = "; ".join(" or ".join(options) for options in wanted.values())
        raise UsageError(f"The truth {uri} lacks a column: it needs {expected}.")

    text = [content[name].cast(pa.string()) for name in chosen if name is not None]
    return pa.table(dict(zip(wanted, text, strict=True)))


_TRUTH = {
    "source": ("source",),
    "record_id": ("source_id", "record_id"),
    "entity_id": ("true_id", "entity_id"),
}


def measure(house: Warehouse, truth: str) -> Measured:
    """Agreement of the released customers with a truth, over the records that both know."""
    reader = Reader(house)
    assigned = reader.arrow("SELECT source, record_id, customer_id FROM identity.assignments")
    found = evaluate(assigned, read_truth(truth), cluster="customer_id")
    if not found.records:
        raise PadronError(f"The truth {truth} knows none of the released records: is it of this landing?")
    return found


def _quality(house: Warehouse, truth: str) -> summary.Quality:
    m = measure(house, truth)
    return summary.Quality(
        records=m.records,
        precision=m.precision,
        recall=m.recall,
        f1=m.f1,
        b3_precision=m.b3_precision,
        b3_recall=m.b3_recall,
        b3_f1=m.b3_f1,
        true_pairs=m.true_pairs,
        made_pairs=m.made_pairs,
        right_pairs=m.right_pairs,
    )


def _rows(house: Warehouse, path: str) -> Rows:
    content = house.arrow(path)
    return [] if content is None else sorted(content.to_pylist(), key=lambda r: r["at"])


def _ended(run: dict[str, Any]) -> bool:
    return run["status"] in ("released", "restored")


def _nights(house: Warehouse, reader: Reader, settings: Settings) -> tuple[summary.NightFigures, ...]:
    """One a business date of a standing release, oldest first; a date released twice is its newest."""
    by_date: dict[str, Release] = {
        r.business_date.isoformat(): r for r in releases.all_releases(house) if r.status == "released"
    }
    seconds = {r["run_id"]: r["seconds"] for r in _rows(house, RUNS.path) if _ended(r)}
    brought = _records_in(house, reader.release, settings)
    happened = _by_date(
        reader,
        """SELECT business_date AS day, count_if(event IN ('created', 'added') AND cause <> 'rename')::BIGINT AS new,
        count_if(event = 'changed')::BIGINT AS changed, count_if(event = 'retired' AND cause <> 'rename')::BIGINT AS deleted
        FROM identity.events GROUP BY ALL""",
    )
    # Ids, not records: an id of the day before that lost all its records to others was merged away.
    joined = _by_date(
        reader,
        """SELECT business_date AS day, count(DISTINCT old_customer_id) FILTER (event = 'merged') AS merges,
        count(DISTINCT (old_customer_id, customer_id)) FILTER (event = 'split') AS splits
        FROM identity.events GROUP BY ALL""",
    )
    nights = []
    for day, release in sorted(by_date.items()):
        live = reader.rows(
            """SELECT count(DISTINCT customer_id) AS customers FROM identity.assignment_history
            WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)""",
            [release.business_date],
        )
        events, aliases = happened.get(day, {}), joined.get(day, {})
        nights.append(
            summary.NightFigures(
                business_date=day,
                records_in=brought.get(day, 0),
                new=events.get("new", 0),
                changed=events.get("changed", 0),
                deleted=events.get("deleted", 0),
                customers=int(live[0]["customers"]),  # type: ignore[call-overload]
                merges=aliases.get("merges", 0),
                splits=aliases.get("splits", 0),
                seconds=seconds.get(release.release_id),
            )
        )
    return tuple(nights)


def _by_date(reader: Reader, query: str) -> dict[str, dict[str, Any]]:
    return {str(row["day"]): row for row in reader.rows(query)}


def _records_in(house: Warehouse, release: Release, settings: Settings) -> dict[str, int]:
    """Rows of the customer feeds by the night that took them in."""
    content = delivered(house, release)
    found: dict[str, int] = {}
    for row in [] if content is None else content.to_pylist():
        source = settings.sources.get(row["source"])
        feed = source.feeds.get(row["feed"]) if source else None
        if feed and any(use.target == "customer_records" for use in uses(feed).values()):
            day = row["business_date"].isoformat()
            found[day] = found.get(day, 0) + int(row["rows"] or 0)
    return found


def _sources(reader: Reader) -> tuple[summary.SourceRecords, ...]:
    rows = reader.rows(
        """SELECT source, count(*) AS records, count(DISTINCT customer_id) AS customers
        FROM identity.assignments GROUP BY source ORDER BY source"""
    )
    return tuple(summary.SourceRecords(**row) for row in rows)  # type: ignore[arg-type]


def _customers(reader: Reader) -> summary.CustomerCounts:
    (row,) = reader.rows(
        """SELECT count(*) AS live, count_if(len(sources_present) >= 2)::BIGINT AS with_two_sources,
        coalesce(sum(record_count), 0)::BIGINT AS records FROM gold.customers WHERE is_live"""
    )
    return summary.CustomerCounts(**row)  # type: ignore[arg-type]


def _links(reader: Reader) -> tuple[summary.SourceLinks, ...]:
    """Pairs of records with one customer, from counts: no pair is ever built."""
    rows = reader.rows(
        """WITH n AS (SELECT customer_id, source, count(*) AS n FROM identity.assignments GROUP BY ALL)
        SELECT l.source AS source_l, r.source AS source_r,
            sum(CASE WHEN l.source = r.source THEN l.n * (l.n - 1) // 2 ELSE l.n * r.n END)::BIGINT AS links
        FROM n l JOIN n r ON l.customer_id = r.customer_id AND l.source <= r.source
        GROUP BY ALL ORDER BY ALL"""
    )
    return tuple(summary.SourceLinks(**row) for row in rows)  # type: ignore[arg-type]


def _cluster_sizes(reader: Reader) -> tuple[summary.ClusterSize, ...]:
    rows = reader.rows(
        """SELECT CASE WHEN n < 5 THEN n::VARCHAR WHEN n < 10 THEN '5-9' WHEN n < 50 THEN '10-49'
            ELSE '50+' END AS size, count(*) AS customers
        FROM (SELECT count(*) AS n FROM identity.assignments GROUP BY customer_id)
        GROUP BY ALL ORDER BY min(n)"""
    )
    return tuple(summary.ClusterSize(**row) for row in rows)  # type: ignore[arg-type]


def _weights(reader: Reader) -> tuple[summary.WeightBin, ...]:
    rows = reader.rows(
        f"""SELECT {BIN} * floor(match_weight / {BIN}) AS lower, count(*) AS pairs
        FROM linkage.scored_pairs WHERE isfinite(match_weight) GROUP BY ALL ORDER BY lower"""
    )
    found = {int(row["lower"]): int(row["pairs"]) for row in rows}  # type: ignore[call-overload]
    if not found:
        return ()
    lowers = range(min(found), max(found) + BIN, BIN)
    return tuple(summary.WeightBin(lower, lower + BIN, found.get(lower, 0)) for lower in lowers)


def _feeds(reader: Reader) -> tuple[summary.FeedProfile, ...] | None:
    if not reader.has(PROFILES.path):
        return None
    rows = reader.rows(
        """SELECT source, feed, business_date::VARCHAR AS business_date, max(rows) AS rows, count(*) AS columns,
            count_if(filled = 0)::BIGINT AS empty, sum(unmapped)::BIGINT AS unmapped, max(drift) AS drift,
            arg_max("column", drift) FILTER (drift > 0) AS drifted
        FROM (SELECT *, max(business_date) OVER (PARTITION BY source, feed) AS newest FROM ops.profiles)
        WHERE business_date = newest GROUP BY ALL ORDER BY source, feed"""
    )
    return tuple(summary.FeedProfile(**row) for row in rows)  # type: ignore[arg-type]


def _measures(reader: Reader) -> tuple[summary.MeasureValue, ...] | None:
    if not reader.has(MEASURES.path):
        return None
    rows = reader.rows(
        """SELECT business_date::VARCHAR AS business_date, measure, part, value FROM gold.measures
        WHERE business_date IN (SELECT DISTINCT business_date FROM gold.measures ORDER BY 1 DESC LIMIT $1)
        ORDER BY business_date, measure, part""",
        [report.NIGHTS_SHOWN],
    )
    return tuple(summary.MeasureValue(**row) for row in rows)  # type: ignore[arg-type]


_LIVE_RFM = "gold.rfm JOIN gold.customers USING (customer_id) WHERE is_live"


def _segments(reader: Reader) -> tuple[summary.SegmentCount, ...] | None:
    rows = reader.rows(
        f"""SELECT segment, segment_es, count(DISTINCT customer_id) AS customers
        FROM {_LIVE_RFM} AND segment IS NOT NULL GROUP BY ALL ORDER BY segment"""
    )
    return tuple(summary.SegmentCount(**row) for row in rows) or None  # type: ignore[arg-type]


def _rf_grid(reader: Reader) -> tuple[summary.RfCell, ...]:
    rows = reader.rows(
        f"""SELECT r_score, f_score, count(DISTINCT customer_id) AS customers
        FROM {_LIVE_RFM} AND r_score IS NOT NULL AND f_score IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    )
    return tuple(summary.RfCell(**row) for row in rows)  # type: ignore[arg-type]


def _tiers(reader: Reader) -> tuple[summary.TierCount, ...]:
    rows = reader.rows(
        f"""SELECT value_tier AS tier, count(DISTINCT customer_id) AS customers
        FROM {_LIVE_RFM} AND value_tier IS NOT NULL GROUP BY ALL ORDER BY tier"""
    )
    return tuple(summary.TierCount(**row) for row in rows)  # type: ignore[arg-type]


def _cases(reader: Reader) -> tuple[summary.CaseCounts, ...] | None:
    rows = reader.rows(
        """SELECT case_type, count(*) AS cases, count_if(is_open)::BIGINT AS open_cases,
            median(date_diff('second', opened_at, first_response_at) / 60.0) AS first_response_minutes
        FROM silver.cases GROUP BY case_type ORDER BY case_type"""
    )
    return tuple(summary.CaseCounts(**row) for row in rows) or None  # type: ignore[arg-type]


def _outcomes(reader: Reader) -> tuple[summary.FeedOutcome, ...]:
    # Releases of before there was history lack its columns.
    rows = reader.rows(
        """SELECT COLUMNS(lambda name: name NOT IN ('business_date', 'stands_since'))
        FROM silver.outcomes ORDER BY source, feed"""
    )
    return tuple(summary.FeedOutcome(**row) for row in rows)  # type: ignore[arg-type]


def _quarantine(reader: Reader) -> tuple[summary.QuarantineReason, ...]:
    rows = reader.rows(
        """SELECT source, feed, reason, count(*) AS rows FROM silver.quarantine
        GROUP BY ALL ORDER BY source, feed, reason"""
    )
    return tuple(summary.QuarantineReason(**row) for row in rows)  # type: ignore[arg-type]


def _gates(house: Warehouse, release: Release) -> tuple[summary.GateVerdict, ...]:
    every = _rows(house, GATES.path)
    nights = gate_trends(every, release.business_date, releases.taken_back(house))
    rows = standing(row for row in every if row["run_id"] == release.release_id)
    return tuple(
        summary.GateVerdict(
            r["gate"],
            r["status"],
            r["value"],
            r["bound"],
            r["severity"],
            r["message"],
            r.get("fail_bound"),
            r.get("owner"),
            nights.get(r["gate"], ()),
        )
        for r in rows
    )


def _stages(house: Warehouse, release: Release) -> tuple[summary.StageTime, ...]:
    rows = [row for row in _rows(house, STAGES.path) if row["run_id"] == release.release_id]
    return tuple(summary.StageTime(r["stage"], r["status"], r["seconds"], r["rows_out"]) for r in rows)


def _reconciliation(reader: Reader) -> tuple[summary.Reconciled, ...]:
    rows = reader.rows(
        """SELECT measure, source, in_customers::VARCHAR AS in_customers, unassigned::VARCHAR AS unassigned,
            source_total::VARCHAR AS source_total, currency
        FROM gold.reconciliation ORDER BY measure, source, currency"""
    )
    return tuple(summary.Reconciled(**row) for row in rows)  # type: ignore[arg-type]

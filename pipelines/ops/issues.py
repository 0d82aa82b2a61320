"""The issue list of every owner: what stands open about a source or a published table, for whoever answers for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipelines.bronze.column_names import told_names
from pipelines.ops.deliveries import delivered
from pipelines.ops.gates import listed
from pipelines.ops.judgements import standing
from pipelines.ops.profiles import PROFILES
from pipelines.ops.reading import Reader
from pipelines.ops.record import rows_of
from pipelines.ops.summary import Issue
from pipelines.ops.tables import GATES
from pipelines.quality.row_rules import owners_of
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.targets import uses

if TYPE_CHECKING:
    from datetime import date

    from pipelines.ops.releases import Release
    from pipelines.quality.contracts import Contract
    from pipelines.sources import Source
    from pipelines.storage import Warehouse

NOBODYS = "data engineering"
"""Who answers for what conf names nobody for."""
STANDING = ("new_columns", "unmapped_codes", "quarantine")
"""Gates that warn of tonight's files what stands open of every feed's newest, or of all rows."""
Rows = Iterable[Mapping[str, Any]]


def open_issues(
    warehouse: Warehouse,
    run_id: str,
    release: Release | None,
    sources: Mapping[str, Source],
    contracts: Iterable[Contract] = (),
) -> tuple[Issue, ...]:
    """What gates of the run warned about or stopped, and what stands open in the release's feeds, by owner.

    ``contracts``: of conf/quality, whose rules about rows may name who answers for what they set aside.
    """
    gates = [row for row in rows_of(warehouse, GATES.path) if row["run_id"] == run_id]
    is_released = release is not None and release.release_id == run_id
    found = judged(gates, is_released=is_released)
    if release is not None:
        found += _standing(warehouse, release, sources, contracts)
    worst = ("blocked", "warned")
    state = {status: rank for rank, status in enumerate(worst)}
    return tuple(sorted(found, key=lambda i: (i.owner, state.get(i.status, len(worst)), i.about, i.message)))


def judged(gates: Rows, *, is_released: bool = True) -> list[Issue]:
    """The gates of a run that did not pass, by the verdicts that hold; a warning that stands open anyway is not said twice.

    ``is_released``: the tables that readers see, from which what stands open is told, are those of the gates' run.
    """
    return [
        Issue(row.get("owner") or NOBODYS, row["gate"], row["status"], row["message"] or "")
        for row in standing(gates)
        if row["status"] != "passed"
        and not (is_released and row["status"] == "warned" and _stands_open(row["gate"]))
    ]


def _stands_open(gate: str) -> bool:
    """True for a gate whose findings are told from the release's tables. Those know new columns of files, for which one is
    named by its source; new keys of a feed's rows they do not.
    """
    name, _, about = gate.partition(" ")
    return name in STANDING and not (name == "new_columns" and "/" in about)


def undeclared(batches: Rows) -> list[tuple[str, str, str]]:
    """Source, feed and the fields of the files of its newest landing date that conf/sources does not declare."""
    # Of a file that was delivered again with other content the last one counts.
    ordered = sorted(batches, key=lambda b: b["ingested_at"])
    landed = list({b["file"]: b for b in ordered if b["status"] == "landed"}.values())
    newest: dict[tuple[str, str], date] = {}
    for b in landed:
        key = b["source"], b["feed"]
        newest[key] = max(b["landing_date"], newest.get(key, b["landing_date"]))
    new: dict[tuple[str, str], set[str]] = {}
    for b in landed:
        key = b["source"], b["feed"]
        if b["landing_date"] == newest[key]:
            new.setdefault(key, set()).update(b["new_columns"] or ())
    return [
        (
            *key,
            f"{listed(told_names(sorted(names)))}: landed, not used; declare in conf/sources/{key[0]}.yml",
        )
        for key, names in sorted(new.items())
        if names
    ]


def untranslated(columns: Rows) -> list[tuple[str, str, str]]:
    """Source, feed and its columns with codes that no translation knows, from rows of ops/profiles."""
    by_feed: dict[tuple[str, str], list[str]] = {}
    for c in columns:
        said = f"{c['column']} ({c['unmapped']:,} of {c['filled']:,} values)"
        by_feed.setdefault((c["source"], c["feed"]), []).append(said)
    return [
        (
            *key,
            f"{listed(said)}: codes without a translation; add them to codes in conf/sources/{key[0]}.yml",
        )
        for key, said in sorted(by_feed.items())
    ]


def held(reasons: Rows) -> list[tuple[str, str, str]]:
    """Source, feed and how many of its rows are held back, from counts by reason."""
    by_feed: dict[tuple[str, str], list[str]] = {}
    for r in reasons:
        by_feed.setdefault((r["source"], r["feed"]), []).append(f"{r['reason']} {r['rows']:,}")
    return [
        (*key, f"{listed(said)}: rows held back; silver/quarantine has each")
        for key, said in sorted(by_feed.items())
    ]


def _standing(
    warehouse: Warehouse, release: Release, sources: Mapping[str, Source], contracts: Iterable[Contract]
) -> list[Issue]:
    """What stands open of every feed, whichever night it came."""
    reader = Reader(warehouse, release, only={PROFILES.path, QUARANTINE.path})
    batches = delivered(warehouse, release)
    found = [] if batches is None else undeclared(batches.to_pylist())
    if reader.has(PROFILES.path):
        found += untranslated(
            reader.rows(
                """SELECT source, feed, "column", unmapped, filled
                FROM (SELECT *, max(business_date) OVER (PARTITION BY source, feed) AS newest FROM ops.profiles)
                WHERE business_date = newest AND unmapped > 0 ORDER BY unmapped DESC, "column\""""
            )
        )
    of_sources = [(sources[line[0]].owner if line[0] in sources else NOBODYS, *line) for line in found]
    return [
        Issue(owner, f"{source}/{feed}", "open", text)
        for owner, source, feed, text in (*of_sources, *_held(reader, sources, contracts))
    ]


def _held(
    reader: Reader, sources: Mapping[str, Source], contracts: Iterable[Contract]
) -> list[tuple[str, str, str, str]]:
    """Owner, source, feed and what is held back: the owner of the rule where it has one, else that of the source."""
    if not reader.has(QUARANTINE.path):
        return []
    reasons = reader.rows(
        """SELECT source, feed, reason, count(*) AS rows FROM silver.quarantine
        GROUP BY ALL ORDER BY rows DESC, reason"""
    )
    of_rules = owners_of(contracts)
    by_owner: dict[str, list[Mapping[str, Any]]] = {}
    for row in reasons:
        source, feed, reason = (str(row[name]) for name in ("source", "feed", "reason"))
        known = sources.get(source)
        spec = None if known is None else known.feeds.get(feed)
        targets = {use.target for use in uses(spec).values()} if spec is not None else ()
        named = {of_rules[target, reason] for target in targets if (target, reason) in of_rules}
        of_source = NOBODYS if known is None else known.owner
        by_owner.setdefault(named.pop() if len(named) == 1 else of_source, []).append(row)
    return [(owner, *line) for owner, rows in by_owner.items() for line in held(rows)]

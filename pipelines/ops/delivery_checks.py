"""The gates on what was delivered: how much, how fresh, from when, and with which columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from statistics import median
from typing import TYPE_CHECKING, Any

from pipelines.bronze.batches import punctuality
from pipelines.bronze.column_names import told_names
from pipelines.ops.gates import Verdict, graded, listed, verdict
from pipelines.silver.received import Received

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.config import Project
    from pipelines.sources import Source
    from pipelines.stages import Inputs

HISTORY = 10
"""Deliveries of a feed that tonight's is compared with: the newest."""
ENOUGH = 3
"""Deliveries that a usual size is known from."""
Batch = dict[str, Any]
"""A row of bronze/batches."""


def delivered(inputs: Inputs) -> list[Verdict]:
    """What is said about tonight's files: how many rows, which columns, from when."""
    project, night = inputs.settings.project, inputs.night
    # A renamed source goes on where it was, and is not two.
    batches = Received(inputs, {}).batch_rows()
    rows: list[Batch] = [] if batches is None else batches.to_pylist()
    tonight = {file.batch_id for file in night.files}
    return [
        *volumes(project, rows, tonight),
        *late_files(project, rows, tonight),
        *cut_off(project, rows, tonight),
        *new_columns(project, rows, tonight),
        *lost_columns(project, rows, tonight, {f.batch_id for f in night.files if f.format == "jsonl"}),
        *secrets(project, rows, tonight),
        *freshness(project, batches, inputs.settings.sources, night.business_date),
        *future_date(project, night.business_date, night.started_at.astimezone(project.zone).date()),
    ]


def failed_or_one(gate: str, verdicts: Iterable[Verdict], message: str) -> list[Verdict]:
    """The verdicts that failed; where none did, one that says so for all of them."""
    found = list(verdicts)
    failed = [row for row in found if row["status"] != "passed"]
    if failed or not found:
        return failed
    highest = max(found, key=lambda row: row["value"])
    return [{**highest, "gate": gate, "message": message}]


def by_source(project: Project, gate: str, found: Iterable[tuple[str, str]], hint: str) -> list[Verdict]:
    """One verdict for each source of which something was ``found`` (source, what), for its owner to read."""
    said: dict[str, list[str]] = {}
    for source, text in found:
        said.setdefault(source, []).append(text)
    verdicts = []
    for source, texts in sorted(said.items()):
        message = f"{listed(sorted(texts))}: {hint}"
        verdicts += verdict(project, gate, value=len(texts), bound=0, message=message, about=source)
    return verdicts or verdict(project, gate, value=0, bound=0, message=hint)


def volumes(project: Project, batches: Iterable[Batch], tonight: Collection[str]) -> list[Verdict]:
    """``volume_high`` and ``volume_low``: tonight's rows of a feed against its usual delivery.

    Usual is the median of its ``HISTORY`` newest deliveries of the same kind (full snapshots with
    full snapshots), from ``ENOUGH`` on. The value is rows ÷ usual, or usual ÷ rows. Of a feed that is mostly empty the
    days that brought something say what is much. ``volume_high`` stops only what is larger than all that came before.
    Of several days that a night takes in the worst one is told, with the number of the others.
    """
    sizes: dict[tuple[str, str, bool], dict[date, int]] = {}
    tonights: set[tuple[str, str, bool, date]] = set()
    for b in batches:
        if b["status"] != "landed":
            continue
        key = b["source"], b["feed"], bool(b["is_snapshot"])
        by_date = sizes.setdefault(key, {})
        by_date[b["landing_date"]] = by_date.get(b["landing_date"], 0) + int(b["rows"] or 0)
        if b["batch_id"] in tonight:
            tonights.add((*key, b["landing_date"]))
    found: dict[tuple[str, str], list[Verdict]] = {}
    for source, feed, is_snapshot, day in sorted(tonights):
        by_date = sizes[source, feed, is_snapshot]
        before = [rows for when, rows in sorted(by_date.items()) if when < day]
        earlier = before[-HISTORY:]
        if len(earlier) < ENOUGH:
            continue
        rows, usual = by_date[day], median(earlier)
        brought = usual or median([some for some in earlier if some] or [0])
        # The first delivery of all may be a history. What never brought anything has no measure.
        is_new = bool(brought) and rows > max(before[1:][-HISTORY:])
        for gate, value, expected, hint in (
            ("volume_high", rows / max(brought, 1), brought, "is it a history, or delivered twice?"),
            ("volume_low", usual / max(rows, 1), usual, "is the file whole?"),
        ):
            said = f"{source}/{feed} of {day} has {rows:,} rows, {expected:,.0f} are usual"
            found.setdefault((gate, f"{source}/{feed}"), []).extend(
                graded(
                    project,
                    gate,
                    value=value,
                    rows=int(max(rows, expected)),
                    message=f"{said}: {hint} If it is right, raise bounds.{gate} in conf/padron.yml for this night.",
                    about=f"{source}/{feed}",
                    may_fail=gate == "volume_low" or is_new,
                )
            )
    worst = {of: _worst(days) for of, days in found.items() if days}
    return [
        verdict
        for gate in ("volume_high", "volume_low")
        for verdict in failed_or_one(
            gate, [v for (name, _), v in worst.items() if name == gate], "as much as usual"
        )
    ]


def _worst(days: Sequence[Verdict]) -> Verdict:
    """The verdict on the day that says most, of a night that took in several: a gate has one verdict on one feed."""
    rank = {"passed": 0, "warned": 1, "blocked": 2}
    worst = max(days, key=lambda day: (rank[day["status"]], day["value"]))
    others = sum(day["status"] != "passed" for day in days) - 1
    if others < 1:
        return worst
    of_others = f"{others} other day{'s' if others > 1 else ''} of the night likewise."
    return {**worst, "message": f"{worst['message']} {of_others}"}


def lost_columns(
    project: Project,
    batches: Iterable[Batch],
    tonight: Collection[str],
    headerless: Collection[str] = frozenset(),
) -> list[Verdict]:
    """``lost_columns``: a declared column that the delivery before had, and tonight's file lacks.

    ``headerless``: those of ``tonight`` that say nothing of it: for JSON lines see ``key_checks``.
    """
    known: dict[tuple[str, str], set[str]] = {}
    lost: list[tuple[str, str]] = []
    for b in sorted(batches, key=lambda b: (b["landing_date"], b["file"])):
        # What was rejected with its night is no delivery that another is compared with.
        if b["status"] != "landed":
            continue
        key = b["source"], b["feed"]
        if b["batch_id"] in tonight and b["batch_id"] not in headerless and key in known:
            gone = sorted(known[key] & set(b["missing_columns"] or ()))
            lost += [(b["source"], f"{b['file']} lacks {', '.join(gone)}")] if gone else []
        known[key] = set(b["columns"] or ())
    hint = "their values would be NULL. Ask the source's owner for the whole file, or take them out of conf/sources."
    return by_source(project, "lost_columns", lost, hint)


def held_back(
    project: Project,
    outcomes: Mapping[tuple[str, str], Mapping[str, Any]],
    before: Mapping[tuple[str, str], Mapping[str, Any]],
    held_anew: Mapping[tuple[str, str], int],
    held_tonight: Mapping[tuple[str, str], int],
) -> list[Verdict]:
    """``quarantine``: of the rows that a feed brought since the last release, the share that is held back.

    ``outcomes``, ``before``: the feed's row of silver/outcomes tonight, and in the prior state. A rule that is
    new holds rows of earlier nights back: of a feed that brought nothing they are counted against all its rows.
    ``held_anew``: the difference of the two for feeds with history, of which the night counts other rows.
    ``held_tonight``: of the rows of tonight's files; what a corrected declaration lets go of must not hide them.
    """
    found: list[Verdict] = []
    for (source, feed), tonight in sorted(outcomes.items()):
        known = before.get((source, feed), {"quarantined": 0, "bronze_rows": 0})
        more = held_anew.get((source, feed), tonight["quarantined"] - known["quarantined"])
        held = max(more, held_tonight.get((source, feed), 0))
        rows = (received_rows(tonight) - received_rows(known)) or tonight["bronze_rows"]
        found += graded(
            project,
            "quarantine",
            value=max(held, 0) / max(rows, held, 1),
            rows=rows,
            message=f"{held:,} of {rows:,} rows of {source}/{feed} are held back: silver/quarantine has each with "
            "its reason.",
            about=f"{source}/{feed}",
        )
    return failed_or_one("quarantine", found, "few rows or none are held back")


def received_rows(counts: Mapping[str, Any]) -> int:
    """Rows that a feed brought up to the night of ``counts``, its row of silver/outcomes."""
    return int(counts["bronze_rows"]) + int(counts.get("history") or 0)


def secrets(project: Project, batches: Iterable[Batch], tonight: Collection[str]) -> list[Verdict]:
    """``secrets``: credentials that a source delivered; they were not stored."""
    said = []
    for b in batches:
        columns, rows = b.get("secret_columns") or (), int(b.get("secrets") or 0)
        if b["batch_id"] in tonight and (columns or rows):
            parts = [f"column {name}" for name in columns] + ([f"a value in {rows:,} rows"] if rows else [])
            said.append((b["source"], f"{b['file']} has {', '.join(parts)}"))
    hint = (
        "looks like credentials and was not stored. Have the source stop sending it and change what was sent."
    )
    return by_source(project, "secrets", said, hint)


def late_files(project: Project, batches: Iterable[Batch], tonight: Collection[str]) -> list[Verdict]:
    """``late_files``: files dated on or before the newest release."""
    late = [(b["source"], b["file"]) for b in batches if b["batch_id"] in tonight and b["is_late"]]
    return by_source(
        project, "late_files", late, "dated on or before the newest release, applied at that date's place."
    )


def cut_off(project: Project, batches: Iterable[Batch], tonight: Collection[str]) -> list[Verdict]:
    """``cut_off``: text files that end in the middle of a row, as those do of which only a part was transferred."""
    cut = [(b["source"], b["file"]) for b in batches if b["batch_id"] in tonight and b.get("is_cut_off")]
    hint = (
        "cut off in the middle of a row, which is held back; what followed may be missing. Have it delivered again, whole, "
        "under the same name."
    )
    return by_source(project, "cut_off", cut, hint)


def new_columns(project: Project, batches: Iterable[Batch], tonight: Collection[str]) -> list[Verdict]:
    """``new_columns``: columns that no feed declares."""
    new = [
        (b["source"], f"{b['file']} has {', '.join(told_names(b['new_columns']))}")
        for b in batches
        if b["batch_id"] in tonight and b["new_columns"]
    ]
    return by_source(project, "new_columns", new, "landed, not used; declare them in conf/sources.")


def freshness(
    project: Project, batches: pa.Table | None, sources: Mapping[str, Source], business_date: date
) -> list[Verdict]:
    """``freshness``: days by which the newest delivery of a source, or of a feed with a cadence of its own, is older than that.

    ``bounds: {freshness: {fail: 2}}`` refuses to publish from the third day on. What is
    irregular, or never delivered, is not late. ``batches`` under the names that sources have now.
    """
    found: list[Verdict] = []
    for kept in punctuality(batches, sources, business_date):
        late = kept.days_late
        found += graded(
            project,
            "freshness",
            value=late,
            rows=1,
            message=f"{kept.about} delivered last on {kept.last}, {late} day{'' if late == 1 else 's'} past its cadence "
            f"of {kept.cadence_days}: what rests on it is marked is_stale. Ask {sources[kept.source].owner}.",
            about=kept.about,
        )
    return failed_or_one("freshness", found, "every source is within its cadence")


def future_date(project: Project, business_date: date, today: date) -> list[Verdict]:
    """``future_date``: days by which the night's date is ahead of the clock."""
    return verdict(
        project,
        "future_date",
        value=max((business_date - today).days, 0),
        bound=0,
        message=f"the night's date {business_date} is ahead of the clock ({today}): is the landing folder's date "
        "right, or the clock of this machine wrong? Released, all nights before it could not be run any more. If it is right, set "
        "gates.future_date to warn in conf/padron.yml.",
    )

"""How long a night takes to assign ids and to audit them, by the size of the register and by what changed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipelines.identity.assign import Identity
from pipelines.identity.audit import audit
from pipelines.identity.build import build_identity
from pipelines.identity.changes import CHANGES
from pipelines.identity.frames import FEW
from pipelines.identity.tables import ASSIGNMENTS, EVENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.touched_records import TOUCHED_RECORDS
from pipelines.night import IDENTITY
from pipelines.ops.speed.figures import Verdict
from pipelines.ops.speed.made_register import made_night
from pipelines.ops.speed.page import machine, verdict_row
from pipelines.queries import Say, at_once, no_rows, silent
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.ops.speed.config import IdBench
    from pipelines.tables import Table

Versions = dict[str, int]
FIRST = date(2026, 7, 1)
WRITTEN = (*IDENTITY, CHANGES)
BEGIN, END = "<!-- padron bench ids: written by the command -->", "<!-- end of padron bench ids -->"
COLUMNS = ("Records", "Changed", "Events", "Assigning s", "Audit s")


@dataclass(frozen=True)
class IdNight:
    """A night of a register, measured some times."""

    records: int
    changed: float
    """Share of people that something happened to."""
    events: int
    assigning: tuple[float, ...]
    """Seconds from the tables that are read to those that are written."""
    auditing: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return statistics.median(self.assigning)

    def row(self) -> tuple[str, ...]:
        """A line of the table, in ``COLUMNS``."""
        audited = statistics.median(self.auditing)
        figures = (f"{self.events:,}", f"{self.seconds:,.1f}", f"{audited:,.1f}")
        return (f"{self.records:,}", f"{self.changed:.2%}", *figures)


def id_nights(
    spark: SparkSession, folder: str, conf: IdBench, repeat: int, say: Say = silent
) -> Iterator[IdNight]:
    """Every size of ``conf`` with every share of change, the smallest size first.

    Each starts from the same first night; the tables are made in ``folder`` and go. Times are of a session that is warm:
    a night of the smallest size is thrown away before.
    """
    sizes = sorted(conf.sizes)
    with TemporaryDirectory(dir=folder) as kept:
        _Register(spark, f"{kept}/warm", sizes[0], silent).night(max(conf.changed), 1)
        for size in sizes:
            register = _Register(spark, f"{kept}/{size}", size, say)
            for share in sorted(conf.changed):
                yield register.night(share, repeat)
            rmtree(f"{kept}/{size}")


class _Register:
    """A register after its first night."""

    def __init__(self, spark: SparkSession, root: str, size: int, say: Say) -> None:
        self.spark, self.size, self.say = spark, size, say
        self.house = Warehouse(root)
        say(f"making a register of {size:,} records")
        self.first = self._made(0.0)
        built = self._assigned(self.first, {}, FIRST)
        self.base = self._written(built.tables, {})

    def night(self, changed: float, repeat: int) -> IdNight:
        """The night after it, ``repeat`` times."""
        tonight, day = self._made(changed), FIRST + timedelta(days=1)
        assigning, auditing, versions = [], [], self.base
        for number in range(1, repeat + 1):
            self.say(f"{self.size:,} records, {changed:.2%} changed, {number}/{repeat}")
            begun = time.perf_counter()
            versions = self._written(self._assigned(tonight, self.base, day).tables, self.base)
            assigned = time.perf_counter()
            self._audited(tonight, versions, day)
            assigning.append(assigned - begun)
            auditing.append(time.perf_counter() - assigned)
        events = self.house.rows(EVENTS.path, versions[EVENTS.path])
        events -= self.house.rows(EVENTS.path, self.base[EVENTS.path])
        return IdNight(self.size, changed, events, tuple(assigning), tuple(auditing))

    def _made(self, changed: float) -> Versions:
        made = made_night(self.spark, self.size, changed)
        return {table.path: self.house.write(table, frame, None) for table, frame in made.tables.items()}

    def _read(self, table: Table, versions: Versions) -> DataFrame:
        return self.house.read(self.spark, table, versions.get(table.path))

    def _identity(self, versions: Versions) -> Identity:
        return Identity(*[self._read(table, versions) for table in IDENTITY])

    def _assigned(self, tonight: Versions, base: Versions, day: date) -> Identity:
        nothing = no_rows(self.spark, DECISIONS.schema)
        return build_identity(
            self._read(CLUSTERS, tonight),
            self._touched(tonight) if base else None,
            self._read(CUSTOMER_RECORDS, tonight),
            self._read(CUSTOMER_RECORDS, self.first if base else {}),
            nothing,
            nothing,
            self._identity(base),
            day,
            pairs=self._read(SCORED_PAIRS, tonight),
            register=self.house.rows(ASSIGNMENTS.path, base.get(ASSIGNMENTS.path)),
        )

    def _touched(self, tonight: Versions) -> DataFrame | None:
        rows = self.house.rows(TOUCHED_RECORDS.path, tonight[TOUCHED_RECORDS.path])
        return self._read(TOUCHED_RECORDS, tonight) if rows <= FEW else None

    def _written(self, content: dict[str, DataFrame], base: Versions) -> Versions:
        def write(table: Table) -> int:
            return self.house.write(table, content[table.path], base.get(table.path))

        paths = [table.path for table in WRITTEN]
        return dict(zip(paths, at_once(write, WRITTEN), strict=True))

    def _audited(self, tonight: Versions, versions: Versions, day: date) -> None:
        clusters, live = self._read(CLUSTERS, tonight), self.house.rows(CLUSTERS.path, tonight[CLUSTERS.path])
        before, after = self._identity(self.base), self._identity(versions)
        found = audit(before, after, clusters, day, records=live).collect()
        broken = {row["invariant"]: row["violations"] for row in found if row["violations"]}
        if broken:
            raise AssertionError(f"The contract does not hold: {broken}")


def verdicts(found: Sequence[IdNight], conf: IdBench) -> list[Verdict]:
    """Whether as many changes take as long in a large register as in a small one."""
    if len(found) < 2:
        return []
    last = max(found, key=lambda night: (night.records, -night.changed))
    of_last = [night for night in found if night.records == last.records]
    made = []
    for night in of_last:
        for small in found:
            as_many = abs(small.records * small.changed / (night.records * night.changed) - 1) < 0.01
            if small.records < night.records and as_many:
                name = f"{night.changed:.2%} of {night.records:,} / {small.changed:.2%} of {small.records:,}"
                made.append(Verdict(name, conf.same_changes, True, night.seconds / small.seconds))
    return made


def markdown(found: Sequence[IdNight], conf: IdBench, repeat: int) -> str:
    """The nights, the bar and how it was measured."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'--:|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(night.row())} |" for night in found]
    lines += ["", "| Bar | Must | Measured | |", "|---|--:|--:|---|"]
    lines += [f"| {' | '.join(verdict_row(verdict))} |" for verdict in verdicts(found, conf)]
    lines += [
        "",
        f"{machine()}. A made register on Spark `local[*]`, the session warm, {repeat} of each, the median. Changed: the "
        "share of people who lose a record, get one, say something else, or come apart or join another. Assigning reads "
        "clusters, records, pairs and the register, and writes the five tables of identity. The register has one night "
        "behind it: no merges to be undone, no renames.",
    ]
    return "\n".join(lines) + "\n"


def as_dict(found: Sequence[IdNight], conf: IdBench) -> dict[str, Any]:
    """All nights and bars as plain values."""
    return {
        "machine": machine(),
        "conf": conf.model_dump(mode="json"),
        "nights": [asdict(night) for night in found],
        "bars": [verdict.as_dict() for verdict in verdicts(found, conf)],
    }

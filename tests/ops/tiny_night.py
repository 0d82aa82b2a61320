"""A night of five small stages, one a layer, on real Delta tables with the real runner and without Spark.

People are lines ``record_id,name`` of crm/contacts.csv; one name is one customer; ids come from a
counter that goes on from the prior state, so that whatever is lost or done twice shows in the tables.
As a program, ``tiny_night.py LANDING FOLDER`` runs a night for each stage, in a process of its own that is
killed inside that stage, and prints by which signal each was ended; the warehouses are FOLDER/STAGE.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
from deltalake.table import TableAlterer

from pipelines import files, standing_files, storage
from pipelines.bronze.batches import BATCHES
from pipelines.errors import PadronError
from pipelines.ops import lock, one_night, rehearsal, releases, repeat
from pipelines.ops import run as run_module
from pipelines.ops.run import Options, Outcome, run
from pipelines.settings import Settings, load_settings
from pipelines.stages import Content, Inputs, Stage
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import LONG, STRING, Column, Kind, Table

if TYPE_CHECKING:
    import pytest
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]
DAY = "2026-07-01"
"""The date of the first night."""
_ID, _NAME = Column("record_id", STRING, "The record."), Column("name", STRING, "Its name.")
_CUSTOMER = Column("customer", LONG, "The customer.")


_READ: dict[tuple[tuple[str, str], ...], Settings] = {}


def configured(folder: Path) -> Settings:
    """The configuration in ``folder``; the same content is read once, for that takes longer than a small night."""
    content = tuple((str(p.relative_to(folder)), p.read_text()) for p in sorted(folder.rglob("*.yml")))
    if content not in _READ:
        _READ[content] = load_settings(folder)
    return _READ[content]


def _table(layer: str, name: str, *columns: Column, kind: Kind = Kind.SNAPSHOT) -> Table:
    required = Column("about", STRING, "What the row is about.", required=True)
    return Table(layer, name, "One row.", ("about",), (required, *columns), "tests", kind)


CONTACTS = _table(
    "bronze", "crm_contacts", _ID, _NAME, Column("_batch_id", STRING, "File."), kind=Kind.APPEND
)
PEOPLE = _table("silver", "people", _ID, _NAME)
NAMES = _table("linkage", "names", _NAME)
OWNERS = _table("identity", "owners", _ID, _CUSTOMER)
LOG = _table("identity", "log", _ID, _CUSTOMER, kind=Kind.APPEND)
COUNTS = _table("gold", "counts", _CUSTOMER, Column("records", LONG, "Records."))
TOTALS = _table("gold", "totals", Column("records", LONG, "Records."))


def _arrow(table: Table, found: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(sorted(found, key=lambda r: r["about"]), schema=arrow_schema(table))


def _rows(content: pa.Table | None) -> list[dict[str, Any]]:
    return [] if content is None else content.to_pylist()


def _land(inputs: Inputs) -> Content:
    contacts, batches = [], []
    for file in inputs.night.files:
        text = files.read_text(file.uri)
        found = list(csv.DictReader(io.StringIO(text)))
        contacts += [{"about": r["record_id"], **r, "_batch_id": file.batch_id} for r in found]
        batches.append(
            {
                "batch_id": file.batch_id,
                "source": file.source,
                "feed": file.feed,
                "file": file.path,
                "digest": file.digest,
                "landing_date": file.landing_date,
                "business_date": inputs.night.business_date,
                "is_late": False,
                "is_snapshot": False,
                "rows": len(found),
                "ingested_at": inputs.night.started_at,
                "status": "landed",
            }
        )
    if not batches:
        return {}
    batch_rows = pa.Table.from_pylist(batches, schema=arrow_schema(BATCHES))
    return {CONTACTS.path: _arrow(CONTACTS, contacts), BATCHES.path: batch_rows}


def _silver(inputs: Inputs) -> Content:
    landed = {
        r["batch_id"]: r["landing_date"] for r in _rows(inputs.arrow(BATCHES)) if r["status"] == "landed"
    }
    contacts = [r for r in _rows(inputs.arrow(CONTACTS)) if r["_batch_id"] in landed]
    newest = {r["about"]: r for r in sorted(contacts, key=lambda r: landed[r["_batch_id"]])}
    people = [{k: r[k] for k in ("about", "record_id", "name")} for r in newest.values()]
    return {PEOPLE.path: _arrow(PEOPLE, people)}


def _link(inputs: Inputs) -> Content:
    names = {r["name"] for r in _rows(inputs.arrow(PEOPLE))}
    return {NAMES.path: _arrow(NAMES, [{"about": n, "name": n} for n in names])}


def _assign(inputs: Inputs) -> Content:
    before = {r["about"]: r["customer"] for r in _rows(inputs.previous_arrow(LOG))}
    last = max(before.values(), default=0)
    new = sorted({r["name"] for r in _rows(inputs.arrow(NAMES))} - before.keys())
    told = [{"about": n, "record_id": None, "customer": last + i} for i, n in enumerate(new, 1)]
    known = before | {r["about"]: r["customer"] for r in told}
    owners = [
        {"about": r["about"], "record_id": r["record_id"], "customer": known[r["name"]]}
        for r in _rows(inputs.arrow(PEOPLE))
    ]
    return {OWNERS.path: _arrow(OWNERS, owners), LOG.path: _arrow(LOG, told)}


def _counts(inputs: Inputs) -> Content:
    records: dict[int, int] = {}
    for row in _rows(inputs.arrow(OWNERS)):
        records[row["customer"]] = records.get(row["customer"], 0) + 1
    return {
        COUNTS.path: _arrow(
            COUNTS, [{"about": str(c), "customer": c, "records": n} for c, n in records.items()]
        )
    }


def _totals(inputs: Inputs) -> Content:
    window = inputs.settings.metrics.window_days
    return {TOTALS.path: _arrow(TOTALS, [{"about": f"{window} days", "records": inputs.rows(PEOPLE)}])}


STAGES = (
    Stage(
        "bronze.land", (BATCHES, CONTACTS), _land, previous=(BATCHES,), takes_files=True, conf=("sources",)
    ),
    Stage("silver.build", (PEOPLE,), _silver, reads=(BATCHES, CONTACTS), conf=("project", "sources")),
    Stage("linkage.link", (NAMES,), _link, reads=(PEOPLE,), conf=("linkage",)),
    Stage("identity.assign", (OWNERS, LOG), _assign, reads=(NAMES, PEOPLE), previous=(LOG,), conf=()),
    Stage("gold.counts", (COUNTS,), _counts, reads=(OWNERS,), conf=("metrics",)),
    Stage("gold.totals", (TOTALS,), _totals, reads=(PEOPLE,), conf=("metrics",)),
)


@dataclass
class Watch:
    """Who is told: keeps what was said, and which stages were run or reused."""

    said: list[str] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    nights: list[tuple[str, int, int]] = field(default_factory=list)
    """Of each night that began its run, files, and stages."""

    def warned(self, text: str) -> None:
        self.said.append(text)

    def night_started(self, night: Any, run_id: str, stages: int) -> None:
        self.nights.append((run_id, len(night.files), stages))

    def night_released(self, business_date: date, seconds: float) -> None: ...
    def started(self, stage: str) -> None: ...
    def doing(self, stage: str, text: str) -> None: ...
    def judged(self, stage: str, verdicts: Any) -> None: ...

    def ended(self, result: Any) -> None:
        self.stages[result.stage] = result.status


@dataclass
class Tiny:
    """A landing folder and a warehouse whose nights are these stages."""

    landing: Path
    warehouse: Path
    gates: dict[str, Any] = field(default_factory=dict)
    config: Path = ROOT / "conf"
    spark: SparkSession | None = None
    """What its stages get; these need none."""

    @property
    def house(self) -> Warehouse:
        return Warehouse(str(self.warehouse))

    def deliver(self, day: str, people: Mapping[str, str], name: str = "contacts.csv") -> Path:
        """crm/contacts of a date: name by record."""
        path = self.landing / day / "crm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["record_id,name", *(f"{record},{name}" for record, name in people.items())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run(self, watch: Watch | None = None, **asked: Any) -> Outcome:
        """``padron run``."""
        options = Options(str(self.landing), str(self.warehouse), **asked)
        settings = configured(self.config)
        return run(options, settings, lambda records=None: self.spark, watch or Watch())  # type: ignore[arg-type,return-value]

    def copied(self, folder: Path) -> Tiny:
        """The same shop with a warehouse of its own, in which everything is as it is here now."""
        shutil.copytree(self.warehouse, folder / "warehouse")
        return replace(self, warehouse=folder / "warehouse")

    def content(self) -> dict[str, list[dict[str, Any]]]:
        """What readers of the newest release see, without the time at which files came in."""
        tables = releases.required(self.house).tables
        found = {path: _rows(self.house.arrow(path, version)) for path, version in tables.items()}
        for row in found[BATCHES.path]:
            row.pop("ingested_at")
        return {path: sorted(rows, key=repr) for path, rows in found.items()}


def install(patch: Callable[[object, str, Any], None], stages: tuple[Stage, ...], gates: Any) -> None:
    """Make nights consist of ``stages`` and ``gates``."""
    patch(run_module, "stages", lambda _: list(stages))
    patch(one_night, "stages", lambda _: list(stages))
    patch(repeat, "stages", lambda _: list(stages))
    patch(one_night, "gates", lambda _: gates)
    patch(rehearsal, "gates", lambda _: gates)


def tiny(monkeypatch: pytest.MonkeyPatch, folder: Path, gates: dict[str, Any] | None = None) -> Tiny:
    """An empty shop whose nights are these stages."""
    made = Tiny(folder / "landing", folder / "warehouse", gates if gates is not None else {})
    install(monkeypatch.setattr, STAGES, made.gates)
    return made


def released(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tiny:
    """A shop with one released night, of the people 1 and 2."""
    made = tiny(monkeypatch, folder)
    made.deliver(DAY, {"1": "ana", "2": "eva"})
    made.run()
    return made


def with_conf(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tiny:
    """A shop with a first night to run, and a configuration of its own."""
    made = tiny(monkeypatch, folder)
    made.config = folder / "conf"
    shutil.copytree(ROOT / "conf", made.config)
    made.deliver(DAY, {"1": "ana", "2": "eva", "3": "ana"})
    return made


def stopped_at(shop: Tiny, stage: str) -> None:
    """A run that fails when ``stage`` has ended."""
    shop.gates[stage] = lambda inputs: 1 / 0
    try:
        shop.run()
    except PadronError:
        shop.gates.clear()
    else:
        raise AssertionError(f"{stage} did not fail")


def blocking(inputs: Inputs) -> list[dict[str, Any]]:
    """A gate that stops every night."""
    found = {"gate": "volume", "status": "blocked", "severity": "fail", "value": 2.0, "bound": 1.0}
    return [{**found, "message": "2 people."}]


COMMITS = (
    (storage, "write_deltalake"),
    (deltalake.DeltaTable, "create"),
    (deltalake.DeltaTable, "restore"),
    (deltalake.DeltaTable, "create_write_transaction"),
    (TableAlterer, "add_columns"),
    (TableAlterer, "add_constraint"),
    (TableAlterer, "set_table_properties"),
    (storage, "write_files"),
    (standing_files, "copy_rows"),
    (files, "write_text"),
)
"""Everything by which a night changes what is stored, but for the joining and deleting of its files."""


class Killed(BaseException):
    """The process is gone: nothing that it would do afterwards happens."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[list[str]]:
    """Everything is as if the process died when it had committed ``after`` times; the names of what it committed by."""
    done: list[str] = []

    def counted(name: str, commit: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(done) >= after:
                raise Killed
            made = commit(*args, **kwargs)
            done.append(name)
            return made

        return call

    # The lock's holder is this process; as the dead one it is not alive.
    monkeypatch.setattr(lock, "_alive", lambda pid: False)
    with monkeypatch.context() as patch:
        for owner, name in COMMITS:
            patch.setattr(owner, name, counted(name, getattr(owner, name)))
        yield done


def _killed(stage: Stage) -> Stage:
    """The stage, with a real SIGKILL when the first of its tables is written."""

    def written(inputs: Inputs) -> Content:
        content = dict(stage.run(inputs))
        first = next(table for table in stage.writes if table.path in content)
        inputs._warehouse.write(first, content[first.path], inputs.night.base.get(first.path))
        os.kill(os.getpid(), signal.SIGKILL)
        return content

    return replace(stage, run=written)


def _fork(landing: Path, folder: Path, victim: str) -> int:
    """Run a night in a process of its own that is killed inside the stage; the signal that ended it."""
    child = os.fork()
    if child == 0:
        shop = Tiny(landing, folder / victim)
        install(setattr, tuple(_killed(s) if s.name == victim else s for s in STAGES), {})
        shop.run()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    # Forked before anything has started a thread; the imports are paid for once.
    print(json.dumps({stage.name: _fork(*given, stage.name) for stage in STAGES}))  # noqa: T201 (its answer)

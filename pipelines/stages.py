"""What a stage of the night is: a function from tables to tables, and what it reads and writes.

Only the runner (``pipelines.ops``) reads and writes; a stage asks its inputs for frames and
returns frames, Arrow tables, or what changes of last night's table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from pipelines.queries import Say, at_once, computed_once, let_go, silent
from pipelines.storage import Warehouse
from pipelines.stored import TableRef
from pipelines.tables import Table

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.linkage.generations import Generation
    from pipelines.settings import Settings
    from pipelines.taken_over import TakenOver

K = TypeVar("K")


@dataclass(frozen=True)
class Night:
    """What is fixed when a night starts."""

    business_date: date
    run_id: str
    started_at: datetime
    landing: str
    files: tuple[Any, ...]
    """The landed files that the night takes in (``pipelines.bronze.landing.LandedFile``)."""
    base: Mapping[str, int]
    """Versions of the release that it builds on: the prior state of every table."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Versions, fixed when the night starts, of tables that no stage writes: what stewards decided."""
    base_date: date | None = None
    """Business date of that release; None before the first."""
    is_same_program: bool = False
    """True where that release was made by the code of now, and by all of the configuration of now that makes tables."""
    is_full: bool = False
    problems: tuple[str, ...] = ()
    """What else lies in the landing folder, a line each: unknown sources and feeds, stray files."""
    generation: Generation | None = None
    """The generation that the night adopts; None where it links by the one in use."""
    is_approved: bool = False
    """True where somebody saw what the adoption changes, and agreed."""

    @property
    def is_like_last(self) -> bool:
        """True where what did not change since the release that it builds on would be made the same again."""
        return self.is_same_program and not self.is_full and self.generation is None


class Shared:
    """Frames that several stages of a night make of the same tables: who asks first computes one, and the others wait for it."""

    def __init__(self) -> None:
        self._frames: dict[str, DataFrame] = {}
        self._making: defaultdict[str, Lock] = defaultdict(Lock)
        self._guard = Lock()

    def get(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """The frame of that name, ``computed_once``; of one that fails the next who asks tries again."""
        with self._guard:
            making = self._making[name]
        with making:
            if name not in self._frames:
                self._frames[name] = computed_once(make())
            return self._frames[name]

    def close(self) -> None:
        """Let go of them all; the runner does it when the night's stages have ended."""
        _let_go_of(self._frames.values())
        self._frames.clear()


def _let_go_of(frames: Iterable[DataFrame]) -> None:
    for frame in frames:
        # Where Spark is gone, how the stage ended is what there is to tell.
        with suppress(Exception):
            let_go(frame)


class Inputs:
    """What a stage may look at: tables of tonight, of the prior state, and the configuration."""

    def __init__(
        self,
        spark: SparkSession,
        warehouse: Warehouse,
        settings: Settings,
        night: Night,
        versions: Mapping[str, int],
        frames: dict[tuple[str, int | None], DataFrame],
        say: Say = silent,
        shared: Shared | None = None,
    ) -> None:
        self.spark = spark
        self.settings = settings
        self.night = night
        self.say = say
        """Tells who watches the night what a long stage is doing."""
        self.pages: dict[str, Callable[[], str]] = {}
        """What a stage leaves for people to read beside its tables: the path in the warehouse, what makes the page."""
        self._warehouse = warehouse
        self._versions = versions
        self._frames = frames
        self._kept: list[DataFrame] = []
        self._shared = shared or Shared()

    def _read(self, table: Table, version: int | None) -> DataFrame:
        key = (table.path, version)
        if key not in self._frames:
            self._frames[key] = self._warehouse.read(self.spark, table, version)
        return self._frames[key]

    def frame(self, table: Table) -> DataFrame:
        """The table as tonight's stages left it so far; empty where nothing was written yet."""
        return self._read(table, self._versions.get(table.path))

    def previous(self, table: Table) -> DataFrame:
        """The table in the prior state; empty before the first release."""
        return self._read(table, self.night.base.get(table.path))

    def ref(self, table: Table) -> TableRef | None:
        """The table's files at tonight's version, for a stage that reads Parquet itself."""
        version = self._versions.get(table.path)
        return None if version is None else self._warehouse.ref(table.path, version)

    def previous_ref(self, table: Table) -> TableRef | None:
        """The table's files in the prior state."""
        version = self.night.base.get(table.path)
        return None if version is None else self._warehouse.ref(table.path, version)

    def arrow(self, table: Table) -> pa.Table | None:
        """A small table of tonight as Arrow."""
        version = self._versions.get(table.path)
        return None if version is None else self._warehouse.arrow(table.path, version)

    def previous_arrow(self, table: Table) -> pa.Table | None:
        """A small table of the prior state as Arrow."""
        version = self.night.base.get(table.path)
        return None if version is None else self._warehouse.arrow(table.path, version)

    def dataset(self, table: Table) -> Dataset | None:
        """The table of tonight as files, for a query that streams them."""
        version = self._versions.get(table.path)
        return None if version is None else self._warehouse.dataset(table.path, version)

    def previous_dataset(self, table: Table) -> Dataset | None:
        """The table in the prior state as files, for a query that streams them."""
        version = self.night.base.get(table.path)
        return None if version is None else self._warehouse.dataset(table.path, version)

    def previous_fits(self, table: Table) -> bool:
        """True where the prior state has the table as it is declared now: an older program's may lack columns."""
        version = self.night.base.get(table.path)
        return version is not None and not self._warehouse.differences(table, version)

    def keep_all(self, frames: Mapping[K, DataFrame]) -> dict[K, DataFrame]:
        """``frames`` computed now, in the executors' memory or on their disks until the stage has ended.

        For what a stage uses more than once and is dear to compute again. An executor that is lost
        takes its part with it, and the stage is run again.
        """
        kept = dict(zip(frames, at_once(computed_once, frames.values()), strict=True))
        self._kept.extend(kept.values())
        return kept

    def keep(self, frame: DataFrame) -> DataFrame:
        """``keep_all`` of one frame."""
        return self.keep_all({None: frame})[None]

    def release(self) -> None:
        """Let go of what ``keep_all`` holds; the runner does it when the stage has ended."""
        _let_go_of(self._kept)
        self._kept.clear()

    def shared(self, name: str, make: Callable[[], DataFrame]) -> DataFrame:
        """What ``make`` makes of tables of tonight, computed once for all stages that ask for the ``name`` (``Shared``)."""
        return self._shared.get(name, make)

    def rows(self, table: Table) -> int:
        """Rows of the table as tonight's stages left it, by its log; 0 where there is none."""
        return self._warehouse.rows(table.path, self._versions.get(table.path))

    def previous_rows(self, table: Table) -> int:
        """Rows of the table in the prior state, by its log; 0 where there is none."""
        return self._warehouse.rows(table.path, self.night.base.get(table.path))

    def differences(self, table: Table) -> list[str]:
        """Where the table as tonight's stages left it is not what its declaration says."""
        version = self._versions.get(table.path)
        return [] if version is None else self._warehouse.differences(table, version)

    def exists(self, table: Table) -> bool:
        """True where tonight or an earlier night wrote the table."""
        return self._versions.get(table.path) is not None


Content = Mapping[str, "DataFrame | TakenOver | pa.Table"]


@dataclass(frozen=True)
class Stage:
    """One stage of the night.

    ``run`` returns content by ``layer/table``; a table of ``writes`` that it leaves out keeps
    its version. ``dated`` is False where the outputs do not depend on the business date, so
    that the stage is not run again while its inputs stay. ``settled`` is True where the same
    inputs on top of the prior state change nothing. ``conf`` names the parts of the configuration
    (``Settings.parts``, or ``CATALOGUE``) that it uses; None: all parts.
    """

    name: str
    writes: tuple[Table, ...]
    run: Callable[[Inputs], Content]
    reads: tuple[Table, ...] = ()
    previous: tuple[Table, ...] = ()
    dated: bool = True
    settled: bool = False
    takes_files: bool = False
    takes_generation: bool = False
    conf: tuple[str, ...] | None = None

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


@dataclass
class StageResult:
    """How a stage of a run ended."""

    stage: str
    status: str
    key: str
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    rows_in: int = 0
    rows_out: int = 0
    seconds: float = 0.0
    message: str | None = None
    code_digest: str | None = None
    conf_digest: str | None = None
    generation: str | None = None

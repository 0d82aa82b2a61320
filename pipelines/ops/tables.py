"""The tables of the operation: runs, stages, gates, releases, and the lock."""

from __future__ import annotations

from pipelines.column_types import map_of
from pipelines.tables import (
    BOOLEAN,
    DATE,
    DOUBLE,
    LONG,
    STRING,
    STRINGS,
    TIMESTAMP,
    Column,
    Kind,
    Personal,
    Table,
)

OWNER = "operations"
_RUN = Column("run_id", STRING, "Business date and attempt: 2026-07-01.1.", required=True)
_DATE = Column("business_date", DATE, "Date that the night publishes.", required=True)
VERSIONS = map_of(STRING, LONG)

RUNS = Table(
    layer="ops",
    name="runs",
    grain="One row a change of a run's state, from started to released.",
    key=("run_id", "at"),
    kind=Kind.APPEND,
    owner=OWNER,
    columns=(
        _RUN,
        _DATE,
        Column("at", TIMESTAMP, "When the state was reached.", required=True),
        Column(
            "status",
            STRING,
            "started, waiting (for the job of the next layer), stopped (by a gate), approved (what stopped it "
            "was agreed to), failed, rejected, released, or restored (an older release was gone back to).",
            required=True,
        ),
        Column("base_release", STRING, "Release that the night builds on; NULL for the first night."),
        Column(
            "inputs_digest", STRING, "Digest of the landed files' places in the landing folder and contents."
        ),
        Column("code_digest", STRING, "Digest of the program's code and libraries."),
        Column("libraries", map_of(STRING, STRING), "Name → version of what the program computed with."),
        Column("conf_digest", STRING, "Digest of the configuration."),
        Column("is_full", BOOLEAN, "True where everything was computed again from bronze."),
        Column("files", LONG, "Files taken in.", unit="files"),
        Column("late_files", LONG, "Files of them dated on or before the newest release.", unit="files"),
        Column("adopts", STRING, "Generation that the night adopts; NULL where it links by the one in use."),
        Column("seconds", DOUBLE, "Wall time since the start.", unit="s"),
        Column("message", STRING, "What stopped it, or who decided what and why, in one line."),
        Column("host", STRING, "Host of the driver."),
        Column("version", STRING, "Version of the program."),
    ),
)

STAGES = Table(
    layer="ops",
    name="stages",
    grain="One row a stage of a run that ended (done, reused or failed).",
    key=("run_id", "stage", "at"),
    kind=Kind.APPEND,
    owner=OWNER,
    columns=(
        _RUN,
        _DATE,
        Column("stage", STRING, "Name of the stage.", required=True),
        Column("at", TIMESTAMP, "When it ended.", required=True),
        Column("status", STRING, "done, reused (same inputs as before) or failed.", required=True),
        Column("stage_key", STRING, "Digest of everything that its outputs depend on."),
        Column("inputs", VERSIONS, "Versions of the tables that it read."),
        Column("outputs", VERSIONS, "Versions of the tables that it wrote."),
        Column(
            "rows_in", LONG, "Rows of the tables that it read, by their logs; files are none.", unit="rows"
        ),
        Column(
            "rows_out",
            LONG,
            "Rows of its outputs, by their logs; of tables that every night adds to, those that the night added.",
            unit="rows",
        ),
        Column("seconds", DOUBLE, "Wall time.", unit="s"),
        Column("message", STRING, "Why it failed, in one line."),
        Column("code_digest", STRING, "Digest of the code and libraries that its tables depend on."),
        Column("conf_digest", STRING, "Digest of the configuration that its tables depend on."),
        Column("generation", STRING, "Generation of linkage in force; NULL before the first."),
    ),
)

GATES = Table(
    layer="ops",
    name="gates",
    grain="One row a gate's verdict in a run, and one a verdict that somebody agreed to.",
    key=("run_id", "gate", "at"),
    kind=Kind.APPEND,
    owner=OWNER,
    columns=(
        _RUN,
        _DATE,
        Column("gate", STRING, "Name of the gate.", required=True),
        Column("at", TIMESTAMP, "When it was checked.", required=True),
        Column(
            "stage",
            STRING,
            "Stage after which it was checked, with all gates of that stage; the last time counts. NULL: checked by a version "
            "that did not note it.",
        ),
        Column(
            "status",
            STRING,
            "passed (after another verdict also where it asks nothing any more), warned, blocked, or approved: it would fail, "
            "and somebody agreed to it.",
            required=True,
        ),
        Column("severity", STRING, "What a failure does: warn or fail."),
        Column("value", DOUBLE, "What was measured."),
        Column("bound", DOUBLE, "What it may be at the most; above it the gate failed."),
        Column("fail_bound", DOUBLE, "Above this the night stops, where it is another bound."),
        Column("message", STRING, "What was found and what to do; no personal data."),
        Column("owner", STRING, "Who answers for what failed, where conf names somebody."),
    ),
)

RELEASES = Table(
    layer="ops",
    name="releases",
    grain="One row a change of a release's state; the newest row of a release_id holds.",
    key=("release_id", "at"),
    kind=Kind.APPEND,
    owner=OWNER,
    check="status IN ('released', 'withdrawn')",
    columns=(
        Column("release_id", STRING, "The run that made it.", required=True),
        _DATE,
        Column("at", TIMESTAMP, "When it was released or withdrawn.", required=True),
        Column(
            "tables", VERSIONS, "layer/table → version, of every table that readers may open.", required=True
        ),
        Column("status", STRING, "released or withdrawn.", required=True),
        Column("base_release", STRING, "Release that it was built on."),
        Column(
            "inputs_digest", STRING, "Digest of the landed files' places in the landing folder and contents."
        ),
        Column("code_digest", STRING, "Digest of the program's code and libraries."),
        Column("conf_digest", STRING, "Digest of the configuration."),
        Column("warnings", STRINGS, "What the night warned about."),
        Column("reason", STRING, "Why it was withdrawn, and by whom."),
    ),
)

LOCK = Table(
    layer="ops",
    name="lock",
    grain="One row: who holds the warehouse, if anybody.",
    key=(),
    owner=OWNER,
    columns=(
        Column("owner", STRING, "Token of the holder; NULL when free."),
        Column("run", STRING, "What the holder does."),
        Column("host", STRING, "Its host."),
        Column("pid", LONG, "Its process id."),
        Column("heartbeat_at", TIMESTAMP, "Last sign of life."),
    ),
)

CLAIMS = Table(
    layer="ops",
    name="claims",
    grain="One row a change of a review case: a steward opened it, let go of it, or could not decide.",
    key=("case_id", "session", "at"),
    kind=Kind.APPEND,
    owner="data stewards",
    check="state IN ('claimed', 'freed', 'unsure')",
    columns=(
        Column(
            "case_id",
            STRING,
            "source:record_id|source:record_id of the case.",
            Personal.PSEUDONYM,
            required=True,
        ),
        Column("at", TIMESTAMP, "When.", required=True),
        Column("state", STRING, "claimed (for half an hour at most), freed or unsure.", required=True),
        Column("session", STRING, "The steward's session.", required=True),
        Column("steward", STRING, "Who.", Personal.QUASI, required=True),
        Column(
            "reason", STRING, "Why it cannot be decided, in the steward's words; unsure only.", Personal.QUASI
        ),
    ),
)

CONFIGURATIONS = Table(
    layer="ops",
    name="configurations",
    grain="One row a configuration that a run had.",
    key=("conf_digest",),
    kind=Kind.APPEND,
    owner=OWNER,
    columns=(
        Column("conf_digest", STRING, "Digest of the configuration, as in ops/runs.", required=True),
        Column("at", TIMESTAMP, "When a run had it first.", required=True),
        Column(
            "content",
            STRING,
            "The configuration, as JSON by part, without secrets; of renamed keys a digest (rows from before that hold the "
            "keys).",
            Personal.PSEUDONYM,
            required=True,
        ),
    ),
)

UPKEEPS = Table(
    layer="ops",
    name="upkeeps",
    grain="One row an upkeep of the tables that ended.",
    key=("at",),
    kind=Kind.APPEND,
    owner=OWNER,
    columns=(
        Column("at", TIMESTAMP, "When it ended.", required=True),
        Column("releases", LONG, "Releases that there were.", required=True, unit="releases"),
    ),
)

OPS_TABLES = (RUNS, STAGES, GATES, RELEASES, CONFIGURATIONS, UPKEEPS, LOCK, CLAIMS)

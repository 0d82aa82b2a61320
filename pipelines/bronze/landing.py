"""The landing folder: which files lie there, and which of them are new.

``<landing>/<YYYY-MM-DD>/<source>/<feed>.<ext>``, also ``.gz``, also in parts ``<feed>-*.<ext>``.
Names that begin with ``.`` or ``_`` (markers of other tools) are passed over in silence.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from pipelines import files
from pipelines.access import reading
from pipelines.bronze.problems import Problem, warn
from pipelines.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.sources import Source

Format = Literal["delimited", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    "csv": "delimited",
    "tsv": "delimited",
    "txt": "delimited",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
}
"""What a file holds, by its extension. ``.json`` is JSON lines too: one object a line."""

READERS = 4
"""Files digested at once; hashing and reading leave the interpreter free."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"(?P<stem>.+)\.(?P<ext>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class LandedFile:
    """One file of a declared feed."""

    landing_date: date
    source: str
    feed: str
    name: str
    uri: str
    bytes: int
    """Size as stored."""
    digest: str
    """SHA-256 of the bytes as stored."""
    modified_at: datetime | None = None
    """When the storage says that it was last written; UTC."""

    @property
    def path(self) -> str:
        """Relative to the landing folder: the ``_file`` of its rows."""
        return f"{self.landing_date}/{self.source}/{self.name}"

    @property
    def batch_id(self) -> str:
        """Unique to a file's place and content: a correction under the same name is another batch."""
        return f"{self.landing_date}/{self.source}/{self.feed}/{self.digest[:12]}/{self.name}"

    @property
    def is_gzip(self) -> bool:
        return self.name.lower().endswith(".gz")

    @property
    def extension(self) -> str:
        """csv, jsonl, parquet …, without ``.gz``."""
        return _parts(self.name)[1]

    @property
    def format(self) -> Format:
        return FORMATS[self.extension]


@dataclass(frozen=True)
class Landing:
    """What lies in the landing folder up to a date, oldest first."""

    files: tuple[LandedFile, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Pending:
    """The landed files against what earlier nights took in. ``same_content`` is part of ``new``."""

    new: tuple[LandedFile, ...]
    redelivered: tuple[LandedFile, ...]
    rejected: tuple[LandedFile, ...]
    """Those of ``redelivered`` that went out with a night that somebody rejected."""
    same_content: tuple[LandedFile, ...]
    problems: tuple[Problem, ...]


def _parts(name: str) -> tuple[str, str]:
    """A file name's stem and extension in lower case; both without ``.gz``."""
    plain = name[:-3] if name.lower().endswith(".gz") else name
    found = _NAME.fullmatch(plain)
    return (found["stem"], found["ext"].lower()) if found else (plain, "")


def format_of(name: str) -> Format | None:
    """What a file of that name, or path, holds; None where nobody reads it."""
    return FORMATS.get(_parts(name.rpartition("/")[2])[1])


def _is_readable(name: str) -> bool:
    extension = _parts(name)[1]
    # Parquet compresses inside: its footer cannot be reached through gzip.
    return extension in FORMATS and not (extension == "parquet" and name.lower().endswith(".gz"))


def feed_of(stem: str, feeds: Iterable[str]) -> str | None:
    """The declared feed of ``<feed>`` or ``<feed>-<part>``: the longest whose name fits."""
    fitting = [feed for feed in feeds if stem == feed or stem.startswith(f"{feed}-")]
    return max(fitting, key=len, default=None)


def _day(name: str) -> date | None:
    if not _DATE.fullmatch(name):
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else "."


def discover(
    landing: str,
    sources: Mapping[str, Source],
    *,
    upto: date | None = None,
    known: pa.Table | None = None,
) -> Landing:
    """The files of declared feeds in folders dated up to ``upto`` (None: all), and what else lies there.

    ``known`` is bronze/batches: a file whose path, size and time of writing stand there keeps
    the digest from there, so that old nights are not read again. Raises UsageError where the
    landing folder does not exist, or where it or what lies there cannot be read.
    """
    try:
        with reading(landing):
            found = files.listing(landing, recursive=True)
    except FileNotFoundError:
        raise UsageError(
            f"The landing folder {landing} does not exist: check --landing "
            "(it holds folders named YYYY-MM-DD, one a night)."
        ) from None
    problems: dict[str, Problem] = {}
    landed_before = set() if known is None else set(known["file"].to_pylist())
    accepted: list[tuple[files.FileInfo, date, str, str]] = []
    for info in found:
        steps = info.path.split("/")
        if any(step.startswith((".", "_")) for step in steps):
            continue
        outcome = _place(steps, sources, upto)
        if isinstance(outcome, Problem) and info.path in landed_before:
            # Taken in when its source had this name.
            continue
        if isinstance(outcome, Problem):
            problems.setdefault(outcome.path, outcome)
        elif outcome is not None:
            accepted.append((info, *outcome))
    digests = _digests([info for info, *_ in accepted], known)
    landed = [
        LandedFile(day, source, feed, info.name, info.uri, info.size, digest, info.modified_at)
        for (info, day, source, feed), digest in zip(accepted, digests, strict=True)
    ]
    landed.sort(key=lambda f: (f.landing_date, f.source, f.feed, f.name))
    return Landing(tuple(landed), tuple(problems[path] for path in sorted(problems)))


def _place(
    steps: list[str], sources: Mapping[str, Source], upto: date | None
) -> tuple[date, str, str] | Problem | None:
    """Date, source and feed of a path; a problem where it is none; None where it is later than ``upto``."""
    path = "/".join(steps)
    if files.NO_CHARACTER in path:
        return warn("stray_file", path, "has a name that is not UTF-8; not taken in: rename it.")
    if len(steps) == 1:
        return warn("stray_file", path, "lies outside the folders <date>/<source>; not taken in.")
    day = _day(steps[0])
    if day is None:
        return warn("bad_date_folder", steps[0], "is no date (YYYY-MM-DD); nothing in it is taken in.")
    if upto is not None and day > upto:
        return None
    if len(steps) == 2:
        return warn("stray_file", path, "lies beside the source folders; not taken in.")
    source = sources.get(steps[1])
    if source is None:
        return warn(
            "unknown_source",
            f"{steps[0]}/{steps[1]}",
            f"no source of that name{_near(steps[1], sources)} Not taken in; declare it in conf/sources.",
        )
    if len(steps) > 3:
        return warn("stray_file", path, "lies in a folder inside the source's; not taken in.")
    stem, _ = _parts(steps[2])
    if not _is_readable(steps[2]):
        kinds = ", ".join(FORMATS)
        return warn(
            "stray_file", path, f"is not one of {kinds}, plain or .gz (no .parquet.gz); not taken in."
        )
    feed = feed_of(stem, source.feeds)
    if feed is None:
        return warn(
            "unknown_feed",
            path,
            f"{source.source} has no feed of that name{_near(stem, source.feeds)} "
            f"Not taken in; its feeds: {', '.join(sorted(source.feeds))}.",
        )
    return day, source.source, feed


def _digests(found: list[files.FileInfo], known: pa.Table | None) -> list[str]:
    remembered: dict[tuple[str, int, datetime], str] = {}
    if known is not None:
        for row in known.select(["file", "bytes", "modified_at", "digest"]).to_pylist():
            if row["modified_at"] is not None:
                remembered[row["file"], row["bytes"], row["modified_at"]] = row["digest"]

    def digest(info: files.FileInfo) -> str:
        same = None
        if info.modified_at is not None:
            same = remembered.get((info.path, info.size, micros(info.modified_at)))
        if same is not None:
            return same
        with reading(info.uri):
            return files.sha256(info.uri)

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(digest, found))


def micros(moment: datetime) -> datetime:
    """``moment`` in the precision that tables store, without pandas' subclass."""
    return datetime(
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
        moment.tzinfo,
    )


def pending(landing: Landing, known: pa.Table | None) -> Pending:
    """Which landed files no earlier night took in; ``known`` is bronze/batches, or None before the first.

    *Re-delivered* is the same source, feed, date, name and digest, rejected batches included.
    The same rows under another date or name are new, and warned about.
    """
    rows: list[dict[str, Any]] = [] if known is None else known.to_pylist()
    taken = {(r["file"], r["feed"], r["digest"]): r["status"] for r in rows}
    # An empty delivery is the same every day.
    first = {
        (r["source"], r["feed"], r["digest"]): r["file"]
        for r in sorted(rows, key=lambda r: str(r["file"]), reverse=True)
        if r["rows"] and r["status"] == "landed"
    }
    new, redelivered, rejected, same, problems = [], [], [], [], []
    for file in landing.files:
        status = taken.get((file.path, file.feed, file.digest))
        if status is not None:
            redelivered.append(file)
            if status == "rejected":
                rejected.append(file)
            continue
        new.append(file)
        content = (file.source, file.feed, file.digest)
        if content in first:
            same.append(file)
            problems.append(
                warn("same_content", file.path, f"has the content of {first[content]}; it is applied again.")
            )
        else:
            first[content] = file.path
    return Pending(tuple(new), tuple(redelivered), tuple(rejected), tuple(same), tuple(problems))

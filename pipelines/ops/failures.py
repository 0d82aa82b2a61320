"""What went wrong in a stage, in one line that holds no value of a record and says what to do."""

from __future__ import annotations

import re

from pipelines.errors import PadronError

FULL = ("No space left on device", "ENOSPC", "Disk quota exceeded")
LOST = ("CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND", "ExecutorLostFailure")
CHANGED = re.compile(r"FileChangedError: ([^\n]+?): was written again while the night ran")
"""As a worker of Python says it, whose error Spark passes on as text."""
CONFLICTS = ("CommitFailedError", "DELTA_CONCURRENT", "ConcurrentWriteException", "ConcurrentAppendException")


class StageFailed(PadronError):
    """A stage raised something unexpected; the message names its class and never its values."""


def kind(error: BaseException) -> str:
    """The class of an error, and Spark's own error condition where it has one."""
    condition = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    name = type(error).__name__
    found = condition() if callable(condition) else None
    return f"{name} {found}" if found else name


def told(error: BaseException) -> str:
    """The error as the record keeps it: a padron error's own line, else its kind and what it amounts to."""
    if isinstance(error, PadronError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped at the keyboard (Ctrl-C)"
    text, name = str(error), kind(error)
    if any(sign in text for sign in FULL):
        return f"the disk is full ({name})"
    if any(sign in text or sign in name for sign in CONFLICTS):
        return f"another writer committed to the same table ({name})"
    if (file := CHANGED.search(text)) is not None:
        return f"a file was written again while the night ran: {file[1]}"
    if any(sign in text or sign in name for sign in LOST):
        return f"more executors were lost than Spark can make up for ({name})"
    return name


def run_failed(error: BaseException) -> PadronError:
    """What is said of a run that failed where no stage was at work: at its start, or when it was released."""
    return PadronError(
        f"The run failed outside its stages: {told(error)}. The last release stands; run the same command again, "
        f"{_advice(told(error))}."
    )


def stage_failed(stage: str, error: BaseException) -> StageFailed:
    """What a run says about it."""
    what = told(error)
    return StageFailed(
        f"{stage} failed: {what}. Nothing was released; run the night again to resume here, {_advice(what)}."
    )


def _advice(what: str) -> str:
    if what.startswith("the disk"):
        return "when there is room"
    if what.startswith("another writer"):
        return "and let nothing but padron write to the warehouse"
    if what.startswith("more executors"):
        return "and look why they end: mostly spark.executor.memoryOverhead is too small"
    if what.startswith("a file"):
        return "when it is complete"
    return "with --debug for the whole error (it may show personal data)"

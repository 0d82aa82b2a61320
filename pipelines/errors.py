"""The errors that end a command with one clear line, and the exit code that goes with each."""

from __future__ import annotations


class PadronError(Exception):
    """An outcome that a person can act on; its text is shown, never a traceback."""

    exit_code = 1


class UsageError(PadronError):
    """Configuration or arguments are wrong; nothing was released."""

    exit_code = 2


class GateStopped(PadronError):
    """A gate stopped the release; the last release stands."""

    exit_code = 3


class UnusableFiles(GateStopped):
    """Files that were delivered cannot be read, or break what was agreed; nothing was landed."""

    def __init__(self, text: str, files: int) -> None:
        super().__init__(text)
        self.files = files


class LockHeld(PadronError):
    """Another run holds the warehouse's lock."""

    exit_code = 4

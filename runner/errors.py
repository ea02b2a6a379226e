"""The one tree of errors, and the one table of exit codes.

Every error a user can meet is a `RetrainError`: `message` is one sentence on what happened, `hint` one on what to do
next. The class decides the exit code. Nothing else in the program calls `sys.exit` with a number of its own.
"""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a process ends with; the table stands in README.md under "Exit codes"."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MANIFEST = 3
    HELD = 4
    UNFINISHED = 5
    LOCKED = 6
    STATE = 7
    UNKNOWN = 8
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class Kind(StrEnum):
    """Where the trouble of one failed model lies; `kind` of its error in the report."""

    CREDENTIALS = "credentials"
    DATA = "data"
    SERVICE = "service"
    TRAINING = "training"
    RESULT = "result"
    NETWORK = "network"
    CONFIG = "config"


class RetrainError(Exception):
    """An error told to the user as `message` (what happened) and `hint` (what to do next)."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class UsageError(RetrainError):
    """The command was called in a way that cannot work (exit 2)."""

    exit_code = ExitCode.USAGE


class LockedError(RetrainError):
    """Another run holds the state (exit 6)."""

    exit_code = ExitCode.LOCKED


class StateError(RetrainError):
    """The state is unreadable, foreign, tampered with, stale or cannot be written (exit 7)."""

    exit_code = ExitCode.STATE


class ModelError(RetrainError):
    """One model cannot go on in this run; the others can. `kind` goes into the report."""

    def __init__(self, kind: Kind, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind

"""The one tree of errors, and the one table of exit codes.

Every error a user can meet is a `RetrainError`: `message` is one sentence on what happened, `hint` one on what to do
next. The class decides the exit code. Nothing else in the program calls `sys.exit` with a number of its own.
"""

import errno
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple


class ExitCode(IntEnum):
    """What a process ends with; `EXIT_TABLE` says what each means."""

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


class ExitRow(NamedTuple):
    """One row of the table: `meaning` as the documents show it, `phrase` as a report says it of its run."""

    meaning: str
    phrase: str


def _row(meaning: str, *, phrase: str = "") -> ExitRow:
    return ExitRow(meaning=meaning, phrase=phrase or meaning)


# docs/reference/exit-codes.md and README.md show these rows; a test compares them.
EXIT_TABLE: Mapping[ExitCode, ExitRow] = MappingProxyType(
    {
        ExitCode.OK: _row(
            "all done: switched, unchanged, skipped, or waiting for an approval the policy asks for", phrase="all done"
        ),
        ExitCode.FAILED: _row(
            "at least one model failed (in a plan: would fail), or a result could not be printed",
            phrase="at least one model failed",
        ),
        ExitCode.USAGE: _row(
            "wrong usage, no model selected, or changes pending or decisions that would flip (`--detailed-exitcode`)",
            phrase="wrong usage",
        ),
        ExitCode.MANIFEST: _row("the manifest is invalid"),
        ExitCode.HELD: _row(
            "a policy held a candidate back (`--allow-held` makes it 0)", phrase="a policy held a candidate back"
        ),
        ExitCode.UNFINISHED: _row(
            "unfinished: still training at its deadline, ended by SIGHUP, or the state's store cannot be "
            "reached; the next run continues",
            phrase="unfinished, the next run continues",
        ),
        ExitCode.LOCKED: _row("another run holds the state"),
        ExitCode.STATE: _row(
            "the state is foreign, damaged, tampered with or cannot be written, or a plan or a decision is stale",
            phrase="the state is in conflict",
        ),
        ExitCode.UNKNOWN: _row(
            "the result of an effect is unknown; a person must look",
            phrase="the result of a request is unknown, a person must look",
        ),
        ExitCode.BUG: _row("an internal error", phrase="an internal error"),
        ExitCode.INTERRUPTED: _row("stopped by SIGINT", phrase="interrupted"),
        ExitCode.TERMINATED: _row("stopped by SIGTERM", phrase="terminated"),
    }
)
# Where several apply to a run, the first of these wins; a signal's code is above all but a bug.
PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.UNKNOWN,
    ExitCode.STATE,
    ExitCode.FAILED,
    ExitCode.UNFINISHED,
    ExitCode.HELD,
    ExitCode.OK,
)


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


MEMORY_HINT = (
    "Raise the limit (`ulimit -v`, the container's), or use a machine with more memory; nothing was half-written."
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the machine had no memory left, also where the system or the loader of modules says so."""
    match error:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return True
        case ImportError():
            return any(words in str(error) for words in ("Cannot allocate memory", "failed to map segment"))
        case _:
            return False


def too_large(path: object) -> StateError:
    """Return the error of a state that does not fit into memory."""
    return StateError(f"{path} needs more memory than there is.", hint=MEMORY_HINT)


class HangUpError(BaseException):
    """SIGHUP ended the command (exit 5); like KeyboardInterrupt no `Exception`, so that nothing continues after it."""


class ModelError(RetrainError):
    """One model cannot continue in this run; the others can. `kind` goes into the report."""

    def __init__(self, kind: Kind, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind

"""From what became of the models to the process's exit code: the one place where that is decided."""

from collections.abc import Iterable

from runner.errors import PRECEDENCE, ExitCode
from runner.journal.events import ModelFinished, Outcome

_BY_OUTCOME: dict[Outcome, ExitCode] = {
    "switched": ExitCode.OK,
    "unchanged": ExitCode.OK,
    "awaiting_approval": ExitCode.OK,
    "skipped": ExitCode.OK,
    "held": ExitCode.HELD,  # in the run that judged it
    "training": ExitCode.UNFINISHED,
    "failed": ExitCode.FAILED,
    "unknown": ExitCode.UNKNOWN,
}
_BY_SIGNAL = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.UNFINISHED}


def exit_code(ends: Iterable[ModelFinished], *, bugs: bool, stopped: str | None, allow_held: bool) -> ExitCode:
    """Return the exit code of a run; a signal's own code stands above all but a bug of ours."""
    if bugs:
        return ExitCode.BUG
    if stopped in _BY_SIGNAL:
        return _BY_SIGNAL[stopped]
    codes = {ExitCode.OK if end.still_held else _BY_OUTCOME[end.outcome] for end in ends}
    if allow_held:
        codes.discard(ExitCode.HELD)
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)

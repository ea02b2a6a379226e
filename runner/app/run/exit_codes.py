"""From what became of the models to the process's exit code: the one place where that is decided."""

from collections.abc import Iterable

from runner.errors import PRECEDENCE, ExitCode
from runner.journal.events import ModelFinished
from runner.journal.outcomes import OUTCOMES

_BY_SIGNAL = {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.UNFINISHED}


def exit_code(ends: Iterable[ModelFinished], *, bugs: bool, stopped: str | None, allow_held: bool) -> ExitCode:
    """Return the exit code of a run; a signal's own code stands above all but a bug of ours."""
    if bugs:
        return ExitCode.BUG
    if stopped in _BY_SIGNAL:
        return _BY_SIGNAL[stopped]
    codes = {ExitCode.OK if end.still_held else OUTCOMES[end.outcome].exit_code for end in ends}
    if allow_held:
        codes.discard(ExitCode.HELD)
    return next((code for code in PRECEDENCE if code in codes), ExitCode.OK)

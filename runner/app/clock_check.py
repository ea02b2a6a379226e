"""Whether this machine's clock can be the one that the journal was written by."""

from collections.abc import Callable
from datetime import UTC, datetime

from runner.journal.instants import NOTICED, moment, seconds_text
from runner.journal.progress import Progress

Warn = Callable[[str], None]


def silent(_text: str) -> None:
    """Tell nobody."""


def warn_of_future(progress: Progress, warn: Warn) -> None:
    """Warn where the journal's last event lies in the future of this machine's clock, by more than a minute."""
    now, last = datetime.now(UTC), progress.last_at
    if last is None or moment(last) - now <= NOTICED:
        return
    warn(
        f"The journal's last event is of {seconds_text(moment(last))}, and this machine's clock shows "
        f"{seconds_text(now)}: one of the machines that use this state has a wrong clock. Set them by a time server."
    )

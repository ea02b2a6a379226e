"""Whether this machine's clock can be the one that the journal was written by."""

from collections.abc import Callable
from datetime import UTC, datetime

from runner.lib.timestamps import NOTICED, moment, seconds_text

Warn = Callable[[str], None]


def silent(_text: str) -> None:
    """Tell nobody."""


def warn_of_future(last: str | None, warn: Warn) -> None:
    """Warn where the stamp of a journal's last event lies in the future of this machine's clock, by over a minute."""
    now = datetime.now(UTC)
    if last is None or moment(last) - now <= NOTICED:
        return
    warn(
        f"The journal's last event is of {seconds_text(moment(last))}, and this machine's clock shows "
        f"{seconds_text(now)}: one of the machines that use this state has a wrong clock. Set them by a time server."
    )

"""What the executor needs from outside, as types: the clock and the keys; the provider is `runner.providers.base`.

The composition root hands in the real ones; the simulator of the tests hands in its own and drives the same code.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from runner.journal.events import ApprovalSource
from runner.lib.secrets import Secret
from runner.manifest.model import Approval, Model


class Clock(Protocol):
    """Time as the executor sees it."""

    def now(self) -> datetime:
        """Return the aware UTC wall-clock time, for the journal and for comparing with earlier runs."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for waiting."""


class Keys(Protocol):
    """Where API keys come from."""

    def model_key(self, model: Model) -> Secret:
        """Return the model's API key; raises ModelError when it cannot be had."""

    def asks_service(self, model: Model) -> bool:
        """Return whether the model's API key is had by a call of the service."""

    def end_date(self, model: Model) -> str | None:
        """Return when the model's fetched key ends, in the service's own words; None where it was not fetched."""

    def account_key(self, model: Model) -> Secret | None:
        """Return the account's secret key where the manifest names one."""


StillLocked = Callable[[], bool]  # whether this run still holds the state


def always_locked() -> bool:
    """Tell that the state is held, where nobody else can take it."""
    return True


Provenance = Callable[[Approval], ApprovalSource]  # where an approval in the folder comes from

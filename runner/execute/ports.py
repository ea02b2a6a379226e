"""What the executor needs from outside, as types: the service, the clock, the keys.

The composition root hands in the real ones; the simulator of the tests hands in its own and drives the same code.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from runner.journal.events import ApprovalSource
from runner.manifest.model import Approval, Model
from runner.secret import Secret
from runner.service.outcomes import Classifier, Downloaded, Effect, Job, Status
from runner.service.upload_body import Watch
from runner.sums import Sum


class Service(Protocol):
    """The calls of the service; `runner.service.client.Client` is the real one."""

    def take_job(self, key: Secret, filename: str) -> Job:
        """Return a new job id with its upload URL."""

    def status(self, key: Secret, retrain_job_id: str) -> Status:
        """Return the state of a job."""

    def upload(self, url: Secret, file: Path, *, content: Sum, watch: Watch) -> Effect:
        """Send the file with exactly one PUT; where `watch` forbids its end, the store has a part that is no upload."""

    def download(self, url: Secret, target: Path, *, limit: int) -> Downloaded:
        """Store the result file at `target`, whole or not at all."""

    def switch(self, key: Secret, retrain_job_id: str) -> Effect:
        """Make the job's model the published one, with exactly one PUT."""

    def classifiers(self, key: Secret) -> tuple[Classifier, ...]:
        """Return the classifiers that this key may list, each with the model it serves now."""


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
        """Tell whether the model's API key is had by a call of the service."""

    def account_key(self, model: Model) -> Secret | None:
        """Return the account's secret key where the manifest names one."""


Holds = Callable[[], bool]  # whether this run still holds the state


def unfenced() -> bool:
    """Tell that the state is held, where nobody else can take it."""
    return True


Trace = Callable[[Approval], ApprovalSource]  # where a word in the approvals folder comes from

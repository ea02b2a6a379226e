"""A retrain job and a hosted model as they are at one moment."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from emulator.condition import Condition
from emulator.profile import IdForm


class Phase(StrEnum):
    """The status of a retrain job, in the service's words.

    Documented is `job_finished` alone. The others are assumptions: a job can be read before its upload is complete and
    says `waiting_for_upload`, then `training`; a training that cannot be done ends as `job_failed`.
    """

    WAITING = "waiting_for_upload"
    TRAINING = "training"
    FINISHED = "job_finished"
    FAILED = "job_failed"


class Job(Struct, frozen=True, kw_only=True):
    """One retrain job; times are RFC 3339 in UTC, `visible_at` is a Unix time before which its end is not shown."""

    retrain_job_id: str
    model: str
    filename: str
    phase: Phase
    message: str | None
    metrics: Mapping[str, float] | None
    model_id: int | None
    issued: str
    started: str | None
    finished: str | None
    visible_at: float
    deleted: bool

    def shown_phase(self) -> Phase:
        """Return the phase a client sees now; a fault may hold the end of a training back."""
        ended = self.phase in (Phase.FINISHED, Phase.FAILED)
        return Phase.TRAINING if ended and time.time() < self.visible_at else self.phase


class Account(Struct, frozen=True, kw_only=True):
    """What changes about a hosted model: its id, the job in service, a condition, and how often it was switched."""

    name: str
    model_id: int
    serving_job: str | None
    condition: Condition | None
    switches: int


def shown_id(retrain_job_id: str, form: IdForm) -> str | int:
    """Return a job's id as the service shows it."""
    match form:
        case "hex":
            return retrain_job_id
        case "uuid":
            return str(uuid.UUID(retrain_job_id))
        case "integer":
            return int(retrain_job_id, 16)


def stored_id(text: str, form: IdForm) -> str:
    """Return the id under which a job is kept, for the text of a request; any other text stays as it is."""
    if form == "uuid" and len(text) == 36:
        return text.replace("-", "")
    if form == "integer" and text.isascii() and text.isdigit() and len(text) < 20:
        return f"{int(text):032x}"
    return text


def now_text() -> str:
    """Return the time as RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")

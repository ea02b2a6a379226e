"""`retrain status`: where every model stands, by the journal alone."""

from datetime import datetime

from msgspec import Struct

from runner.app.plan import read_progress
from runner.journal.job import IN_FLIGHT, Job, JobStage
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import RunRecord
from runner.plan.evidence import Evidence, evidence


class ModelStatus(Struct, frozen=True, kw_only=True):
    """One model's line; job ids are None where there is no such job.

    `rolled_back_from` is the job a person turned back from to the one that serves, `rolled_back_by` that person, and
    `rollback_due` a job that a person wants to serve again and that does not yet. `evidence` is there for a candidate
    that waits or is held.
    """

    name: str
    service: str
    incumbent: str | None
    incumbent_since: datetime | None
    rolled_back_from: str | None
    rolled_back_by: str | None
    rollback_due: str | None
    in_flight: str | None
    stage: str | None
    waiting: str | None
    switch_due: str | None
    held: str | None
    last_outcome: str | None
    last_reason: str | None
    last_at: datetime | None
    evidence: Evidence | None = None


class Status(Struct, frozen=True, kw_only=True):
    """All models, in order of their first appearance, and the last run."""

    models: tuple[ModelStatus, ...]
    last_run: RunRecord | None


def status(state: str) -> Status:
    """Return where every model stands.

    Raises:
        StateError: the journal is missing, foreign or damaged.
    """
    progress = read_progress(state)
    models = tuple(_model(realm, name, one) for (realm, name), one in progress.models.items())
    return Status(models=models, last_run=next(reversed(progress.runs.values()), None))


def _model(realm: str, name: str, progress: ModelProgress) -> ModelStatus:
    last, incumbent, end = progress.current, progress.incumbent, progress.last_outcome
    flying = last if last and (last.stage in IN_FLIGHT or last.stage == JobStage.SWITCHING) else None
    return ModelStatus(
        name=name,
        service=realm,
        incumbent=incumbent.retrain_job_id if incumbent else None,
        incumbent_since=incumbent.switched_at if incumbent else None,
        rolled_back_from=incumbent.rollback.fact.from_job_id if incumbent and incumbent.rollback else None,
        rolled_back_by=incumbent.rollback.fact.by if incumbent and incumbent.rollback else None,
        rollback_due=last.retrain_job_id if last and last.rollback and progress.serving.wanted else None,
        in_flight=flying.retrain_job_id if flying else None,
        stage=str(flying.stage) if flying else None,
        waiting=_candidate(last, "await_approval"),
        switch_due=_candidate(last, "switch"),
        held=_candidate(last, "hold"),
        last_outcome=end.outcome if end else None,
        last_reason=end.reason if end else None,
        last_at=progress.last_outcome_at,
        evidence=evidence(progress, last) if last and last.rests_with in ("await_approval", "hold") else None,
    )


def _candidate(job: Job | None, action: str) -> str | None:
    """Return the id of a candidate that rests with this decision."""
    return job.retrain_job_id if job is not None and job.rests_with == action else None

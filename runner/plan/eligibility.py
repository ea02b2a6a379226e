"""Which jobs may still be switched to, and which stored results are still needed. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from runner.journal.model_progress import AcceptedLoss, ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import IN_FLIGHT, VOID, JobStage, RetrainJob, Review, RollbackPoint
from runner.journal.stored import StoredFile, removal_of
from runner.manifest.durations import duration_text


def withdrawn(progress: ModelProgress, job: RetrainJob) -> RollbackPoint | None:
    """Return the turn back that speaks against a job.

    It was turned back from itself, or it was trained on the same data content and begun by then: the doubt is about
    the data, and a training that was under way must not bring the same model back. One that was begun later was wanted.
    """
    for name, departure in progress.serving.left.items():
        if job.retrain_job_id == name:
            return departure
        other = progress.jobs.get(name)
        same = other is not None and other.dataset_sha256 == job.dataset_sha256
        if same and not progress.is_older(departure.newest, job.retrain_job_id):
            return departure
    return None


def blocked_data(progress: ModelProgress, dataset_sha256: str) -> RollbackPoint | None:
    """Return the turn back that speaks against the newest job of a data content."""
    if not progress.serving.left:
        return None
    jobs = (job for job in progress.newest_jobs if job.stage not in VOID)
    newest = next((job for job in jobs if job.dataset_sha256 == dataset_sha256), None)
    return withdrawn(progress, newest) if newest else None


def blocked(progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return why only a person may let the candidate take over, as a clause; None when nothing is in the way.

    An approval that was forced has settled that.
    """
    if job.review is not None and job.review.fact.forced:
        return None
    if job.rejection is not None:
        return was_rejected(job, job.rejection)
    departure = withdrawn(progress, job)
    if departure is not None:
        return turned_back(departure)
    if progress.loss is not None:
        return f"{history_lost(progress.loss)}, and a newer job may have been switched to in them"
    return _overtaken(progress, job)


def _overtaken(progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return that a newer job than the candidate was switched to, as a clause."""
    incumbent = progress.incumbent
    if incumbent is None or progress.served is not None:
        return None
    if progress.is_older(job.retrain_job_id, incumbent.retrain_job_id):
        return f"candidate {job.retrain_job_id} is older than job {incumbent.retrain_job_id}, the last one switched to"
    return None


def history_lost(loss: AcceptedLoss) -> str:
    """Return who accepted that events are lost and when, as a clause."""
    return f"events of the journal are lost, which {loss.fact.by} accepted on {loss.at:%Y-%m-%d}"


def was_rejected(job: RetrainJob, rejection: Review) -> str:
    """Return who rejected a candidate and why, as a clause."""
    why = rejection.fact.reason or "no reason given"
    return f"candidate {job.retrain_job_id} was rejected by {rejection.fact.by} ({why})"


def turned_back(departure: RollbackPoint) -> str:
    """Return who turned back from a job and why, as a clause about its data."""
    why = departure.reason or "no reason given"
    return f"the data is that of job {departure.from_job_id}, from which {departure.by} turned back ({why})"


Place = tuple[str, str]  # service and name of a model

_ROLLBACK_REACH = 2  # jobs that served last: the incumbent, and the one that a rollback leads to
_UNSETTLED = IN_FLIGHT | {JobStage.SWITCHING}


class Keep(Struct, frozen=True, kw_only=True):
    """What stays: the newest `count` results of each model, and all that are younger than `age`; None keeps none."""

    count: int | None = None
    age: timedelta | None = None

    def __str__(self) -> str:
        parts = [
            *([] if self.count is None else [f"not among the newest {self.count} of its model"]),
            *([] if self.age is None else [f"older than {duration_text(self.age)}"]),
        ]
        return " and ".join(parts)


def prunable(
    progress: Progress, keep: Keep, now: datetime, *, models: Collection[Place] | None = None
) -> list[StoredFile]:
    """Return the results to remove, oldest first, of these models or of all.

    What stays whatever `keep` says: results of the newest run; of the job that serves and the one before it; of each
    model's newest job, and of any that is not settled: a candidate that waits or is held, or a job whose upload, result
    or switch is open.
    """
    needed, owners, counts = needed_paths(progress), _owners(progress), Counter[Place]()
    found: list[StoredFile] = []
    for result in reversed(progress.results.values()):
        owner = owners.get(result.fact.path)
        place = owner or (result.service, result.model)
        if owner is not None:
            counts[owner] += 1
        if removal_of(progress.removed, result.fact) is not None or result.fact.path in needed:
            continue
        beyond = keep.count is None or owner is None or counts[owner] > keep.count
        old = keep.age is None or now - result.at > keep.age
        if beyond and old and (models is None or place in models):
            found.append(result)
    return found[::-1]


def _owners(progress: Progress) -> dict[str, Place]:
    """Return the model, by its name now, of each job's result; a result that came again stands for the job alone."""
    return {
        job.result.path: place
        for place, model in progress.models.items()
        for job in model.jobs.values()
        if job.result is not None
    }


def needed_paths(progress: Progress) -> set[str]:
    """Return the paths of results that stay, whatever their number and age."""
    return set(_needed(progress))


def _needed(progress: Progress) -> Iterator[str]:
    newest = next(reversed(progress.runs), None)
    yield from (path for path, result in progress.results.items() if result.run_id == newest)
    for model in progress.models.values():
        yield from (job.result.path for job in _needed_jobs(model) if job.result is not None)


def _needed_jobs(model: ModelProgress) -> Iterator[RetrainJob]:
    yield from (job for job in (model.incumbent, model.current, model.last) if job is not None)
    reach = list(dict.fromkeys(reversed(model.serving.ids)))[:_ROLLBACK_REACH]
    yield from (model.jobs[name] for name in reach if name in model.jobs)
    yield from (job for job in model.jobs.values() if job.stage in _UNSETTLED)

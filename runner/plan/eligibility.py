"""Whether a job may still take over, after a person turned back from a newer or an equal one. Pure."""

from runner.journal.deployments import RollbackPoint
from runner.journal.model_progress import AcceptedLoss, ModelProgress
from runner.journal.retrain_job import VOID, RetrainJob, Review


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


def withdrawn_data(progress: ModelProgress, dataset_sha256: str) -> RollbackPoint | None:
    """Return the turn back that speaks against the newest job of a data content."""
    jobs = (job for job in reversed(progress.jobs.values()) if job.stage not in VOID)
    newest = next((job for job in jobs if job.dataset_sha256 == dataset_sha256), None)
    return withdrawn(progress, newest) if newest else None


def barred(progress: ModelProgress, job: RetrainJob) -> str | None:
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

"""What a status tells about an upload: that its data arrived, that it never did, or neither.

The statuses of waiting (`service.statuses.waiting`) are assumptions: a service may say `waiting` of a job that waits
for its data, or of one that waits for a machine. So such a status is believed only while no other job speaks against
it:

- not while it is the latest status of a model's newest job whose upload is held to have arrived: that job may be in
  training under this status, or the store lied; nobody knows yet;
- not after a job said it when a whole quarantine had passed since its upload arrived (`Job.lingered`).

A job that turned out never to have started speaks against nothing any more. Safe: a job that started is called dead
only if the service says a status of waiting longer than the quarantine after the data arrived, and no job was ever seen
to do so. Within the quarantine a status may lag behind an upload; that is its bound, as it is for late requests, so
what was said only then does not count. Live: the first kind of doubt ends when that job moves on; either ends when a
person says that the store lied.
"""

from runner.execute.model_run import ModelRun
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.providers.base import Status

# What is where a status is expected, and the service gave none.
NOT_FOUND = "not_found"  # it knows no such job
NO_STATUS = "no_status"  # it refuses to tell, in words that no document describes


def says_waiting(run: ModelRun, value: str) -> bool:
    """Return whether the manifest takes the status for one of a job whose data has not arrived."""
    return value == NOT_FOUND or any(part in value for part in run.context.manifest.service.statuses.waiting)


def proves_start(run: ModelRun, answer: Status | str | None, status_before_upload: str | None) -> bool:
    """Return whether the status shows that the upload arrived: it ended, or moved on from what it was before."""
    if not isinstance(answer, Status) or answer.value == status_before_upload:
        return False
    told_before = status_before_upload not in (None, NO_STATUS)
    return answer.phase != "going" or (told_before and not says_waiting(run, answer.value))


def proves_waiting(run: ModelRun, answer: Status | str | None) -> bool:
    """Return whether the status shows that nothing arrived.

    That a status did not change proves nothing: a service may call a job by one status before and after its upload.
    """
    value = word_of(answer)
    return value is not None and says_waiting(run, value) and evidence_against(run, value) is None


def word_of(answer: Status | str | None) -> str | None:
    """Return the status, NOT_FOUND included."""
    return answer.value if isinstance(answer, Status) else answer


def evidence_against(run: ModelRun, value: str) -> tuple[str, RetrainJob] | None:
    """Return a model and its job that speak against taking the status for waiting, or None."""
    for (service, name), progress in run.context.progress.models.items():
        newest = progress.last
        for job in progress.jobs.values() if service == run.context.service else ():
            open_under_it = job is newest and job.stage == JobStage.STARTED and job.status == value
            if open_under_it or (value in job.lingered and job.stage != JobStage.NEVER_STARTED):
                return name, job
    return None


def is_said_in_training(run: ModelRun, value: str) -> bool:
    """Return whether a job that went on to its end said the status long after its data had arrived."""
    jobs = (
        job
        for (service, _), model in run.context.progress.models.items()
        if service == run.context.service
        for job in model.jobs.values()
    )
    return any(value in job.lingered and job.stage not in (JobStage.STARTED, JobStage.NEVER_STARTED) for job in jobs)

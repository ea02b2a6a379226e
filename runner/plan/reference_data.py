"""Whose data new data of a model is compared with. Pure."""

from collections.abc import Iterator

from runner.datasets.metadata import Reference, ReferenceFile, Shape
from runner.journal.events import DataChecked, FileRecord
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import TRAINED, RetrainJob


def reference(progress: ModelProgress) -> Reference | None:
    """Return the data of the job that serves, else that of the newest job whose training counts.

    A job that failed, was held, was rejected or was turned back from is no measure for later data.
    """
    found = ((name, job.data) for name, job in _jobs(progress) if job.data is not None)
    return next((_reference(name, data) for name, data in found), None)


def _jobs(progress: ModelProgress) -> Iterator[tuple[str, RetrainJob]]:
    """Yield the jobs that count, with what is said of each, the best first."""
    incumbent = progress.incumbent
    if incumbent is not None:
        yield f"job {incumbent.retrain_job_id}, the last one switched to", incumbent
    for job in reversed(progress.jobs.values()):
        if _counts(progress, job):
            yield f"job {job.retrain_job_id}, the last one neither held nor rejected", job


def _counts(progress: ModelProgress, job: RetrainJob) -> bool:
    withdrawn = job.retrain_job_id in progress.serving.left
    refused = job.rests_with == "hold" or job.rejection is not None
    return job.stage in TRAINED and not refused and not withdrawn


def _reference(name: str, data: DataChecked) -> Reference:
    return Reference(
        name=name,
        shape=Shape(columns=data.columns, labels=data.labels, numbers=data.numbers),
        train=_file(data.train),
        eval=_file(data.eval) if data.eval else None,
    )


def _file(record: FileRecord) -> ReferenceFile:
    return ReferenceFile(rows=record.rows, empty_columns=record.empty_columns)

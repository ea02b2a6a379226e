"""Which stored results nothing needs any more. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import IN_FLIGHT, JobStage, RetrainJob
from runner.journal.stored import StoredFile, removal_of
from runner.manifest.durations import duration_text

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
    for one in reversed(progress.results.values()):
        owner = owners.get(one.fact.path)
        place = owner or (one.realm, one.model)
        if owner is not None:
            counts[owner] += 1
        if removal_of(progress.removed, one.fact) is not None or one.fact.path in needed:
            continue
        beyond = keep.count is None or owner is None or counts[owner] > keep.count
        old = keep.age is None or now - one.at > keep.age
        if beyond and old and (models is None or place in models):
            found.append(one)
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
    yield from (path for path, one in progress.results.items() if one.run_id == newest)
    for model in progress.models.values():
        yield from (job.result.path for job in _needed_jobs(model) if job.result is not None)


def _needed_jobs(model: ModelProgress) -> Iterator[RetrainJob]:
    yield from (job for job in (model.incumbent, model.current, model.last) if job is not None)
    reach = list(dict.fromkeys(reversed(model.serving.ids)))[:_ROLLBACK_REACH]
    yield from (model.jobs[name] for name in reach if name in model.jobs)
    yield from (job for job in model.jobs.values() if job.stage in _UNSETTLED)

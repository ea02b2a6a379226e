"""Which jobs of a model may be switched to, and which are still needed. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from datetime import datetime, timedelta
from itertools import islice, takewhile

from msgspec import Struct
from msgspec.structs import replace

from runner.journal.folder import StoredFile, removal_of
from runner.journal.model_progress import AcceptedLoss, Candidate, ModelProgress, packed_candidates
from runner.journal.progress import Progress, RunRecord, newest_run
from runner.journal.retrain_job import (
    IN_FLIGHT,
    TRAINED,
    VOID,
    Deployments,
    JobStage,
    RetrainJob,
    Review,
    RollbackPoint,
)
from runner.manifest.durations import duration_text
from runner.plan.incumbent import counts_as_reference


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
    return f"the data is the same as for job {departure.from_job_id}, from which {departure.by} turned back ({why})"


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


# Which of a model's jobs, and which runs, a plan, a status and a run still ask for when all others are left out.
# Pure. A job is unsettled where a run, or a decision of a person that names no job, may change it. Of all others only
# those are kept that a question may lead to: they never change, so each question keeps the one job that would answer
# it, were all unsettled jobs gone.

ASKED_FOR = 3  # newest jobs that the service is asked for under a key: it may have forgotten one
SERVED = 3  # jobs that served last: the incumbent, and those a rollback leads to
MOST_CANDIDATES = 30  # newest ones of a model that a report shows
_RUNS = 5  # newest runs
_OPEN = IN_FLIGHT | {JobStage.SWITCHING}

Chart = Callable[[ModelProgress, RetrainJob], Candidate]  # how charts show a job


def cut(progress: Progress, chart: Chart) -> Progress:
    """Return the progress with the jobs and runs that are asked for; what is given stays as it is."""
    found = copy(progress)
    found.models = {
        (service, name): _cut_model(model, _named(progress, service, name, model), chart)
        for (service, name), model in progress.models.items()
    }
    jobs = [job for model in found.models.values() for name, job in model.jobs.items() if name not in model.settled]
    found.runs = dict(_cut_runs(progress, {job.decided.run_id for job in jobs if job.decided is not None}))
    found.earlier_runs = progress.earlier_runs | (progress.runs.keys() - found.runs.keys())
    unfinished = {run_id for run_id, run in found.runs.items() if run.finished is None}
    found.undone = {(run_id, name): made for (run_id, name), made in progress.undone.items() if run_id in unfinished}
    paths = {job.result.path for model in found.models.values() for job in model.jobs.values() if job.result}
    found.removed = {path: removal for path, removal in progress.removed.items() if path in paths}
    return found


def _named(progress: Progress, service: str, name: str, model: ModelProgress) -> set[str]:
    """Return the jobs that approvals of the model, under any of its names, are about."""
    names = (name, *model.former_names)
    return {job for known in names for job in progress.named.get((service, known), ())}


def _cut_model(model: ModelProgress, named: set[str], chart: Chart) -> ModelProgress:
    unsettled = _unsettled(model)
    settled = [job for job in model.jobs.values() if job.retrain_job_id not in unsettled]
    kept = {*unsettled, *(job.retrain_job_id for job in _asked_for(model, settled, unsettled)), *named}
    jobs = {name: job for name, job in model.jobs.items() if name in kept}
    sent = model.sent()
    newest = list(_newest(sent))[::-1]
    return replace(
        model,
        recent=jobs,
        packed_ids=(),
        packed_jobs=b"",
        serving=_cut_deployments(model.serving, jobs),
        intents=model.intents.packed(),
        settled=tuple(name for name in jobs if name not in unsettled),
        candidates=packed_candidates(chart(model, job) if isinstance(job, RetrainJob) else job for job in newest),
        older_candidates=model.older_candidates + sum(1 for _ in sent),
    )


def _newest(sent: Iterator[RetrainJob | Candidate]) -> Iterator[RetrainJob | Candidate]:
    """Take as many as charts show, and more while some of them may turn out never to have started."""
    settled = 0
    while settled < MOST_CANDIDATES and (job := next(sent, None)) is not None:
        settled += isinstance(job, Candidate) or job.stage not in IN_FLIGHT
        yield job


def _unsettled(model: ModelProgress) -> set[str]:
    """Return the jobs that an event may still be about: the newest, what is open, and what serves or may again."""
    jobs = model.jobs
    found = {job.retrain_job_id for job in _recent(jobs.values())}
    found |= {name for name in (*last_served(model.serving.ids), model.incumbent_id, model.serving.wanted) if name}
    found |= {name for name, job in jobs.items() if job.stage in _OPEN}
    return {*found, *list(jobs)[-1:]} & jobs.keys() - set(model.settled)


def _recent(jobs: Iterable[RetrainJob]) -> Iterator[RetrainJob]:
    """Yield the newest jobs that were sent, until enough are settled, and attempts are counted to their end."""
    settled, counted, failed_on = 0, False, None
    for job in reversed(list(jobs)):
        if job.stage in VOID:
            continue
        yield job
        if job.stage in IN_FLIGHT:
            continue
        settled += 1
        counted = counted or job.stage != JobStage.FAILED or failed_on not in (None, job.dataset_sha256)
        failed_on = job.dataset_sha256
        if settled >= ASKED_FOR and counted:
            return


def last_served(ids: Iterable[str]) -> list[str]:
    """Return the jobs that served last, the last one at the end."""
    return list(dict.fromkeys(reversed(list(ids))))[:SERVED][::-1]


def _cut_deployments(serving: Deployments, jobs: Mapping[str, RetrainJob]) -> Deployments:
    """Return the jobs that served last and all that are kept, each once; that there was more than one switch stays."""
    last = set(last_served(serving.ids))
    ids = [name for name in reversed(dict.fromkeys(reversed(serving.ids))) if name in jobs or name in last]
    return replace(serving, ids=ids * 2 if len(ids) == 1 < len(serving.ids) else ids, left=dict(serving.left))


def _asked_for(model: ModelProgress, settled: list[RetrainJob], unsettled: set[str]) -> Iterator[RetrainJob]:
    """Yield the settled jobs that answer a question: about data, metrics, words of the service, or turns back."""
    newest = settled[::-1]
    end = model.last_outcome.retrain_job_id if model.last_outcome else None
    yield from _first(newest, lambda job: job.retrain_job_id == end)
    yield from _first(newest, lambda job: job.stage in TRAINED and job.training_seconds is not None)
    yield from _first(newest, lambda job: job.data is not None and counts_as_reference(model, job))
    yield from _first(newest, lambda job: job.decided is not None)
    yield from _spoken_of(settled)
    yield from _about_turns(model, newest)
    stored = list(_first(newest, lambda job: job.result is not None))
    yield from stored
    yield from _with_places(model, settled, {*unsettled, *(job.retrain_job_id for job in stored)})


def _first(jobs: Iterable[RetrainJob], fits: Callable[[RetrainJob], bool]) -> Iterator[RetrainJob]:
    """Yield the first job that fits, if any does."""
    yield from islice(filter(fits, jobs), 1)


def _spoken_of(settled: Iterable[RetrainJob]) -> Iterator[RetrainJob]:
    """Yield the first job about which the service said each word for longer than the quarantine."""
    words = dict[str, RetrainJob]()
    for job in settled:
        if job.stage != JobStage.NEVER_STARTED:
            for word in job.lingered:
                words.setdefault(word, job)
    yield from words.values()


def _about_turns(model: ModelProgress, newest: list[RetrainJob]) -> Iterator[RetrainJob]:
    """Yield the jobs that a person turned back from, the newest at that time, and later ones on the same data."""
    turns = model.serving.left
    names = {*turns, *(turn.newest for turn in turns.values())}
    yield from (job for job in newest if job.retrain_job_id in names)
    for name, turn in turns.items():
        if name in model.jobs:
            since = _begun_since(turn.newest, model)
            later = [job for job in newest if job.retrain_job_id in since]
            yield from _newest_on(model.jobs[name].dataset_sha256, later)


def _begun_since(name: str, model: ModelProgress) -> set[str]:
    """Return the jobs that were begun after another one."""
    return set(takewhile(lambda job: job != name, reversed(model.job_ids)))


def _newest_on(dataset_sha256: str | None, newest: Iterable[RetrainJob]) -> Iterator[RetrainJob]:
    """Yield the newest job on some data, if there is one."""
    yield from _first(newest, lambda job: job.stage not in VOID and job.dataset_sha256 == dataset_sha256)


def _with_places(model: ModelProgress, settled: list[RetrainJob], later: set[str]) -> Iterator[RetrainJob]:
    """Yield the job before each of the later ones, and the newest of all, whose metrics had a place of their own."""
    found, left = None, {job.retrain_job_id for job in settled}
    for name, job in model.jobs.items():
        if found is not None and name in later:
            yield found
        if name in left and job.decided is not None and job.decided.fact.evaluation.place:
            found = job
    if found is not None:
        yield found


def _cut_runs(progress: Progress, judging: set[str]) -> Iterator[tuple[str, RunRecord]]:
    """Yield the newest runs, those without an end or a report, those that were the last with a model, or judged it."""
    runs = progress.runs
    last = {(run.started.service, name): run.run_id for run in runs.values() for name in run.models}
    started = {run_id: run.started for run_id, run in runs.items()}
    ended = {run_id: run.started for run_id, run in runs.items() if run.finished is not None}
    whole = {*list(runs)[-_RUNS:], newest_run(started), newest_run(ended)}
    whole |= {run_id for run_id, run in runs.items() if run.finished is None or run.report is None}
    for run_id, run in runs.items():
        names = {name: None for name in run.models if last[run.started.service, name] == run_id}
        if run_id in whole:
            yield run_id, run
        elif names or run_id in judging:
            yield run_id, replace(run, models=names)

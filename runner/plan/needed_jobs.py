"""Which of a model's jobs, and which runs, a plan, a status and a run still ask for when all others are left out. Pure.

A job is unsettled where a run, or a decision of a person that names no job, may change it. Of all others only those are
kept that a question may lead to: they never change, so each question keeps the one job that would answer it, were all
unsettled jobs gone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from itertools import islice, takewhile

from msgspec.structs import replace

from runner.journal.model_progress import Candidate, ModelProgress, packed_candidates
from runner.journal.progress import Progress, RunRecord, newest_run
from runner.journal.retrain_job import IN_FLIGHT, TRAINED, VOID, Deployments, JobStage, RetrainJob
from runner.plan.incumbent import counts_as_reference

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

"""`retrain history`: every run, metric and decision of the models, by the journal alone."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runner.app.audit.foreign_files import gone
from runner.app.audit.recompute import Different, SameBytes, recompute
from runner.app.review.candidates import full_job_id
from runner.app.state.partitions import partition_of
from runner.app.state.read_state import (
    Warn,
    each_reading,
    full_run_id,
    names_now,
    read_progress,
    reading,
    require_seen,
    seen_models,
    silent,
    warn_of_state,
)
from runner.errors import UsageError
from runner.execute.evaluation import blob_sha256
from runner.journal.progress import Progress, merged
from runner.journal.state_store import Blobs
from runner.plan.model_plan import state_option
from runner.reports.decision import Confirmation, DecisionHistory, Explanation, read_trails
from runner.reports.history import Entry, Incumbent, incumbents_at, read_entries

LATEST = "latest"  # instead of a run's id: the newest decision


class HistoryRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain history`; `since` is inclusive, `until` exclusive, both of the run's start.

    `warn` takes a sentence about the journal's clock.
    """

    state: str
    select: Sequence[str] = ()
    manifest: Sequence[Path] = ()
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    outcomes: Sequence[str] = ()
    limit: int | None = None
    warn: Warn = silent


def history(request: HistoryRequest) -> list[Entry]:
    """Return what happened to the selected models, run by run, oldest first.

    Raises:
        UsageError: there is no journal, or a selector names nothing.
        StateError: the journal is missing, foreign or damaged.
    """
    progresses, entries = list[Progress](), list[tuple[Entry, str]]()  # with what the model is called now
    for _, links in each_reading(request.state):
        progress = Progress()
        found = list(read_entries(links, progress))
        now = {(service, model.identity): name for (service, name), model in progress.models.items()}
        entries += ((entry, now.get((entry.service, entry.identity), entry.model)) for entry in found)
        progresses.append(progress)
    if len(progresses) > 1:
        entries.sort(key=lambda named: (named[0].run.started_at, named[0].run.run_id))
    progress = merged(progresses)
    warn_of_state(progress, request.warn)
    names = _names(request, progress, [name for _, name in entries])
    chosen = [entry for entry, name in entries if name in names and _wanted(request, entry)]
    return _newest(chosen, request.limit)


def _names(request: HistoryRequest, progress: Progress, models: Iterable[str]) -> set[str]:
    select = names_now(progress, request.select)
    return seen_models(dict.fromkeys(models), list(progress.runs.values()), select, request.manifest)


def _wanted(request: HistoryRequest, entry: Entry) -> bool:
    started = entry.run.started_at
    return (
        request.service in (None, entry.service)
        and (request.since is None or started >= request.since)
        and (request.until is None or started < request.until)
        and (not request.outcomes or entry.outcome in request.outcomes)
    )


def _newest(entries: list[Entry], limit: int | None) -> list[Entry]:
    """Return the newest entries of each model, still oldest first."""
    if limit is None:
        return entries
    kept: list[Entry] = []
    counts: dict[tuple[str, str], int] = {}
    for entry in reversed(entries):
        place = (entry.service, entry.identity)
        counts[place] = counts.get(place, 0) + 1
        if counts[place] <= limit:
            kept.append(entry)
    return kept[::-1]


def incumbents(request: HistoryRequest, at: datetime) -> list[Incumbent]:
    """Return what served the selected models just before a moment.

    Raises:
        UsageError: there is no journal, or a selector names nothing.
        StateError: the journal is missing, foreign or damaged.
    """
    readings = [incumbents_at(links, at) for _, links in each_reading(request.state)]
    progress, found = merged([known for known, _ in readings]), [trail for _, some in readings for trail in some]
    names = _names(request, progress, [name for _, name in progress.models])
    return [trail for trail in found if trail.model in names and request.service in (None, trail.service)]


def explain(
    state: str, model: str, *, run_id: str | None, job: str | None, service: str | None = None
) -> list[Explanation]:
    """Return the decision about a model in a run, or all about one of its jobs, each computed again now.

    Raises:
        UsageError: the journal does not exist, or the decision is not in it.
        StateError: the journal is missing, foreign or damaged.
    """
    blobs, progress, model, trails = _trails(state, model)
    require_seen(dict.fromkeys(name for _, name in progress.models), model)
    job = _whole_id(model, trails, job)
    chosen = [
        trail
        for trail in trails
        if service in (None, trail.run.started.service) and job in (None, trail.decided.fact.retrain_job_id)
    ]
    if run_id is not None:
        chosen = chosen[-1:] if run_id == LATEST else _of_run(chosen, _whole_run_id(progress, run_id))
    if not chosen:
        where = " and ".join([*([f"in run {run_id}"] if run_id else []), *([f"about job {job}"] if job else [])])
        raise UsageError(
            f"No decision {where} is recorded for {model}.",
            hint=f"`retrain history --select {quote(model)}{state_option(state)}` lists its runs and jobs.",
        )
    return [Explanation(trail=trail, confirmation=_confirm(blobs, progress, trail)) for trail in chosen]


def _whole_id(model: str, trails: Iterable[DecisionHistory], given: str | None) -> str | None:
    """Return the id of a job that is given as far as it is unique; one that no decision is about stays as it is."""
    ids = dict.fromkeys(trail.decided.fact.retrain_job_id for trail in trails)
    begun = given and any(job_id.startswith(given) for job_id in ids)
    return full_job_id(model, ids, given) if given and begun else given


def _whole_run_id(progress: Progress, given: str) -> str:
    """Return the id of a run that is given as far as it is unique; one that no run has stays as it is."""
    begun = given and any(run_id.startswith(given) for run_id in progress.runs)
    return full_run_id(progress.runs, given) if begun else given


def _trails(state: str, name: str) -> tuple[Blobs, Progress, str, list[DecisionHistory]]:
    """Return the decisions about a model under all names it had, with its name now."""
    whole = read_progress(state)
    state = partition_of(state, *names_now(whole, [name]))
    with reading(state) as (place, links):
        progress, trails = read_trails(links, {name})
    [model] = names_now(progress, [name])
    names = {model, *progress.former_names(model)}
    if names != {name}:
        with reading(state) as (_, links):
            _, trails = read_trails(links, names)
    own = [trail for trail in trails if progress.model(trail.run.started.service, model).identity == trail.identity]
    return place.blobs, progress, model, own


def _of_run(trails: Sequence[DecisionHistory], run_id: str) -> list[DecisionHistory]:
    """Return the decisions made in a run; of a run that made none, those it switched by or brought an approval of."""
    made = [trail for trail in trails if trail.run.run_id == run_id]
    return made or [trail for trail in trails if run_id in trail.runs]


def _confirm(blobs: Blobs, progress: Progress, trail: DecisionHistory) -> Confirmation:
    removal = gone(blobs, progress, trail.result)
    changed = f"rests on a result file that {removal.told}" if removal else _changed(blobs, trail)
    if changed:
        return Confirmation(state="impossible", why=changed)
    found = recompute(blobs, trail.decided.fact, trail.result)
    match found:
        case SameBytes():
            return Confirmation(state="same", why="")
        case Different():
            return Confirmation(state="different", why=f"{found.why} ({', '.join(found.parts)})")
        case _:
            return Confirmation(state="impossible", why=found.why)


def _changed(blobs: Blobs, trail: DecisionHistory) -> str | None:
    """Return what keeps the stored result file from being the one that was judged."""
    if trail.result is None:
        return None
    try:
        found = blob_sha256(blobs, trail.result.path)
    except OSError as error:
        return f"has lost its result file {trail.result.path}: {error.strerror}"
    return None if found == trail.result.sha256 else f"has a result file {trail.result.path} with other bytes today"

"""`retrain status`: the status of every model, by the journal alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import get_args

from msgspec import Struct

from runner.app.service import service_of
from runner.app.state.open_state import open_state
from runner.app.state.partitions import has_run, holders, partitions_of, written_at
from runner.app.state.read_state import (
    Warn,
    last_paths,
    opened_log,
    read_progress,
    refuse_of_the_state,
    silent,
    warn_of_state,
)
from runner.app.state.run_histories import last_histories
from runner.errors import StateError
from runner.journal import checkpoint
from runner.journal.events import EMULATOR, DecisionAction
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import NEEDS_PERSON
from runner.journal.progress import Progress, RunRecord, newest_run
from runner.journal.retrain_job import IN_FLIGHT, JobStage, RetrainJob
from runner.manifest.load import load
from runner.plan.eligibility import blocked, history_lost
from runner.plan.evidence import Evidence, evidence
from runner.plan.incumbent import baseline_of
from runner.policy.evaluation import Action, Drift, Knowledge, knowledge_of
from runner.reports.build import model_report
from runner.reports.model import NextStep
from runner.reports.next_step import CommandContext
from runner.reports.text import acting


class ModelStatus(Struct, frozen=True, kw_only=True):
    """One model's line; a job id is None without a job in that role.

    `incumbent_known` says how the model in service is known and `incumbent_metrics` its values, decimal texts by name;
    `drift` is what the service's list said of it at `drift_at`. `rolled_back_from` is the job a person turned back from
    to the incumbent, `rolled_back_by` that person, and `rollback_due` a job that a person wants to serve again and that
    does not yet. `history_lost` says that events are lost and no person decided about the model since, as a clause.
    `evidence` is there for a candidate that waits or is held.
    """

    name: str
    service: str
    incumbent: str | None
    incumbent_known: Knowledge
    incumbent_since: datetime | None
    incumbent_metrics: Mapping[str, str]
    drift: Drift
    drift_reason: str | None
    drift_at: datetime | None
    rolled_back_from: str | None
    rolled_back_by: str | None
    rollback_due: str | None
    in_flight: str | None
    stage: str | None
    waiting: str | None
    switch_due: str | None
    held: str | None
    history_lost: str | None
    last_outcome: str | None
    last_reason: str | None
    last_at: datetime | None
    evidence: Evidence | None = None


class PendingDecision(Struct, frozen=True, kw_only=True):
    """A decision that a person left in the inbox, and that does not count yet."""

    decision_id: str
    model: str
    action: DecisionAction
    by: str
    left_at: str
    reason: str


class Status(Struct, frozen=True, kw_only=True):
    """All models, in order of their first appearance, and the last run.

    `running` says that it is at work; one that is not, and has no end, was cut off. `run_ids` are all runs, the oldest
    first. `pending` are decisions in the inbox, the oldest first.
    """

    models: tuple[ModelStatus, ...]
    last_run: RunRecord | None
    running: bool = False
    run_ids: tuple[str, ...] = ()
    pending: tuple[PendingDecision, ...] = ()


def status(
    state: str,
    *,
    refreshed: bool = False,
    manifest: Sequence[Path] = (),
    trusted_hosts: frozenset[str] = frozenset(),
    warn: Warn = silent,
) -> Status:
    """Return the status of every model; `refreshed` asks the service what is in service, by the last run's manifest.

    `warn` takes a sentence about the journal's clock.

    Raises:
        UsageError: the manifest is not found from here, or API keys may not be sent to its service.
        ManifestError: it is invalid.
        StateError: the journal is missing, foreign or damaged, or the manifest it names is in the state.
    """
    progress = read_progress(state)
    warn_of_state(progress, warn)
    if refreshed and progress.runs:
        _refresh(progress, state, manifest, trusted_hosts)
    newest = newest_run({run_id: run.started for run_id, run in progress.runs.items()})
    last = progress.runs[newest] if newest else None
    context = CommandContext.of_run(last.started, state) if last else CommandContext()
    models = tuple(model_status(service, name, model, context) for (service, name), model in progress.models.items())
    return Status(
        models=models,
        last_run=last,
        running=last is not None and is_running(state, last),
        run_ids=progress.run_ids,
        pending=_pending(state, progress, warn),
    )


def _pending(state: str, progress: Progress, warn: Warn) -> tuple[PendingDecision, ...]:
    """Return the decisions that wait; invalid entries are reported and stay for the next run to set aside."""
    try:
        waiting = [place for place in map(open_state, partitions_of(state)) if place.inbox.pending()]
        if not waiting:
            return ()
        from runner.app.review.inbox import DecisionInbox  # noqa: PLC0415 -- brings all that carries out a decision

        found = [DecisionInbox(place).pending(set_aside=False) for place in waiting]
    except OSError as error:
        warn(f"The inbox cannot be read: {error.strerror or error}.")
        return ()
    for sentence in chain.from_iterable(inbox.aside for inbox in found):
        warn(f"{sentence}.")
    return tuple(
        PendingDecision(
            decision_id=decision.decision_id,
            model=decision.model,
            action=decision.action,
            by=acting(decision.by, decision.ci_actor),
            left_at=decision.left_at,
            reason=decision.reason,
        )
        for decision in chain.from_iterable(inbox.decisions for inbox in found)
        if decision.decision_id not in progress.decisions
    )


def next_steps(
    state: str, models: Sequence[ModelStatus], *, as_reported: bool = False
) -> Mapping[tuple[str, str], NextStep]:
    """Return what there is to do about a model, by its service and name, as its last run that ended says it.

    A candidate that waits for a person does so after runs that skipped its model too: the run that judged it says it.
    The commands name the state that can be written, wherever this one was moved to or copied from, unless they are
    wanted `as_reported`.
    """
    steps = dict[tuple[str, str], NextStep]()
    partitions = partitions_of(state) if models else ()
    for partition in partitions:
        if len(partitions) == 1 or has_run(partition):
            steps |= _next_steps(state, partition, models, as_reported=as_reported)
    return steps


def _next_steps(
    state: str, partition: str, models: Sequence[ModelStatus], *, as_reported: bool
) -> Mapping[tuple[str, str], NextStep]:
    steps = dict[tuple[str, str], NextStep]()
    with opened_log(partition) as (place, log):
        progress = checkpoint.read_progress(log, place.blobs)
        place_now = (None if as_reported else written_at(place, progress)) or state
        named = {(model.service, model.name): model for model in models}
        wanted = {key: model for key, model in named.items() if key in progress.models}
        last = {
            (run.started.service, name): run.run_id
            for run in progress.runs.values()
            if run.finished
            for name in run.models
            if (run.started.service, name) in wanted
        }
        for key, model in wanted.items():
            job = progress.models[key].current
            rests = model.waiting or model.held
            if rests and model.last_outcome not in NEEDS_PERSON and job is not None and job.decided is not None:
                last[key] = job.decided.run_id
        for history in last_histories(log, place.blobs, set(last.values())):
            history.state = place_now
            for service, name in (model for model, run_id in last.items() if run_id == history.run_id):
                step = model_report(history, name).next
                if step is not None:
                    steps[service, name] = step
    return steps


def is_running(state: str, run: RunRecord) -> bool:
    """Return whether a run without an end is at work: then it holds the state."""
    if run.finished is not None:
        return False
    try:
        return any(held.holder is None or held.holder.run_id == run.run_id for held in holders(state))
    except StateError:  # a state that may only be read
        return False


def _refresh(progress: Progress, state: str, named: Sequence[Path], trusted_hosts: frozenset[str]) -> None:
    from runner.app.planning.service_access import refresh  # noqa: PLC0415 -- asks the service, which few do

    last = next(reversed(progress.runs.values()))
    paths = list(named) or last_paths(list(progress.runs.values()))
    if not named:
        refuse_of_the_state(last, paths, open_state(state).work.root)
    manifest = load(paths)
    service = service_of(manifest, emulator=last.started.service == EMULATOR, trusted_hosts=trusted_hosts)
    models = list(manifest.models.values())
    refresh(progress, manifest, models, service, paths=paths, folder=open_state(state).work)


def model_status(service: str, name: str, progress: ModelProgress, context: CommandContext) -> ModelStatus:
    """Return a model's line."""
    last, incumbent, end = progress.current, progress.incumbent, progress.last_outcome
    baseline, seen = baseline_of(progress), progress.observation
    bar = blocked(progress, last) if last and progress.loss else None
    flying = last if last and (last.stage in IN_FLIGHT or last.stage == JobStage.SWITCHING) else None
    return ModelStatus(
        name=name,
        service=service,
        incumbent=incumbent.retrain_job_id if incumbent else None,
        incumbent_known=knowledge_of(baseline),
        incumbent_since=_since(progress),
        incumbent_metrics=baseline.metrics if baseline else {},
        drift=seen.fact.drift if seen else "cannot_be_told",
        drift_reason=seen.fact.reason if seen else None,
        drift_at=seen.at if seen else None,
        rolled_back_from=incumbent.rollback.fact.from_job_id if incumbent and incumbent.rollback else None,
        rolled_back_by=incumbent.rollback.fact.by if incumbent and incumbent.rollback else None,
        rollback_due=last.retrain_job_id if last and last.rollback and progress.serving.wanted else None,
        in_flight=flying.retrain_job_id if flying else None,
        stage=str(flying.stage) if flying else None,
        waiting=None if bar else _candidate(last, "await_approval"),
        switch_due=None if bar else _candidate(last, "switch"),
        held=_candidate(last, *get_args(Action)) if bar else _candidate(last, "hold"),
        history_lost=history_lost(progress.loss) if progress.loss else None,
        last_outcome=end.outcome if end else None,
        last_reason=context.whole(end.reason, name) if end else None,
        last_at=progress.last_outcome_at,
        evidence=evidence(progress, last) if last and last.rests_with in ("await_approval", "hold") else None,
    )


def _since(progress: ModelProgress) -> datetime | None:
    if progress.incumbent is not None:
        return progress.incumbent.switched_at
    return progress.adoption.at if progress.adoption else None


def _candidate(job: RetrainJob | None, *actions: str) -> str | None:
    """Return the id of a candidate that rests with one of these decisions."""
    return job.retrain_job_id if job is not None and job.rests_with in actions else None

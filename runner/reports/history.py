"""What happened to every model in every run, as a fold over the journal's events. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from runner.journal.chain import Link
from runner.journal.events import (
    ADOPTED,
    ApprovalRecorded,
    CandidateEvaluated,
    DataChecked,
    ErrorRecord,
    IncumbentAdopted,
    ModelFinished,
    ModelPlanned,
    RollbackDecided,
    RunFinished,
    SwitchSucceeded,
)
from runner.journal.outcomes import Outcome
from runner.journal.progress import Progress, RunRecord
from runner.journal.retrain_job import Decided, RetrainJob, Review, Rollback
from runner.lib.timestamps import moment, stamp
from runner.reports.build import LOST, metrics_of, outcome_without_end
from runner.reports.next_step import CommandContext, named_only, short_ids, with_short_ids
from runner.reports.table import FLEET, NAME_COLUMNS, Column, short_number, text_table
from runner.reports.text import in_words, inline, utc

UNDER_WAY = "The run has not ended yet."


class Entry(Struct, frozen=True, kw_only=True):
    """One model in one run.

    What a person or a policy decided and `switched_at` are set when that happened in this run; `outcome` is None while
    the run has no end. `model` is its name in that run, `identity` that of its history, whatever its name is now.
    """

    run: RunRecord
    model: str
    identity: str
    outcome: Outcome | None
    reason: str
    retrain_job_id: str | None
    policy: str | None
    decided: Decided | None
    review: Review | None
    rollback: Rollback | None
    switched_at: datetime | None
    error: ErrorRecord | None

    @property
    def service(self) -> str:
        """Return the service's host, or `emulator`."""
        return self.run.started.service


class Incumbent(Struct, frozen=True, kw_only=True):
    """The job that served a model at a moment, and the run that switched to it."""

    service: str
    model: str
    job: RetrainJob
    run: RunRecord


class _Doing(Struct, kw_only=True):
    """What a run has done to one model so far."""

    plan: ModelPlanned | None = None
    end: ModelFinished | None = None
    retrain_job_id: str | None = None
    decided: Decided | None = None
    review: Review | None = None
    rollback: Rollback | None = None
    switched_at: datetime | None = None

    def add(self, link: Link) -> None:
        event, fact = link.event, link.event.fact
        if isinstance(fact, ModelPlanned):
            self.plan = fact
        elif isinstance(fact, ModelFinished):
            self.end = fact
        elif not isinstance(fact, DataChecked):
            self.retrain_job_id = getattr(fact, "retrain_job_id", self.retrain_job_id)
        if isinstance(fact, CandidateEvaluated):
            at = moment(event.at)
            self.decided = Decided(fact=fact, at=at, event_sha256=link.sha256, run_id=event.run_id)
        elif isinstance(fact, ApprovalRecorded):
            self.review = Review(fact=fact, at=moment(event.at))
        elif isinstance(fact, RollbackDecided):
            self.rollback = Rollback(fact=fact, at=moment(event.at), event_sha256=link.sha256)
        elif isinstance(fact, SwitchSucceeded):
            self.switched_at = moment(event.at)


def read_entries(links: Iterable[Link], progress: Progress | None = None) -> Iterator[Entry]:
    """Yield every model of every run, in the order in which the runs ended; those without an end come last.

    A progress that is given takes in the events as they are read.
    """
    progress = Progress() if progress is None else progress
    doings: dict[str, dict[str, _Doing]] = {}
    for link in links:
        progress.add(link)
        event = link.event
        if event.model is not None:
            doings.setdefault(event.run_id, {}).setdefault(event.model, _Doing()).add(link)
        elif isinstance(event.fact, RunFinished):
            yield from _entries(progress, event.run_id, doings.pop(event.run_id, {}))
    for run_id, models in doings.items():
        yield from _entries(progress, run_id, models)


def _entries(progress: Progress, run_id: str, models: dict[str, _Doing]) -> Iterator[Entry]:
    run = progress.runs[run_id]
    for model, doing in models.items():
        end = doing.end
        retrain_job_id = end.retrain_job_id if end else doing.retrain_job_id
        known = progress.model(run.started.service, model)
        outcome, reason = _outcome(run, end, known.jobs.get(retrain_job_id) if retrain_job_id else None)
        yield Entry(
            run=run,
            model=model,
            identity=known.identity,
            outcome=outcome,
            reason=CommandContext.of_run(run.started).whole(reason, model),
            retrain_job_id=retrain_job_id,
            policy=_policy(doing),
            decided=doing.decided,
            review=doing.review,
            rollback=doing.rollback,
            switched_at=doing.switched_at,
            error=end.error if end else None,
        )


def _outcome(run: RunRecord, end: ModelFinished | None, job: RetrainJob | None) -> tuple[Outcome | None, str]:
    if end is not None:
        return end.outcome, end.reason
    return (None, UNDER_WAY) if run.finished is None else (outcome_without_end(job), LOST)


def _policy(doing: _Doing) -> str | None:
    if doing.decided is not None:
        return doing.decided.fact.policy
    return doing.plan.policy if doing.plan else None


def incumbents_at(links: Iterable[Link], at: datetime) -> tuple[Progress, list[Incumbent]]:
    """Return the progress of all models, and what served each just before a moment, by the last switch before it.

    A model whose incumbent was adopted since has none: what served is not a job of this project.
    """
    progress = Progress()
    found: dict[tuple[str, str], Incumbent] = {}
    for link in links:
        progress.add(link)
        event = link.event
        if event.model is None or moment(event.at) >= at:
            continue
        if isinstance(event.fact, IncumbentAdopted):
            found.pop((progress.runs[event.run_id].started.service, event.model), None)
        if isinstance(event.fact, SwitchSucceeded):
            run = progress.runs[event.run_id]
            service = run.started.service
            known = progress.model(service, event.model)
            job = known.jobs[event.fact.retrain_job_id]
            found[service, known.identity] = Incumbent(service=service, model=event.model, job=job, run=run)
    now = {(service, model.identity): name for (service, name), model in progress.models.items()}
    return progress, [replace(entry, model=now[place]) for place, entry in found.items()]


_MOST_METRICS = 4  # of a decision without rules
_NOTHING = "No run matches."
_RUN_CHARACTERS = 15  # of a run's id: the second it began in
_FLEET = (
    *(Column(title="run", whole=True), Column(title="model", most=NAME_COLUMNS), Column(title="outcome", whole=True)),
    *(Column(title="decided by", spare=True), Column(title="metrics", clipped=True)),
    Column(title="service", spare=True, clipped=True),
)


def history_text(entries: Sequence[Entry], *, width: int | None, wide: bool = False) -> str:
    """Return one table for each model of each service; metrics have a column each. A fleet has one table in all.

    Job ids are short, unless it is to be `wide`.
    """
    if not wide:
        jobs = short_ids(entry.retrain_job_id for entry in entries if entry.retrain_job_id)
        entries = [
            replace(
                entry,
                retrain_job_id=jobs.get(entry.retrain_job_id or "", entry.retrain_job_id),
                reason=with_short_ids(entry.reason, jobs),
            )
            for entry in entries
        ]
    runs = short_ids((entry.run.run_id for entry in entries), fewest=_RUN_CHARACTERS)
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.model, entry.service), []).append(entry)
    if len(groups) >= FLEET:
        several = len({service for _, service in groups}) > 1
        rows = [[*_fleet_row(entry, runs), entry.service if several else ""] for entry in entries]
        return text_table(_FLEET, rows, width=width)
    parts = [
        f"{inline(model)} ({inline(service)})\n{_table(group, runs, width)}"
        for (model, service), group in groups.items()
    ]
    return "\n\n".join(parts) or _NOTHING


def _fleet_row(entry: Entry, runs: Mapping[str, str]) -> list[str]:
    shown = [(name, _number(entry.decided, name)) for name in _metric_names([entry.decided])]
    metrics = ", ".join(f"{name} {value}" for name, value in shown if value)
    outcome = in_words(entry.outcome or "under way")
    return [runs[entry.run.run_id], entry.model, outcome, _decider(entry), metrics or named_only(entry.reason)]


def _table(entries: Sequence[Entry], runs: Mapping[str, str], width: int | None) -> str:
    metrics = _metric_names(entry.decided for entry in entries)
    columns = [
        *(Column(title="run", whole=True), Column(title="outcome"), Column(title="decided by")),
        *(Column(title=name, number=True) for name in metrics),
        *(Column(title="job", spare=True), Column(title="reason", spare=True)),
    ]
    rows = [_row(entry, runs, metrics) for entry in entries]
    return text_table(columns, rows, width=width)


def _row(entry: Entry, runs: Mapping[str, str], metrics: Sequence[str]) -> list[str]:
    outcome = in_words(entry.outcome or "under way")
    return [
        *(runs[entry.run.run_id], outcome, _decider(entry)),
        *(_number(entry.decided, name) for name in metrics),
        *(entry.retrain_job_id or "", named_only(entry.reason)),
    ]


def _number(decided: Decided | None, name: str) -> str:
    if decided is not None and decided.unread is not None:
        return "unread"
    values = metrics_of(decided)
    return short_number(values[name]) or "none" if name in values else ""


def _decider(entry: Entry) -> str:
    approval = entry.rollback or entry.review
    if approval is not None:
        return approval.fact.by
    return f"policy {entry.decided.fact.policy}" if entry.decided else ""


def _metric_names(decisions: Iterable[Decided | None]) -> list[str]:
    """Return the metrics that rules looked at; where there were no rules, the first few that were read."""
    evaluations = [decision.fact.evaluation for decision in decisions if decision is not None]
    ruled = {rule.metric: None for evaluation in evaluations for rule in evaluation.rules}
    read = {name: None for evaluation in evaluations for name in evaluation.metrics}
    return list(ruled) or list(islice(read, _MOST_METRICS))


def incumbents_text(incumbents: Sequence[Incumbent], *, width: int | None, wide: bool = False) -> str:
    """Return which job served each model, since when, and who decided it; job ids are short, unless it is `wide`."""
    if not incumbents:
        return "No model was switched by then."
    columns = [
        *(Column(title="model"), Column(title="job", whole=True), Column(title="since")),
        *(Column(title="decided by"), Column(title="run", spare=True)),
        *(Column(title="service", spare=True), Column(title="reason", spare=True)),
    ]
    known = {name for incumbent in incumbents for name in _jobs_of(incumbent)}
    short = {} if wide else short_ids(known)
    rows = [[with_short_ids(cell, short) for cell in _incumbent(incumbent)] for incumbent in incumbents]
    return text_table(columns, rows, width=width)


def _jobs_of(incumbent: Incumbent) -> set[str]:
    before = incumbent.job.rollback.fact.from_job_id if incumbent.job.rollback else None
    return {incumbent.job.retrain_job_id, *([before] if before else [])}


def _incumbent(incumbent: Incumbent) -> list[str]:
    job, review = incumbent.job, incumbent.job.review
    by = f"policy {job.decided.fact.policy}" if job.decided else ""
    reason = job.decided.fact.evaluation.decision.reason if job.decided else ""
    if review is not None:
        by, reason = (
            review.fact.by,
            f"{reason} {in_words(review.fact.action)}: {review.fact.reason or 'no reason given'}",
        )
    if job.rollback is not None:
        by, reason = (
            job.rollback.fact.by,
            f"{_turn(job.rollback.fact)}: {job.rollback.fact.reason}",
        )
    since = utc(stamp(job.switched_at)) if job.switched_at else ""
    return [incumbent.model, job.retrain_job_id, since, by, incumbent.run.run_id, incumbent.service, reason]


def _turn(fact: RollbackDecided) -> str:
    """Return what a rollback was: one to the job that is recorded in service switches to it once more."""
    same = fact.from_job_id == fact.retrain_job_id
    return "switched to once more" if same else f"rollback from {fact.from_job_id or ADOPTED}"

"""What the site tells of each model over all runs, as one fold over the journal's events. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from msgspec import Struct, field

from runner.journal.chain import Link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    Fact,
    IncumbentAdopted,
    ModelPlanned,
    ModelsMoved,
    ReportWritten,
    RollbackDecided,
    RunFinished,
    RunStarted,
    SwitchSucceeded,
)
from runner.journal.model_progress import ModelProgress
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, OUTCOMES, Outcome, urgency
from runner.journal.progress import Progress, merged
from runner.journal.retrain_job import Decided, RetrainJob
from runner.lib.timestamps import moment
from runner.plan.eligibility import blocked
from runner.plan.evidence import evidence
from runner.plan.incumbent import baseline_of, drift_of
from runner.plan.model_plan import person_command
from runner.policy.evaluation import Knowledge, knowledge_of
from runner.policy.types import unread_clause
from runner.reports.build import decision_report, metrics_of, rules_of
from runner.reports.evidence_text import evidence_line
from runner.reports.history import Entry, read_entries
from runner.reports.model import ModelReport, NextStep
from runner.reports.next_step import CommandContext, next_step
from runner.reports.table import short_number
from runner.reports.text import counted


class Deployment(Struct, frozen=True, kw_only=True):
    """What served from a switch or an adoption on: in which run, and by whose word. `turned_back` tells a rollback.

    An adoption has no job; `metrics` are then the values that were stated, decimal texts by name.
    """

    retrain_job_id: str | None
    begin: datetime
    run_id: str
    by: str
    reason: str
    turned_back: bool
    metrics: Mapping[str, str] = field(default_factory=dict)


class ModelTimeline(Struct, kw_only=True):
    """One model: its runs and its incumbents, oldest first.

    `owner` and `tags` are those of its newest plan. `mark` is the SHA-256 of the last event that can change what is
    told: of the model, or of the end of one of its runs.
    """

    service: str
    name: str
    progress: ModelProgress
    entries: list[Entry] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    decisions: dict[str, Fact] = field(default_factory=dict)  # by job, the last that an operator made
    mark: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()


class Fleet(Struct, frozen=True, kw_only=True):
    """All models in order of their first appearance, and the runs."""

    progress: Progress
    timelines: tuple[ModelTimeline, ...]


def read_fleet(links: Iterable[Link]) -> Fleet:
    """Read the whole journal once.

    Raises:
        StateError: an event does not fit to the ones before it.
    """
    watch = _Watch()
    for entry in read_entries(watch.through(links), watch.progress):
        watch.timeline(entry.run.run_id, entry.model).entries.append(entry)
    return Fleet(progress=watch.progress, timelines=tuple(watch.timelines.values()))


def joined_fleet(parts: Sequence[Fleet]) -> Fleet:
    """Return the models and runs of several journals together; a name without a history gives way to one with it."""
    if len(parts) == 1:
        return parts[0]
    timelines = dict[tuple[str, str], ModelTimeline]()
    for timeline in (timeline for part in parts for timeline in part.timelines):
        key = timeline.service, timeline.name
        if key not in timelines or timeline.progress.has_history:
            timelines[key] = timeline
    return Fleet(progress=merged([part.progress for part in parts]), timelines=tuple(timelines.values()))


class _Watch(Struct, kw_only=True):
    """Notes the events that pass by on their way into the progress."""

    progress: Progress = field(default_factory=Progress)
    timelines: dict[tuple[str, str], ModelTimeline] = field(default_factory=dict)

    def through(self, links: Iterable[Link]) -> Iterator[Link]:
        """Yield the events; each is noted when the progress has taken it in."""
        for link in links:
            yield link
            self._note(link)

    def timeline(self, run_id: str, model: str) -> ModelTimeline:
        """Return the chronicle of a model of a run."""
        service = self.progress.runs[run_id].started.service
        found = self.timelines.get((service, model))
        if found is None:
            progress = self.progress.model(service, model)
            found = self.timelines[service, model] = ModelTimeline(service=service, name=model, progress=progress)
        return found

    def _note(self, link: Link) -> None:
        event, fact = link.event, link.event.fact
        if event.model is not None and not isinstance(fact, RunStarted):
            timeline = self.timeline(event.run_id, event.model)
            timeline.mark = link.sha256
            if isinstance(fact, ModelPlanned):
                timeline.owner, timeline.tags = fact.owner, fact.tags
            self._note_decision(timeline, link)
        elif isinstance(fact, ModelsMoved):
            self._move(self.progress.runs[event.run_id].started.service, fact, link.sha256)
        elif isinstance(fact, RunFinished | ReportWritten):
            for name in self.progress.runs[event.run_id].models:
                self.timeline(event.run_id, name).mark = link.sha256

    def _move(self, service: str, fact: ModelsMoved, sha256: str) -> None:
        """Let the chronicles go by their new names, each in its place; what was told of a failed try is dropped."""
        names = {move.old: move.new for move in fact.moves}
        found: dict[tuple[str, str], ModelTimeline] = {}
        for (its_service, name), timeline in self.timelines.items():
            if its_service == service and name in names:
                timeline.name = names[name]
                timeline.progress, timeline.mark = self.progress.model(service, timeline.name), sha256
                found[service, timeline.name] = timeline
            elif its_service != service or name not in names.values():
                found[its_service, name] = timeline
        self.timelines = found

    def _note_decision(self, timeline: ModelTimeline, link: Link) -> None:
        fact = link.event.fact
        if isinstance(fact, CandidateEvaluated | ApprovalRecorded | RollbackDecided):
            timeline.decisions[fact.retrain_job_id] = fact
        elif isinstance(fact, SwitchSucceeded):
            decision = timeline.decisions.get(fact.retrain_job_id)
            timeline.deployments.append(_deployment(link, fact.retrain_job_id, decision))
        elif isinstance(fact, IncumbentAdopted):
            timeline.deployments.append(_adopted(link, fact))


def _adopted(link: Link, fact: IncumbentAdopted) -> Deployment:
    return Deployment(
        retrain_job_id=None,
        begin=moment(link.event.at),
        run_id=link.event.run_id,
        by=fact.by,
        reason=fact.reason,
        turned_back=False,
        metrics=fact.metrics,
    )


def _deployment(link: Link, retrain_job_id: str, decision: Fact | None) -> Deployment:
    by, reason = "", ""
    if isinstance(decision, CandidateEvaluated):
        by, reason = f"policy {decision.policy}", decision.evaluation.decision.reason
    elif isinstance(decision, ApprovalRecorded | RollbackDecided):
        by, reason = decision.by, decision.reason
    return Deployment(
        retrain_job_id=retrain_job_id,
        begin=moment(link.event.at),
        run_id=link.event.run_id,
        by=by,
        reason=reason,
        turned_back=isinstance(decision, RollbackDecided),
    )


_MOST_STRIPS = 24
_MOST_VALUES = 3
_RESTS: Mapping[str, Outcome] = {"hold": "held", "await_approval": "awaiting_approval"}


class Waiting(Struct, frozen=True, kw_only=True):
    """A candidate that a person decides about, since when, its metrics beside the incumbent's, the commands to copy."""

    retrain_job_id: str
    since: datetime
    policy: str
    metrics: str
    approve: str
    reject: str


class Strip(Struct, frozen=True, kw_only=True):
    """Neighbouring runs with the same outcome in a row of runs; `x` and `width` are percent of its width."""

    outcome: Outcome
    x: str
    width: str


class ModelSummary(Struct, frozen=True, kw_only=True):
    """One model now. `entry` is its newest run, `ended` the newest that has an end; None before there is one.

    `value` is the incumbent's leading value; without a job of ours `known` says whether a person stated it.
    `changed_outside` says that another model was in service when the service's list was last read.
    """

    timeline: ModelTimeline
    entry: Entry
    ended: Entry | None
    incumbent: RetrainJob | None
    known: Knowledge
    changed_outside: bool
    value: str
    waiting: Waiting | None
    next: NextStep | None
    strips: Sequence[Strip]
    strip_words: str

    @property
    def troubled(self) -> bool:
        """Return whether the model needs a person."""
        return self.standing in NEEDS_PERSON

    @property
    def standing(self) -> Outcome | None:
        """Return the last outcome, or that of a candidate which still rests with a person."""
        outcome, job = self.ended.outcome if self.ended else None, self.timeline.progress.current
        if outcome in NEEDS_PERSON or job is None:
            return outcome
        return _RESTS.get(job.rests_with or "", outcome)

    @property
    def urgency(self) -> int:
        """Return a key that sorts the models that need a person first."""
        return urgency(self.standing) if self.standing else len(OUTCOMES)


def standing(timeline: ModelTimeline) -> ModelSummary:
    """Return where a model is by the end of the journal."""
    ended = next((entry for entry in reversed(timeline.entries) if entry.outcome is not None), None)
    incumbent = timeline.progress.incumbent
    outcomes = [entry.outcome for entry in timeline.entries if entry.outcome is not None][-_MOST_STRIPS:]
    return ModelSummary(
        timeline=timeline,
        entry=max(timeline.entries, key=lambda entry: entry.run.started_at),
        ended=ended,
        incumbent=incumbent,
        known=knowledge_of(baseline_of(timeline.progress)),
        changed_outside=drift_of(timeline.progress) == "changed_outside",
        value=_leading_value(timeline.progress),
        waiting=_waiting(timeline),
        next=_next_step(timeline, ended),
        strips=_strips(outcomes),
        strip_words=f"last {counted(len(outcomes), 'run')}: {', '.join(_counted(outcomes))}"
        if outcomes
        else "no run has ended",
    )


def _next_step(timeline: ModelTimeline, ended: Entry | None) -> NextStep | None:
    current = timeline.progress.current
    if ended is not None and ended.outcome not in NEEDS_PERSON and current and current.rests_with == "hold":
        judged = (
            entry for entry in timeline.entries if entry.decided and entry.retrain_job_id == current.retrain_job_id
        )
        ended = next(judged, ended)  # runs that skipped the model since say nothing of its candidate
    if ended is None or ended.outcome is None:
        return None
    job, finished = timeline.progress.jobs.get(ended.retrain_job_id or ""), ended.run.finished
    return next_step(
        _as_reported(timeline, ended, ended.outcome),
        CommandContext.of_run(ended.run.started),
        stopped=finished is not None and finished.stopped is not None,
        blocked=job is not None and blocked(timeline.progress, job) is not None,
    )


def _as_reported(timeline: ModelTimeline, entry: Entry, outcome: Outcome) -> ModelReport:
    """Return what a report says of the model, as far as the next step hangs on it."""
    job = timeline.progress.jobs.get(entry.retrain_job_id or "")
    decided = job.decided if job is not None else None
    return ModelReport(
        name=entry.model,
        outcome=outcome,
        reason=entry.reason,
        retrain_job_id=entry.retrain_job_id,
        unread=decided.unread if decided is not None else None,
        rules=rules_of(decided),
        decision=decision_report(job),
        error=entry.error,
    )


def _leading_value(progress: ModelProgress) -> str:
    job, adoption = progress.incumbent, progress.adoption
    stated = adoption.fact.metrics.items() if adoption else ()
    values = leading_values(job.decided if job else None) or [(name, Decimal(text)) for name, text in stated]
    return f"{values[0][0]} {short_number(values[0][1])}" if values else ""


def _waiting(timeline: ModelTimeline) -> Waiting | None:
    job = timeline.progress.current
    if job is None or job.decided is None or job.rests_with != "await_approval":
        return None
    state = CommandContext.of_run(timeline.entries[-1].run.started).state
    of_job = (timeline.name, "--job", job.retrain_job_id)
    return Waiting(
        retrain_job_id=job.retrain_job_id,
        since=job.decided.at,
        policy=job.decided.fact.policy,
        metrics=evidence_line(evidence(timeline.progress, job)),
        approve=person_command("approve", *of_job, state=state),
        reject=person_command("reject", *of_job, state=state),
    )


def told_values(decided: Decided | None) -> list[str]:
    """Return the leading values as text, or why no metric could be read."""
    if decided is not None and decided.unread is not None:
        return [unread_clause(decided.unread)]
    return [f"{name} {short_number(value)}" for name, value in leading_values(decided)]


def leading_values(decided: Decided | None) -> list[tuple[str, Decimal]]:
    """Return up to three metrics with their values: those the rules looked at, without rules the result's first."""
    if decided is None:
        return []
    ruled = dict.fromkeys(rule.metric for rule in decided.fact.evaluation.rules)
    metrics = metrics_of(decided)
    found = ((name, metrics.get(name)) for name in ruled or metrics)
    return [(name, value) for name, value in found if value is not None][:_MOST_VALUES]


def _strips(outcomes: Sequence[Outcome]) -> list[Strip]:
    found, begin, share = list[Strip](), 0, 100 / _MOST_STRIPS
    for outcome, group in groupby(outcomes):
        count = len(list(group))
        found.append(Strip(outcome=outcome, x=f"{begin * share:.2f}", width=f"{count * share:.2f}"))
        begin += count
    return found


def _counted(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{outcomes.count(outcome)} {outcome.replace('_', ' ')}" for outcome in BY_URGENCY if outcome in outcomes]

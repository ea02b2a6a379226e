"""What the site tells of each model over all runs, as one fold over the journal's events. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

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
from runner.journal.progress import Progress
from runner.lib.timestamps import moment
from runner.reports.history import Entry, read_entries


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

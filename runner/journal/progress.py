"""The status of every model, as a fold over the journal's events. Pure: the same events give the same progress."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from runner.errors import PRECEDENCE
from runner.journal.chain import Link, broken
from runner.journal.events import (
    DecisionTaken,
    Event,
    LossAccepted,
    ModelFinished,
    ModelsMoved,
    NameMove,
    ReportWritten,
    ResultDownloaded,
    ResultsPruned,
    RunFinished,
    RunStarted,
    StateMoved,
)
from runner.journal.folder import Removal, StoredFile, removals, stored
from runner.journal.model_progress import AcceptedLoss, ModelProgress
from runner.lib.timestamps import moment

Histories = Mapping[tuple[str, str], ModelProgress]  # by service and name


def moved(histories: Histories, service: str, moves: Sequence[NameMove]) -> dict[tuple[str, str], ModelProgress]:
    """Return the histories under their new names, each in the place it had; what is given stays as it is.

    A history without a job that is in the way of one that moves is dropped: a run may have failed under the new name
    before anybody said that it is one.

    Raises:
        ValueError: a name moves twice, or to where another history stays.
        LookupError: there is no history of a name that moves.
    """
    names = {move.old: move.new for move in moves}
    if not len(names) == len(set(names.values())) == len(moves):
        raise ValueError("a name moves twice")
    for old, new in names.items():
        staying = histories.get((service, new))
        if not histories[service, old].has_history or (new not in names and staying and staying.has_history):
            raise ValueError(f"the history of {old} cannot move to {new}")
    found: dict[tuple[str, str], ModelProgress] = {}
    for (its_service, name), history in histories.items():
        if its_service == service and name in names:
            found[its_service, names[name]] = replace(history, former_names=(*history.former_names, name))
        elif its_service != service or name not in names.values():
            found[its_service, name] = history
    return found


class RunRecord(Struct, frozen=True, kw_only=True):
    """One invocation of `retrain run` (or of a command that changes something)."""

    run_id: str
    began: int  # number of its first event
    started: RunStarted
    started_at: datetime
    finished: RunFinished | None = None
    finished_at: datetime | None = None
    head: tuple[int, str] | None = None  # number and SHA-256 of the event that ended it
    report: ReportWritten | None = None
    models: dict[str, None] = field(default_factory=dict)  # names, in order of first mention


class TakenDecision(Struct, frozen=True, kw_only=True):
    """A decision that a run took out of the inbox; `end` is what came of it, None until then."""

    fact: DecisionTaken
    run_id: str
    end: ModelFinished | None = None


def newest_run(records: Mapping[str, RunStarted]) -> str | None:
    """Return which of the runs, in their order, `latest` means: the newest `retrain run`, not a person's decision.

    Where there are only decisions, it is the newest of them.
    """
    ids = list(records)[::-1]
    return next((run_id for run_id in ids if records[run_id].command == "run"), ids[0] if ids else None)


class Progress:
    """The fold's state: models by (service, name), runs by id. Feed it events in order with `add`.

    It began with the first event, or where a checkpoint ended (`runner.journal.checkpoint`): then models have the jobs
    that are still asked for, `runs` the newest ones and those that were the last with a model, `results` those since.
    """

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self.models: dict[tuple[str, str], ModelProgress] = {}
        self.runs: dict[str, RunRecord] = {}
        self.results: dict[str, StoredFile] = {}  # by path
        self.removed: dict[str, Removal] = {}  # by path
        self.decisions: dict[str, TakenDecision] = {}  # by id
        self.undone: dict[tuple[str, str], str] = {}  # by run and model: the decision whose end is to come
        self.begun: Counter[tuple[str, str]] = Counter()  # histories by (service, name): a name can be used again
        self.lineage: str | None = None  # SHA-256 of the journal's first event: what tells one journal from another
        self.loss: AcceptedLoss | None = None  # the last one
        self.moved_to: str | None = None  # the address where the state is now
        self.last_at: str | None = None  # the stamp of the last event taken in
        self.head: tuple[int, str] | None = None  # number and SHA-256 of the last event taken in
        self.checkpoint_at: int | None = None  # number of the event where the checkpoint ended that it began with
        self.earlier_runs: frozenset[str] = frozenset()  # ids of the runs that are not in `runs`
        self.named: dict[tuple[str, str], frozenset[str]] = {}  # jobs that approvals of a name are about
        for link in links:
            self.add(link)

    def take_over(self, other: "Progress") -> None:
        """Become another progress, for all who hold this one."""
        vars(self).update(vars(other))

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the ids of all runs; they begin with the time, so the oldest comes first."""
        return tuple(sorted((*self.earlier_runs, *self.runs)))

    def has_run(self, run_id: str) -> bool:
        """Return whether the journal has a run."""
        return run_id in self.runs or run_id in self.earlier_runs

    def jobs_named(self, service: str, name: str, wanted: Collection[str]) -> bool:
        """Return whether it is known of each of these jobs what it is to the model called so now or before, or not."""
        left = set(wanted) - self.named.get((service, name), frozenset())
        if not left or self.checkpoint_at is None:
            return True
        return all(
            any(job in model.jobs for (its_service, _), model in self.models.items() if its_service == service)
            for job in left
        )

    def model(self, service: str, name: str) -> ModelProgress:
        """Return a model's progress; a model never seen has no jobs, but it may have been seen in events now lost."""
        return self.models.get((service, name)) or ModelProgress(loss=self.loss)

    def known(self, service: str) -> dict[str, ModelProgress]:
        """Return the progress of the models of one service, by name."""
        return {name: model for (its_service, name), model in self.models.items() if its_service == service}

    def former_names(self, name: str) -> set[str]:
        """Return the names that what is called so now had before, on any service."""
        return {old for (_, now), model in self.models.items() if now == name for old in model.former_names}

    def with_moves(self, service: str, moves: Sequence[NameMove]) -> "Progress":
        """Return the progress as it will be when these moves are recorded; it is to be read only."""
        other = copy(self)
        other.models = moved(self.models, service, moves)
        return other

    def add(self, link: Link) -> None:
        """Take in the next event.

        Raises:
            StateError: it speaks of a run or a job that no event before it began.
        """
        try:
            self._add(link)
        except (LookupError, ValueError):
            raise broken(link.event.seq, "it does not fit to the events before it") from None
        self.lineage = self.lineage or link.sha256
        self.head = (link.event.seq, link.sha256)
        self.last_at = link.event.at

    def _add(self, link: Link) -> None:
        event = link.event
        fact = event.fact
        self._require_order(event)
        self._follow_decision(event)
        if isinstance(fact, RunStarted):
            self.runs[event.run_id] = RunRecord(
                run_id=event.run_id, began=event.seq, started=fact, started_at=moment(event.at)
            )
        elif isinstance(fact, RunFinished):
            self.runs[event.run_id] = replace(
                self.runs[event.run_id], finished=fact, finished_at=moment(event.at), head=(event.seq, link.sha256)
            )
        elif isinstance(fact, ReportWritten):
            self.runs[event.run_id] = replace(self.runs[event.run_id], report=fact)
        elif isinstance(fact, ResultsPruned):
            self.removed |= removals(event, fact)
        elif isinstance(fact, StateMoved):
            self.moved_to = fact.to
        elif isinstance(fact, ModelsMoved):
            self.models = moved(self.models, self.runs[event.run_id].started.service, fact.moves)
        elif isinstance(fact, LossAccepted):
            self.loss = AcceptedLoss(fact=fact, at=moment(event.at))
            for model in self.models.values():
                model.loss = self.loss
        elif event.model is not None:
            self._add_to_model(event, event.model, link.sha256)

    def _follow_decision(self, event: Event) -> None:
        """Note a decision that was taken, and what came of it at the end of the work on its model."""
        fact, run_id = event.fact, event.run_id
        if isinstance(fact, DecisionTaken):
            self.decisions[fact.decision_id] = TakenDecision(fact=fact, run_id=run_id)
            if fact.refused is None:
                self.undone[run_id, fact.about] = fact.decision_id
        elif isinstance(fact, ModelFinished) and event.model is not None:
            decision_id = self.undone.pop((run_id, event.model), None)
            if decision_id is not None:
                self.decisions[decision_id] = replace(self.decisions[decision_id], end=fact)

    def _require_order(self, event: Event) -> None:
        """Raise a ValueError unless the event's run begins, ends and is reported once, in this order.

        `retrain prune` and `state migrate` are not runs: their records have their own id.
        """
        run, fact = self.runs.get(event.run_id), event.fact
        if run is None or isinstance(fact, RunStarted):
            fits = not self.has_run(event.run_id) and isinstance(fact, RunStarted | ResultsPruned | StateMoved)
        elif isinstance(fact, ReportWritten):
            fits = run.finished is not None and run.report is None
        else:
            fits = run.finished is None
        if not fits:
            raise ValueError(f"an event of run {event.run_id} is out of order")

    def _add_to_model(self, event: Event, name: str, sha256: str) -> None:
        run = self.runs[event.run_id]
        run.models.setdefault(name)
        service = run.started.service
        progress = self.models.get((service, name))
        if progress is None:
            self.begun[service, name] += 1
            number = self.begun[service, name]
            identity = name if number == 1 else f"{name}#{number}"  # no name holds a `#`
            progress = self.models[service, name] = ModelProgress(identity=identity, loss=self.loss)
        if not progress.has_history:
            progress.begun_beside = run.started.manifest.moved.get(name)
        progress.add(event, sha256, run.started_at)
        if isinstance(event.fact, ResultDownloaded):
            self.results[event.fact.path] = stored(event, event.fact, service)


def merged(parts: Sequence[Progress]) -> Progress:
    """Return what the journals of all partitions of a state show together; it is to be read only.

    A model is in one of them. Where a run under a name left something without a history in another, the history counts.
    """
    if len(parts) == 1:
        return parts[0]
    whole, runs = Progress(), dict[str, list[RunRecord]]()
    for part in parts:
        for key, model in part.models.items():
            if key not in whole.models or (model.has_history and not whole.models[key].has_history):
                whole.models[key] = model
        for run in part.runs.values():
            runs.setdefault(run.run_id, []).append(run)
        whole.results |= part.results
        whole.removed |= part.removed
        whole.decisions |= part.decisions
        whole.undone |= part.undone
        whole.begun |= part.begun
        whole.earlier_runs |= part.earlier_runs
        whole.loss, whole.moved_to = part.loss or whole.loss, part.moved_to or whole.moved_to
    whole.runs = {run_id: joined_run(run_id, runs[run_id]) for run_id in sorted(runs)}
    whole.earlier_runs -= whole.runs.keys()
    whole.last_at = max((part.last_at for part in parts if part.last_at is not None), default=None)
    whole.head = joined_end([part.head for part in parts])
    whole.lineage = joined_lineage([part.lineage for part in parts])
    return whole


def joined_lineage(lineages: Sequence[str | None]) -> str | None:
    """Return what tells these journals from others; None if none of them has an event."""
    told = "\n".join(lineage or "" for lineage in lineages)
    return hashlib.sha256(told.encode()).hexdigest() if any(lineages) else None


def joined_run(run_id: str, records: Sequence[RunRecord]) -> RunRecord:
    """Return the record of a run in several partitions, or of several runs, as one; it has no separate report."""
    first, *others = records
    if not others and first.run_id == run_id:
        return first
    ends = [record.finished for record in records if record.finished is not None]
    over = len(ends) == len(records)
    models = dict[str, None]()
    for record in records:
        models |= record.models
    return replace(
        min(records, key=lambda record: record.started_at),
        run_id=run_id,
        finished=worst(ends) if over else None,
        finished_at=max(filter(None, (record.finished_at for record in records)), default=None) if over else None,
        head=joined_end([record.head for record in records]) if over else None,
        report=None,
        models=models,
    )


def worst(ends: Sequence[RunFinished]) -> RunFinished:
    """Return the end that counts for all: the worst exit code, and what stopped one of them."""
    worst = min(ends, key=lambda end: PRECEDENCE.index(end.exit_code) if end.exit_code in PRECEDENCE else -1)
    return replace(worst, stopped=next((end.stopped for end in ends if end.stopped is not None), None))


def joined_end(heads: Sequence[tuple[int, str] | None]) -> tuple[int, str] | None:
    """Return the number of events of several journals, and a digest over the digests of their last ones."""
    if not any(heads):
        return None
    told = "\n".join("" if head is None else f"{head[0]} {head[1]}" for head in heads)
    return sum(head[0] for head in heads if head is not None), hashlib.sha256(told.encode()).hexdigest()

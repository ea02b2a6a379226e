"""Whether every switch in the journal had a decision of its own before it, and every rollback led to where one can."""

from collections import defaultdict
from collections.abc import Container

from msgspec import Struct, field

from runner.app.strangers import Finding
from runner.journal.chain import Link
from runner.journal.events import (
    Fact,
    IncumbentAdopted,
    Judged,
    ModelsMoved,
    RollbackDecided,
    RunStarted,
    SwitchDone,
    SwitchIntended,
)

_ABOUT_SWITCHES = (IncumbentAdopted, Judged, RollbackDecided, SwitchIntended, SwitchDone)


class _Model(Struct, kw_only=True):
    """What a model's events have told so far: jobs that served, the one that serves, decisions by their digest."""

    served: set[str] = field(default_factory=set)
    incumbent: str | None = None
    decided: dict[str, str] = field(default_factory=dict)


class SwitchAudit:
    """Is shown the whole journal, event by event, and keeps what does not hold in the given runs."""

    def __init__(self, run_ids: Container[str]) -> None:
        self.findings: list[Finding] = []
        self._run_ids = run_ids
        self._realms: dict[str, str] = {}
        self._models: defaultdict[tuple[str, str], _Model] = defaultdict(_Model)

    def look(self, one: Link) -> None:
        """Look at the next event."""
        event, fact = one.event, one.event.fact
        if isinstance(fact, RunStarted):
            self._realms[event.run_id] = fact.realm
        elif isinstance(fact, ModelsMoved):
            self._move(self._realms.get(event.run_id, ""), fact)
        if event.model is None or not isinstance(fact, _ABOUT_SWITCHES):
            return
        model = self._models[self._realms.get(event.run_id, ""), event.model]
        what = _fault(model, fact)
        if what and event.run_id in self._run_ids:
            self.findings.append(Finding(where=f"event {event.seq}, switch of {event.model}", what=what))
        _take_in(model, fact, one.sha256)

    def _move(self, realm: str, fact: ModelsMoved) -> None:
        taken = {move.new: self._models.pop((realm, move.old), _Model()) for move in fact.moves}
        self._models |= {(realm, name): model for name, model in taken.items()}


def _fault(model: _Model, fact: Fact) -> str | None:
    if isinstance(fact, SwitchIntended) and model.decided.get(fact.decision_sha256) != fact.retrain_job_id:
        return f"refers to no decision about job {fact.retrain_job_id} that stands before it"
    if isinstance(fact, RollbackDecided) and fact.retrain_job_id not in model.served:
        return f"is a rollback to job {fact.retrain_job_id}, which had never served"
    if isinstance(fact, RollbackDecided) and fact.from_job_id != model.incumbent:
        return f"is a rollback from job {fact.from_job_id or 'none'}, which did not serve"
    return None


def _take_in(model: _Model, fact: Fact, sha256: str) -> None:
    if isinstance(fact, Judged | RollbackDecided):
        model.decided[sha256] = fact.retrain_job_id
    elif isinstance(fact, SwitchDone):
        model.served.add(fact.retrain_job_id)
        model.incumbent = fact.retrain_job_id
    elif isinstance(fact, IncumbentAdopted):
        model.incumbent = None

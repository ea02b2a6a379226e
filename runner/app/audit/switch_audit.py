"""Whether every switch rests on a decision to switch, of a policy or a person, and a rollback leads where one can."""

from collections import defaultdict
from collections.abc import Container

from msgspec import Struct, field

from runner.app.state.unrecorded_files import Finding
from runner.journal.chain import Link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    Fact,
    IncumbentAdopted,
    ModelsMoved,
    RollbackDecided,
    RunStarted,
    SwitchIntended,
    SwitchSucceeded,
)

_ABOUT_SWITCHES = (
    IncumbentAdopted,
    CandidateEvaluated,
    ApprovalRecorded,
    RollbackDecided,
    SwitchIntended,
    SwitchSucceeded,
)


class _Model(Struct, kw_only=True):
    """What a model's events have told so far: jobs that served, the one that serves, and what was decided about jobs.

    `decided` has decisions by the digest of their event, `words` the last word of a person on a job's decision, and
    `intended` the jobs that a switch was intended to and not done.
    """

    served: set[str] = field(default_factory=set)
    incumbent: str | None = None
    decided: dict[str, CandidateEvaluated | RollbackDecided] = field(default_factory=dict)
    words: dict[str, ApprovalRecorded] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)


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
    if isinstance(fact, SwitchIntended):
        return _unfounded(model, fact)
    if isinstance(fact, SwitchSucceeded) and fact.retrain_job_id not in model.intended:
        return f"is done to job {fact.retrain_job_id}, and no intent stands before it"
    if isinstance(fact, RollbackDecided) and fact.retrain_job_id not in model.served:
        return f"is a rollback to job {fact.retrain_job_id}, which had never served"
    if isinstance(fact, RollbackDecided) and fact.from_job_id != model.incumbent:
        return f"is a rollback from job {fact.from_job_id or 'none'}, which did not serve"
    return None


def _unfounded(model: _Model, fact: SwitchIntended) -> str | None:
    """Return why nobody decided on a switch: neither the policy, nor a person about just that candidate."""
    decision, word = model.decided.get(fact.decision_sha256), model.words.get(fact.retrain_job_id)
    if decision is None or decision.retrain_job_id != fact.retrain_job_id:
        return f"refers to no decision about job {fact.retrain_job_id} that stands before it"
    if isinstance(decision, RollbackDecided):
        return None
    if word is not None and word.candidate_sha256 == decision.candidate_sha256:
        return None if word.action == "approve" else f"is to job {fact.retrain_job_id}, which {word.by} rejected"
    action = decision.evaluation.decision.action
    return None if action == "switch" else f"rests on a decision to {action}, and nobody approved that candidate"


def _take_in(model: _Model, fact: Fact, sha256: str) -> None:
    if isinstance(fact, CandidateEvaluated | RollbackDecided):
        model.decided[sha256] = fact
        word = model.words.get(fact.retrain_job_id)
        if isinstance(fact, CandidateEvaluated) and word is not None and word.action == "approve":
            del model.words[fact.retrain_job_id]  # it was said of the decision before
    elif isinstance(fact, ApprovalRecorded):
        model.words[fact.retrain_job_id] = fact
    elif isinstance(fact, SwitchIntended):
        model.intended.add(fact.retrain_job_id)
    elif isinstance(fact, SwitchSucceeded):
        model.intended.discard(fact.retrain_job_id)
        model.served.add(fact.retrain_job_id)
        model.incumbent = fact.retrain_job_id
    elif isinstance(fact, IncumbentAdopted):
        model.incumbent = None

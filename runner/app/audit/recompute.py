"""The record made again: decisions from their results, reports from the journal, switches from their decisions."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from runner import __version__
from runner.app.audit.evidence import Evidence
from runner.app.state.unrecorded_files import Finding
from runner.errors import ModelError, StateError
from runner.journal.chain import EventBuffer, Link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    Fact,
    IncumbentAdopted,
    ModelsMoved,
    ResultDownloaded,
    RollbackDecided,
    RunStarted,
    SwitchIntended,
    SwitchSucceeded,
)
from runner.journal.progress import RunRecord
from runner.journal.state_store import Blobs
from runner.lib.atomic_files import read_up_to
from runner.lib.schemas import event_violation, fit, load_schema, report_violation
from runner.plan.approvals import candidate_digest
from runner.policy.decide import evaluate, inputs_from_json, policy_digest
from runner.reports.build import LARGEST_REPORT
from runner.reports.formats.render import each_file
from runner.reports.run_history import RunHistory, ended_histories


class SameBytes(Struct, frozen=True, kw_only=True):
    """The decision came out with exactly the recorded bytes."""


class Different(Struct, frozen=True, kw_only=True):
    """It came out otherwise; `why` continues a sentence that begins with the decision, `parts` names what differs."""

    why: str
    parts: tuple[str, ...] = ()


class Impossible(Struct, frozen=True, kw_only=True):
    """It cannot be computed again; `why` continues a sentence that begins with the decision."""

    why: str


Recomputed = SameBytes | Different | Impossible


def recompute(blobs: Blobs, fact: CandidateEvaluated, result: ResultDownloaded | None) -> Recomputed:
    """Judge the stored result file by the recorded inputs, and compare with what was recorded.

    That the file itself is the recorded one is for the caller to look at.
    """
    return recompute_from(blobs.open, fact, result)


def recompute_from(
    opened: Callable[[str], BinaryIO], fact: CandidateEvaluated, result: ResultDownloaded | None
) -> Recomputed:
    """Do the same with a result file that `opened` gives by its recorded path."""
    if result is None or result.sha256 != fact.result_sha256:
        return Impossible(why="refers to a result file that is not in the journal")
    try:
        inputs = inputs_from_json(dict(fact.inputs))
        with opened(result.path) as stream:
            again = evaluate(inputs, stream)
    except (OSError, ModelError, StateError) as error:
        return Impossible(why=f"cannot be computed again: {error}")
    recorded = fact.evaluation
    if again != recorded:
        parts = tuple(name for name in recorded.__struct_fields__ if getattr(recorded, name) != getattr(again, name))
        return Different(why="comes out differently when it is computed again", parts=parts)
    policy_sha256 = policy_digest(inputs.policy, inputs.definitions)
    candidate_sha256 = candidate_digest(fact.retrain_job_id, fact.result_sha256, policy_sha256, fact.bound)
    if (policy_sha256, candidate_sha256) != (fact.policy_sha256, fact.candidate_sha256):
        return Different(why="carries digests that are not those of its policy and candidate", parts=("digests",))
    return SameBytes()


_REPORT = "report.json"


class Rendered(Struct, frozen=True, kw_only=True):
    """What does not hold, and what only another version of this tool does differently."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def check_rendering(evidence: Evidence, links: Iterable[Link], runs: Sequence[RunRecord]) -> Rendered:
    """Render the runs' files again and compare their digests with the recorded ones."""
    recorded = {run.run_id: run for run in runs if run.report is not None}
    findings: list[Finding] = []
    notes: list[Finding] = []
    for history in ended_histories(links, recorded):
        run = recorded[history.run_id]
        same_version = run.started.tool.version == __version__ and not _written_later(run)
        (findings if same_version else notes).extend(_differences(evidence, history, run))
    return Rendered(findings=tuple(findings), notes=tuple(notes))


def _written_later(run: RunRecord) -> bool:
    """Return whether a later command, maybe of another version, ended the run and wrote its files."""
    return run.finished is not None and run.finished.stopped == "lost"


def _differences(evidence: Evidence, history: RunHistory, run: RunRecord) -> Iterator[Finding]:
    recorded = run.report.files if run.report else {}
    for name, pieces in each_file(history):
        if name in recorded and recorded[name] != _sha256(pieces):
            what = f"is not what retrain {__version__} renders from the journal"
            yield Finding(where=evidence.shown(f"runs/{run.run_id}/{name}"), what=what)


def _sha256(pieces: Iterable[bytes]) -> str:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest()


def check_schemas(evidence: Evidence, links: EventBuffer, runs: Collection[RunRecord]) -> Iterator[Finding]:
    """Yield the runs' events and reports that break their published schema."""
    ids = {run.run_id for run in runs}
    for seq, body in enumerate(links.bodies(), start=1):
        event = msgspec.json.decode(body)
        if event["run_id"] in ids and not _fits_by_construction("journal", event):
            what = event_violation(json.loads(body))
            if what:
                yield Finding(where=f"event {seq}", what=what)
    for run in runs:
        if run.report is not None:
            yield from _check_report(evidence, f"runs/{run.run_id}/{_REPORT}")


def _fits_by_construction(schema: str, value: object) -> bool:
    """Tell soon whether a JSON value certainly fits a published schema; a journal has very many events that do."""
    return fit(schema).accepts(load_schema(schema), value)


def _check_report(evidence: Evidence, name: str) -> Iterator[Finding]:
    try:
        with evidence.open(name) as stream:
            content = read_up_to(stream, LARGEST_REPORT + 1)
    except OSError:
        return  # that it cannot be read is reported with its digest
    if len(content) > LARGEST_REPORT:
        what = f"is larger than {LARGEST_REPORT // 2**20} MiB, so it was not read"
        yield Finding(where=evidence.shown(name), what=what)
        return
    if _report_fits_by_construction(content):
        return
    try:
        violation = report_violation(json.loads(content))
    except (ValueError, RecursionError):
        violation = "is not JSON"
    if violation:
        yield Finding(where=evidence.shown(name), what=violation)


def _report_fits_by_construction(content: bytes) -> bool:
    """Return whether a report certainly fits its schema, one model after the other: together they take much room.

    The schema asks nothing of the list of models but that it is one, and of what it should be.
    """
    schema = load_schema("report")
    try:
        parts = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        models = msgspec.json.decode(parts.pop("models"), type=list[msgspec.Raw])
        rest = {key: msgspec.json.decode(part) for key, part in parts.items()}
        model = schema["properties"]["models"]["items"]
        return _fits_by_construction("report", {**rest, "models": []}) and all(
            fit("report").accepts(model, msgspec.json.decode(row)) for row in models
        )
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return False


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

    `decided` has decisions by the digest of their event, `approvals` the last approval or rejection of a job's
    decision, and `intended` the jobs that a switch was intended to and not done.
    """

    served: set[str] = field(default_factory=set)
    incumbent: str | None = None
    decided: dict[str, CandidateEvaluated | RollbackDecided] = field(default_factory=dict)
    approvals: dict[str, ApprovalRecorded] = field(default_factory=dict)
    intended: set[str] = field(default_factory=set)


class SwitchAudit:
    """Is shown the whole journal, event by event, and keeps what does not hold in the given runs."""

    def __init__(self, run_ids: Container[str]) -> None:
        self.findings: list[Finding] = []
        self._run_ids = run_ids
        self._services: dict[str, str] = {}
        self._models: defaultdict[tuple[str, str], _Model] = defaultdict(_Model)

    def take(self, link: Link) -> None:
        """Look at the next event."""
        event, fact = link.event, link.event.fact
        if isinstance(fact, RunStarted):
            self._services[event.run_id] = fact.service
        elif isinstance(fact, ModelsMoved):
            self._move(self._services.get(event.run_id, ""), fact)
        if event.model is None or not isinstance(fact, _ABOUT_SWITCHES):
            return
        model = self._models[self._services.get(event.run_id, ""), event.model]
        what = _fault(model, fact)
        if what and event.run_id in self._run_ids:
            self.findings.append(Finding(where=f"event {event.seq}, switch of {event.model}", what=what))
        _take_in(model, fact, link.sha256)

    def _move(self, service: str, fact: ModelsMoved) -> None:
        taken = {move.new: self._models.pop((service, move.old), _Model()) for move in fact.moves}
        self._models |= {(service, name): model for name, model in taken.items()}


def _fault(model: _Model, fact: Fact) -> str | None:
    if isinstance(fact, SwitchIntended):
        return _unfounded(model, fact)
    if isinstance(fact, SwitchSucceeded) and fact.retrain_job_id not in model.intended:
        return f"is done to job {fact.retrain_job_id}, and no intent is before it"
    if isinstance(fact, RollbackDecided) and fact.retrain_job_id not in model.served:
        return f"is a rollback to job {fact.retrain_job_id}, which had never served"
    if isinstance(fact, RollbackDecided) and fact.from_job_id != model.incumbent:
        return f"is a rollback from job {fact.from_job_id or 'none'}, which did not serve"
    return None


def _unfounded(model: _Model, fact: SwitchIntended) -> str | None:
    """Return why nobody decided on a switch: neither the policy, nor a person about just that candidate."""
    decision, approval = model.decided.get(fact.decision_sha256), model.approvals.get(fact.retrain_job_id)
    if decision is None or decision.retrain_job_id != fact.retrain_job_id:
        return f"refers to no decision about job {fact.retrain_job_id} that is before it"
    if isinstance(decision, RollbackDecided):
        return None
    if approval is not None and approval.candidate_sha256 == decision.candidate_sha256:
        return (
            None if approval.action == "approve" else f"is to job {fact.retrain_job_id}, which {approval.by} rejected"
        )
    action = decision.evaluation.decision.action
    return None if action == "switch" else f"rests on a decision to {action}, and nobody approved that candidate"


def _take_in(model: _Model, fact: Fact, sha256: str) -> None:
    if isinstance(fact, CandidateEvaluated | RollbackDecided):
        model.decided[sha256] = fact
        approval = model.approvals.get(fact.retrain_job_id)
        if isinstance(fact, CandidateEvaluated) and approval is not None and approval.action == "approve":
            del model.approvals[fact.retrain_job_id]  # it was said of the decision before
    elif isinstance(fact, ApprovalRecorded):
        model.approvals[fact.retrain_job_id] = fact
    elif isinstance(fact, SwitchIntended):
        model.intended.add(fact.retrain_job_id)
    elif isinstance(fact, SwitchSucceeded):
        model.intended.discard(fact.retrain_job_id)
        model.served.add(fact.retrain_job_id)
        model.incumbent = fact.retrain_job_id
    elif isinstance(fact, IncumbentAdopted):
        model.incumbent = None

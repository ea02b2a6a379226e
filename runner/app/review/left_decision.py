"""A decision as it lies in the inbox: everything that a run on another machine needs to carry it out.

Whoever may write to the state can leave one. What is read is data until it is checked: sizes, forms, and then, by the
same functions that the commands use, what it says.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from runner.app.provenance import ci_actor
from runner.app.review.adopt import AdoptRequest, Proposed
from runner.app.review.candidates import DecisionRequest, Subject
from runner.app.review.resolve import Answer, ResolveRequest
from runner.app.review.review import ReviewRequest
from runner.app.review.rollback import RollbackRequest
from runner.datasets.file_cache import FileCache
from runner.execute.drift import source_sha256
from runner.journal.events import CiActor, DecisionAction, DecisionTaken
from runner.journal.forms import DecisionId, JobId, ModelName, Sha256, is_instant
from runner.lib.timestamps import stamp
from runner.plan.incumbent import IncumbentDeclaration

LARGEST = 64 * 1024  # bytes of an entry
_Text = Annotated[str, Meta(max_length=8000)]
_Name = Annotated[str, Meta(min_length=1, max_length=300)]
_Number = Annotated[str, Meta(max_length=200)]


class _Part(Struct, frozen=True, kw_only=True, tag_field="action", forbid_unknown_fields=True):
    """What one kind of decision needs."""


class Approval(_Part, frozen=True, kw_only=True, tag="approve"):
    """Approve this candidate."""

    job: JobId
    force: bool
    record_only: bool


class Rejection(_Part, frozen=True, kw_only=True, tag="reject"):
    """Reject this candidate."""

    job: JobId


class Rollback(_Part, frozen=True, kw_only=True, tag="rollback"):
    """Switch back to this job."""

    to: JobId


class Resolution(_Part, frozen=True, kw_only=True, tag="resolve"):
    """Say what happened to the open request of this job."""

    job: JobId
    answer: Answer


class Adoption(_Part, frozen=True, kw_only=True, tag="adopt"):
    """State what is in service; files were read where the decision was made, and only their digests are here."""

    metrics: Annotated[Mapping[_Name, _Number], Meta(max_length=200)]
    eval: _Text | None
    eval_sha256: Sha256 | None
    result_sha256: Sha256 | None


What = Approval | Rejection | Rollback | Resolution | Adoption


class LeftDecision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision, who made it and on what basis; None there where the job says it all."""

    version: Literal[1]
    decision_id: DecisionId
    left_at: Annotated[str, Meta(max_length=40)]
    by: _Name
    ci_actor: CiActor | None
    service: _Name
    model: ModelName
    reason: _Text
    basis: Sha256 | None
    what: What

    @property
    def action(self) -> DecisionAction:
        """Return the command that it is."""
        action: DecisionAction = msgspec.to_builtins(self.what)["action"]
        return action

    @property
    def taken(self) -> DecisionTaken:
        """Return the fact that a run has taken it."""
        return DecisionTaken(
            decision_id=self.decision_id,
            action=self.action,
            about=self.model,
            by=self.by,
            ci_actor=self.ci_actor,
            reason=self.reason,
            left_at=self.left_at,
            refused=None,
        )


def left(request: DecisionRequest, now: datetime, subject: Subject, proposed: Proposed | None) -> LeftDecision:
    """Return a decision to leave: about a job, or the adoption that is proposed."""
    return LeftDecision(
        version=1,
        decision_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(16)}",
        left_at=stamp(now),
        by=request.by,
        ci_actor=ci_actor(),
        service=subject.service,
        model=request.model,
        reason=request.reason,
        basis=request.agreed,
        what=_what(request, subject.job, proposed),
    )


def _what(request: DecisionRequest, job: str | None, proposed: Proposed | None) -> What:
    match request:
        case ReviewRequest(action="approve") if job is not None:
            return Approval(job=job, force=request.force, record_only=request.record_only)
        case ReviewRequest(action="reject") if job is not None:
            return Rejection(job=job)
        case RollbackRequest() if job is not None:
            return Rollback(to=job)
        case ResolveRequest() if job is not None:
            return Resolution(job=job, answer=request.answer)
        case AdoptRequest() if proposed is not None:
            return _adoption(request.model, proposed.statement)
        case _:
            raise LookupError(f"a decision about {request.model} was left without its job")


def _adoption(model: str, statement: IncumbentDeclaration) -> Adoption:
    measured_on = statement.eval
    return Adoption(
        metrics=statement.metrics,
        eval=None if measured_on is None else measured_on.pattern,
        eval_sha256=None if measured_on is None else source_sha256(model, measured_on, FileCache()),
        result_sha256=statement.result_sha256,
    )


def decoded(content: bytes) -> LeftDecision:
    """Return the decision in an entry.

    Raises:
        ValueError: it is not one; the message says why, and repeats nothing of it.
    """
    if len(content) > LARGEST:
        raise ValueError("it is too large")
    try:
        found: LeftDecision | None = msgspec.json.decode(content, type=LeftDecision)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    if found is None or not is_instant(found.left_at):
        raise ValueError("it does not have the form of a decision")
    return found


def encoded(decision: LeftDecision) -> bytes:
    """Return the bytes of an entry."""
    return msgspec.json.encode(decision)

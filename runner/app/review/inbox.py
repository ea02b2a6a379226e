"""The inbox of a state: decisions that are left, claimed, withdrawn, listed and removed.

An entry is `ID.json`. Who carries it out, and who withdraws it, first makes `ID.claim`, which one of them can: so what
was withdrawn is never carried out. What is not an entry is set aside.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from runner.app.provenance import ci_actor
from runner.app.review.adopt import AdoptRequest, Proposed
from runner.app.review.candidates import DecisionRequest, Subject
from runner.app.review.following import ENTRY
from runner.app.review.resolve import Answer, ResolveRequest
from runner.app.review.review import ReviewRequest
from runner.app.review.rollback import RollbackRequest
from runner.datasets.file_cache import FileCache
from runner.errors import StateError
from runner.execute.drift import source_sha256
from runner.journal.events import CiActor, DecisionAction, DecisionTaken
from runner.journal.folder import is_inbox_name
from runner.journal.forms import DecisionId, JobId, ModelName, Sha256, is_instant
from runner.journal.state_store import Inbox, StateStore
from runner.lib.text import shown
from runner.lib.timestamps import stamp
from runner.plan.incumbent import IncumbentDeclaration

# A decision as it lies in the inbox: everything that a run on another machine needs to carry it out. Whoever may
# write to the state can leave one. What is read is data until it is checked: sizes, forms, and then, by the same
# functions that the commands use, what it says.

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


MOST_LEFT = 200  # decisions that wait at a time
_CLAIM = ".claim"
_WITHDRAWN = b"withdrawn"


class Found(Struct, frozen=True, kw_only=True):
    """What is in the inbox: decisions, oldest first, and what was set aside, a sentence each."""

    decisions: tuple[LeftDecision, ...]
    aside: tuple[str, ...] = ()


class DecisionInbox(Struct, frozen=True):
    """The decisions of one state. What was read once is not read again: entries never change."""

    state: StateStore
    known: dict[str, LeftDecision] = field(default_factory=dict)

    @property
    def _inbox(self) -> Inbox:
        return self.state.inbox

    def leave(self, decision: LeftDecision) -> None:
        """Leave a decision, durably; one that arrived although its answer was lost is left.

        Raises:
            StateError: it cannot be stored, that is unknown, or too many wait.
        """
        try:
            if len(self._inbox.pending()) >= 2 * MOST_LEFT:
                raise StateError(
                    f"The inbox of {self.state.address} is full, so the decision was not left there.",
                    hint="Wait for the run to end, then run the command again.",
                )
            self._inbox.post(f"{decision.decision_id}{ENTRY}", encoded(decision))
        except OSError as error:
            if self._has_arrived(decision.decision_id):
                return
            if self.state.folder is None and not isinstance(error, PermissionError):
                raise StateError(
                    f"It is unknown whether the decision was left in {self.state.address}: {error.strerror or error}.",
                    hint="Look at `retrain status` first: it shows a decision that waits, and what came of one. Run "
                    "the command again only where it shows neither; while a decision waits, it is not left twice.",
                ) from error
            raise StateError(
                f"The decision cannot be left in {self.state.address}: {error.strerror or error}.",
                hint="Make room or correct the permissions; or wait for the run to end, then run the command again.",
            ) from error

    def _has_arrived(self, decision_id: str) -> bool:
        with suppress(OSError):
            return self.holds(decision_id)
        return False

    def like(self, decision: LeftDecision) -> LeftDecision | None:
        """Return the same decision of the same person where it waits already: its answer may have been lost."""
        found = self.pending(set_aside=False).decisions
        same = replace(decision, decision_id="", left_at="")
        return next((waiting for waiting in found if replace(waiting, decision_id="", left_at="") == same), None)

    def holds(self, decision_id: str) -> bool:
        """Return whether the decision is still there.

        Raises:
            OSError: the inbox cannot be listed.
        """
        return f"{decision_id}{ENTRY}" in self._inbox.pending()

    def pending(self, *, set_aside: bool) -> Found:
        """Return what waits; `set_aside` moves what is not a decision out of the way; else it is only reported.

        Raises:
            OSError: the inbox cannot be listed.
        """
        names = self._inbox.pending()
        ours = [name for name in names if is_inbox_name(name)]
        entries = [name for name in ours if name.endswith(ENTRY)][:MOST_LEFT]
        claimed = {name.removesuffix(_CLAIM) for name in ours if name.endswith(_CLAIM)}
        decisions, aside = list[LeftDecision](), list[str]()
        for name in entries:
            try:
                decision = self.known.get(name) or self._read(name)
            except FileNotFoundError:
                continue  # carried out or withdrawn since
            except (OSError, ValueError) as error:
                why = (error.strerror if isinstance(error, OSError) else None) or str(error)
                aside.append(self._refuse(name, why, set_aside=set_aside))
                continue
            self.known[name] = decision
            if decision.decision_id not in claimed or not self._seems_withdrawn(decision.decision_id):
                decisions.append(decision)
        strange = [name for name in names if not is_inbox_name(name)][:MOST_LEFT]
        aside += [self._refuse(name, "it is not a decision", set_aside=set_aside) for name in strange]
        if set_aside:
            self._tidy(claimed, {name.removesuffix(ENTRY) for name in entries})
        decisions.sort(key=lambda decision: (decision.left_at, decision.decision_id))  # a name has whole seconds
        return Found(decisions=tuple(decisions), aside=tuple(aside))

    def _tidy(self, claimed: set[str], entered: set[str]) -> None:
        """Remove what a killed command left of decisions that were withdrawn or are gone."""
        for decision_id in claimed:
            withdrawn = decision_id in entered and self._seems_withdrawn(decision_id)
            if withdrawn or (decision_id not in entered and not self.holds(decision_id)):
                try:
                    self.remove(decision_id)
                except OSError:  # nobody but a stranger makes something else there
                    self._refuse(f"{decision_id}{_CLAIM}", "it is not a claim", set_aside=True)

    def claim(self, decision_id: str, run_id: str) -> bool:
        """Make sure that the decision is not withdrawn any more; return whether it was not before.

        Raises:
            OSError: it cannot be told.
        """
        try:
            self._inbox.post(f"{decision_id}{_CLAIM}", run_id.encode())
        except FileExistsError:
            return not self._is_withdrawn(decision_id)  # a run that was lost had claimed it
        if self.holds(decision_id):
            return True
        self._inbox.remove(f"{decision_id}{_CLAIM}")
        return False

    def withdraw(self, decision_id: str) -> bool:
        """Take a decision back; return False where a run has claimed it.

        True says nothing of one that was carried out and removed: only the journal tells that.

        Raises:
            OSError: it cannot be told.
        """
        try:
            self._inbox.post(f"{decision_id}{_CLAIM}", _WITHDRAWN)
        except FileExistsError:
            return False
        self.remove(decision_id)
        return True

    def remove(self, decision_id: str) -> None:
        """Remove a decision that counts, or that was withdrawn: first the entry, so that its claim outlives it.

        Raises:
            OSError: it cannot be removed.
        """
        for ending in (ENTRY, _CLAIM):
            self._inbox.remove(f"{decision_id}{ending}")

    def _read(self, name: str) -> LeftDecision:
        decision = decoded(self._inbox.read(name, LARGEST + 1))
        if f"{decision.decision_id}{ENTRY}" != name:
            raise ValueError("its name is not that of the decision in it")
        return decision

    def _seems_withdrawn(self, decision_id: str) -> bool:
        """Return the same as far as it can be told; a claim makes sure."""
        with suppress(OSError):
            return self._is_withdrawn(decision_id)
        return False

    def _is_withdrawn(self, decision_id: str) -> bool:
        try:
            return self._inbox.read(f"{decision_id}{_CLAIM}", len(_WITHDRAWN)) == _WITHDRAWN
        except FileNotFoundError:
            return False

    def _refuse(self, name: str, why: str, *, set_aside: bool) -> str:
        told = f"{shown(name)} in the inbox of {self.state.address} is not followed: {why}"
        if not set_aside:
            return told
        try:
            return f"{told}; it is at {self._inbox.set_aside(name)} now"
        except OSError as error:
            return f"{told}; it cannot be set aside: {error.strerror or error}"

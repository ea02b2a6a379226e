"""What a run does about the decisions in the inbox: the same rules as the commands, by the run's own manifest."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from runner.app.planning.scope import Scope
from runner.app.review.adopt import rule_on_adoption, stated
from runner.app.review.candidates import DecisionRequest, Subject
from runner.app.review.candidates import Ruling as Verdict
from runner.app.review.inbox import Adoption, Approval, DecisionInbox, LeftDecision, Rejection, Resolution, Rollback
from runner.app.review.resolve import ResolveRequest, rule_on_resolution
from runner.app.review.review import ReviewRequest, rule_on_review
from runner.app.review.rollback import RollbackRequest, rule_on_rollback
from runner.app.run.execution import ExecutionRequest
from runner.app.state.session import Session
from runner.errors import ExitCode, RetrainError, StateError
from runner.execute.decisions import Ruling
from runner.execute.model_run import Budget, ModelRun, RunContext
from runner.execute.progress_events import Message, Warned
from runner.execute.workflow import BUG_HINT
from runner.journal.events import DecisionTaken, RefusalRecord
from runner.lib.timestamps import moment
from runner.plan.model_plan import Choice

_LASTS = timedelta(days=14)  # how long a decision may wait
_PACE_S, _FAR_PACE_S = 1.0, 5.0  # between two looks; one at a state that is elsewhere is a request


class InboxDesk(Struct, frozen=True, kw_only=True):
    """The decisions of the state, as a run with this manifest takes them up."""

    opened: Session
    job: ExecutionRequest
    inbox: DecisionInbox
    told: set[str] = field(default_factory=set)  # so that the same trouble is not told each second

    @classmethod
    def of_run(cls, opened: Session, job: ExecutionRequest) -> "InboxDesk":
        """Return the desk of a run."""
        return cls(opened=opened, job=job, inbox=DecisionInbox(opened.state))

    @property
    def pace_s(self) -> float:
        """Return how many seconds are between two looks."""
        return _PACE_S if self.opened.state.folder is not None else _FAR_PACE_S

    def pending(self) -> Sequence[LeftDecision]:
        """Return the decisions about models that this run knows; remove those that count already."""
        try:
            found = self.inbox.pending(set_aside=True)
        except OSError as error:
            self._warn(f"the inbox cannot be read: {error.strerror or error}")
            return ()
        for sentence in found.aside:
            self._warn(sentence)
        for decision in found.decisions:
            if self._counts(decision):
                self.remove(decision)
        return [decision for decision in found.decisions if not self._counts(decision) and self._is_ours(decision)]

    def claim(self, waiting: LeftDecision) -> bool:
        """Make sure that nobody can withdraw it any more."""
        try:
            return self.inbox.claim(waiting.decision_id, self.opened.run_id)
        except OSError as error:
            self._warn(f"decision {waiting.decision_id} cannot be claimed: {error.strerror or error}")
            return False

    def rule(self, waiting: LeftDecision, context: RunContext) -> Ruling | None:
        """Hold it against the journal of now, as the command does."""
        if self._counts(waiting):
            return None
        taken = waiting.taken
        try:
            verdict = self._verdict(waiting, taken)
        except RetrainError as error:
            return self._refused(waiting, error.exit_code, error.message, error.hint)
        except Exception as bug:  # noqa: BLE001 -- nothing that was left in the inbox ends a run; it exits with 70
            context.internal_errors.append(bug)
            return self._refused(waiting, ExitCode.BUG, f"Internal error: {type(bug).__name__}.", BUG_HINT)
        self._tell(waiting, f"{waiting.action} by {waiting.by} is taken up")
        plan = verdict.plan
        if plan is None:
            return Ruling(taken=taken, facts=verdict.facts)
        by_person = replace(context, choice=self._scope(waiting).choice, budget=Budget(switches=None, failures=None))
        run = ModelRun(
            context=by_person, model=self.job.scope.manifest.models[waiting.model], plan=plan, decision=taken
        )
        return Ruling(taken=taken, facts=verdict.facts, run=run)

    def _refused(self, waiting: LeftDecision, code: ExitCode, message: str, hint: str) -> Ruling:
        self._tell(waiting, f"{waiting.action} by {waiting.by} is refused: {message}")
        refusal = RefusalRecord(exit_code=int(code), message=message, hint=hint)
        return Ruling(taken=replace(waiting.taken, refused=refusal))

    def remove(self, waiting: LeftDecision) -> None:
        """Remove it, if it is in the journal."""
        try:
            if self._counts(waiting):
                self.inbox.remove(waiting.decision_id)
        except OSError as error:
            self._warn(f"decision {waiting.decision_id} cannot be removed from the inbox: {error.strerror or error}")

    def _verdict(self, waiting: LeftDecision, taken: DecisionTaken) -> Verdict:
        if self._is_old(waiting):
            raise StateError(
                f"The decision waited in the inbox for more than {_LASTS.days} days, so it counts no more.",
                hint="Look at the model again with `retrain status`, and decide again.",
            )
        request = DecisionRequest(
            model=waiting.model,
            reason=waiting.reason,
            state=self.opened.name,
            agreed=waiting.basis,
            taken=taken,
        )
        shared, opened = request.shared, self.opened
        match waiting.what:
            case Approval(job=job, force=force, record_only=later):
                made = ReviewRequest(action="approve", job=job, force=force, record_only=later, **shared)
                return rule_on_review(opened, self._scope(waiting), made)
            case Rejection(job=job):
                return rule_on_review(opened, self._scope(waiting), ReviewRequest(action="reject", job=job, **shared))
            case Rollback(to=job):
                return rule_on_rollback(opened, self._scope(waiting), RollbackRequest(to=job, **shared))
            case Resolution(job=job, answer=answer):
                subject = Subject(service=waiting.service, job=job)
                return rule_on_resolution(opened, ResolveRequest(subject=subject, answer=answer, **shared))
            case Adoption() as statement:
                declared = stated(request, statement, self.job.scope.manifest.metrics)
                return rule_on_adoption(opened, self._scope(waiting), request, declared)

    def _scope(self, waiting: LeftDecision) -> Scope:
        scope = self.job.scope
        choice = Choice(
            paths=scope.choice.paths,
            emulator=scope.service.emulator,
            trusted_hosts=scope.choice.trusted_hosts,
            state=self.opened.name,
        )
        return replace(scope, choice=choice, models=(scope.manifest.models[waiting.model],))

    def _is_ours(self, waiting: LeftDecision) -> bool:
        """Return whether this run has the model, on its service; another run carries out others, until they are old."""
        scope, here = self.job.scope, self.opened.partition
        if self.job.homes and self.job.homes.get(waiting.model) != here:
            return False  # it is about a model of another partition, or of none any more
        known = waiting.service == scope.service.name and waiting.model in scope.manifest.models
        return known or self._is_old(waiting)

    def _is_old(self, waiting: LeftDecision) -> bool:
        return self.opened.clock.now() - moment(waiting.left_at) > _LASTS

    def _counts(self, waiting: LeftDecision) -> bool:
        return waiting.decision_id in self.opened.progress.decisions

    def _tell(self, waiting: LeftDecision, text: str) -> None:
        self.job.listener(waiting.model, Message(text=text))

    def _warn(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            self.job.listener(None, Warned(warning=text))

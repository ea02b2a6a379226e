"""The switch: production changes, so a durable decision and intent come first, and nothing is repeated blindly.

The service tells no caller which model serves; only the list of classifiers can prove a switch whose answer was lost.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from runner.errors import Kind
from runner.execute.commands import Clock, Pool, StoppedError, Workflow, pause, record
from runner.execute.drift import Listed, list_classifiers, note_serving
from runner.execute.evaluation import decide_again
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd, failed_with
from runner.execute.progress_events import StageStarted
from runner.execute.retry import Busy, backoff, get_key, send
from runner.journal.events import ADOPTED, SwitchIntended, SwitchRejected, SwitchSucceeded, SwitchUnknown
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import Decided, RetrainJob
from runner.lib.secrets import Secret
from runner.manifest.durations import duration_text
from runner.plan.approvals import incumbent_moved, inputs_moved
from runner.plan.eligibility import blocked
from runner.plan.incumbent import may_drift, own_models
from runner.plan.model_plan import PlanStage, person_command, resolve_commands, review_commands
from runner.policy.types import TAKES_OVER
from runner.providers.base import Done, Effect, NeverSent, Rejected, Unknown

INTENTS = 2  # how often one decision may be carried out when the first switch never became visible
_LEAVES_WITHIN = timedelta(minutes=1)  # of its intent, or not at all
_LONGEST_PAUSE_S = 15.0
_MOST_LISTED = 1000  # models of a list that are kept with an intent


def switch(run: ModelRun) -> Workflow[StageEnd]:
    """Carry out the decision about the candidate, if it is to switch and the run may."""
    job = run.job
    if job.decided is None:
        raise LookupError(f"{run.model.name}: the switch stage was reached before a decision")
    if job.rollback is not None:  # a person decided, about a job that has served; no policy is asked again
        return (yield from _switch_if_allowed(run))
    if inputs_moved(run.context.manifest, run.model, run.progress, job):  # while an unknown switch was settled
        end = yield from decide_again(run)
        return end or (yield from switch(run))
    approved = job.review is not None and job.review.fact.action == "approve"
    bar = blocked(run.progress, job)
    waits_blocked = bar is not None and run.progress.loss is not None and job.decided.action == "await_approval"
    if not approved and job.decided.action != "switch" and not waits_blocked:
        return _rests(run, job.decided)
    if bar is not None:
        return ModelOutcome(outcome="held", reason=f"{_clause(bar)}; the current model is kept. {_forced(run, job)}")
    return (yield from _switch_if_allowed(run))


def _switch_if_allowed(run: ModelRun) -> Workflow[StageEnd]:
    """Switch, unless the run's flags or limits leave it to a later one, or another model came into service."""
    job = run.job
    if run.context.choice.no_switch:
        return ModelOutcome(outcome="skipped", reason=f"{_due(job)} --no-switch was given; a later run switches.")
    if not run.context.budget.take_switch():
        return ModelOutcome(
            outcome="skipped", reason=f"{_due(job)} limits.switches_per_run is used up; a later run switches."
        )
    listed = yield from list_classifiers(run)
    yield from note_serving(run, listed)
    if job.rollback is None and incumbent_moved(run.context.manifest, run.model, run.progress, job):
        run.context.budget.return_switch()
        end = yield from decide_again(run)
        return end or (yield from switch(run))
    return (yield from switch_now(run, listed))


def switch_now(run: ModelRun, serving: Listed) -> Workflow[StageEnd]:
    """Switch to the candidate, as soon as the service is not busy; `serving` is its list of just before."""
    busy = Busy(began=run.context.clock.monotonic())
    while True:
        effect = yield from _send(run, serving)
        if isinstance(effect, Rejected) and (yield from _applied_all_the_same(run)):
            run.warn(f"the switch was refused, but the service's list shows it: {effect.message}")
            return _switched(run, proof="read_back")
        if not isinstance(effect, Rejected) or effect.reason != "busy":
            return (yield from _after_put(run, run.job, effect))
        yield from record(SwitchRejected(retrain_job_id=run.job.retrain_job_id, message=effect.message))
        if busy.lasted(run) >= run.model.wait.timeout.total_seconds():
            message = f"{effect.message.rstrip('.')}; it was waited for for {duration_text(run.model.wait.timeout)}."
            return failed_with(effect.kind, message, "The decision is kept; the next run switches.")
        yield from busy.wait(run, effect.message)
        serving = yield from list_classifiers(run)
        yield from note_serving(run, serving)
        if run.job.rollback is None and incumbent_moved(run.context.manifest, run.model, run.progress, run.job):
            run.context.budget.return_switch()
            end = yield from decide_again(run)
            return end or (yield from switch(run))


def _applied_all_the_same(run: ModelRun) -> Workflow[bool]:
    """Ask after a refusal for what is in service: who refused may be in between."""
    if not _can_be_seen(run.job):
        return False
    return _serves(run.job, (yield from list_classifiers(run))) is True


def _send(run: ModelRun, serving: Listed) -> Workflow[Effect]:
    """Record the intent, and make the one PUT."""
    key, job, mandate = (yield from get_key(run)), run.job, run.job.mandate_sha256
    if mandate is None:
        raise LookupError(f"{run.model.name}: a switch needs a decision")
    number, leaves = job.switches + 1, SendDeadline.within(run)
    yield from record(
        SwitchIntended(
            retrain_job_id=job.retrain_job_id,
            decision_sha256=mandate,
            attempt=number,
            listed_before=_before(run, job, serving),
        ),
        guard=f"switch:{run.context.service}:{run.progress.identity}:{mandate}:{number}",
    )
    run.say(f"switching to job {job.retrain_job_id}")
    try:
        with run.timed("switch_s"):
            return (yield from send(run, "switch", Pool.CALL, lambda: _put(run, key, job.retrain_job_id, leaves)))
    except StoppedError:
        yield from record(SwitchRejected(retrain_job_id=job.retrain_job_id, message="stopped before it was sent"))
        raise


class SendDeadline(Struct, frozen=True, kw_only=True):
    """Until when a switch may leave, by both clocks: the one may be set back, the other may stand still in a sleep."""

    wall: datetime
    monotonic: float

    @classmethod
    def within(cls, run: ModelRun) -> "SendDeadline":
        """Return the moment for an intent written now."""
        length, clock = _leaves_within(run), run.context.clock
        return cls(wall=clock.now() + length, monotonic=clock.monotonic() + length.total_seconds())

    def passed(self, clock: Clock) -> bool:
        """Return whether it is too late by either clock."""
        return clock.now() >= self.wall or clock.monotonic() >= self.monotonic


def _leaves_within(run: ModelRun) -> timedelta:
    return min(run.quarantine, _LEAVES_WITHIN)


def _put(run: ModelRun, key: Secret, retrain_job_id: str, leaves: SendDeadline) -> Effect:
    """Send the switch, unless this process slept too long after its intent: others may have taken over by now."""
    if leaves.passed(run.context.clock):
        return NeverSent(message="The switch was not sent in time.", hint="Look for what stopped this process so long.")
    if not run.context.still_locked():
        return NeverSent(
            message="The switch was not sent, as this run holds its state no longer.",
            hint="Look for the run that took over, or for what kept this run from the state.",
        )
    return run.context.provider.switch(key, retrain_job_id)


def _after_put(run: ModelRun, job: RetrainJob, effect: Effect) -> Workflow[StageEnd]:
    name = job.retrain_job_id
    if isinstance(effect, Done):
        if not _can_be_seen(job):
            return _switched(run, proof="answer")
        effect = Unknown(message="the service confirmed it, but its list does not show it yet", hint="")
        listed = yield from list_classifiers(run, again=True)
        if _serves(run.job, listed) in (True, None):
            return _switched(run, proof="answer")
    if isinstance(effect, NeverSent):
        yield from record(SwitchRejected(retrain_job_id=name, message=effect.message))
        return failed_with(Kind.NETWORK, effect.message, "The decision is kept; the next run switches.")
    if isinstance(effect, Rejected):
        yield from record(SwitchRejected(retrain_job_id=name, message=effect.message, by_service=True))
        return failed_with(effect.kind, effect.message, effect.hint)
    yield from record(SwitchUnknown(retrain_job_id=name, message=effect.message))
    run.warn(f"the switch's result is unclear: {effect.message}")
    run.tell(StageStarted(stage=PlanStage.SETTLE_SWITCH))
    return (yield from settle_switch(run)) or (yield from switch_now(run, (yield from list_classifiers(run))))


def _can_be_seen(job: RetrainJob) -> bool:
    """Return whether the list of classifiers, as it was before the switch, lets the switch be seen."""
    return job.model_id is not None and job.listed_before is not None and job.model_id not in job.listed_before


def settle_switch(run: ModelRun) -> Workflow[StageEnd]:
    """Find out whether a switch without an answer was applied; None means it certainly was not."""
    job, clock = run.job, run.context.clock
    began, enough = clock.monotonic(), (_leaves_within(run) + run.quarantine).total_seconds()
    run.say(f"asking whether the switch to job {job.retrain_job_id} was applied")
    attempt = 0
    while True:
        attempt += 1
        waited = clock.monotonic() - began  # read before the question: a sleep over the answer makes it an old one
        listed = None if job.model_id is None else (yield from list_classifiers(run, again=True))
        serves = _serves(job, listed)
        if serves:
            return _switched(run, proof="read_back")
        if serves is None or (waited >= enough and job.switches >= INTENTS):
            return _unknown(run, job, serves=serves)
        if waited >= enough:
            if _somebody_published(run, job, listed):  # whether before or after this switch is not known
                return _unknown(run, job, serves=None)
            text = "not visible after the quarantine"
            yield from record(SwitchRejected(retrain_job_id=job.retrain_job_id, message=text))
            return None
        yield from pause(min(backoff(attempt, run.context.rng), _LONGEST_PAUSE_S, enough - waited), interruptible=True)


def _before(run: ModelRun, job: RetrainJob, listed: Listed) -> tuple[int, ...] | None:
    """Return the numbers of the models in service that can be this model's own, and the candidate's where it is listed.

    None if the list cannot be read or is too long to be kept.
    """
    if listed is None:
        return None
    numbers = own_models(run.model, run.progress, listed) | {job.model_id} & {
        classifier.model_id for classifier in listed
    }
    return tuple(sorted(number for number in numbers if number is not None)) if len(numbers) <= _MOST_LISTED else None


def _somebody_published(run: ModelRun, job: RetrainJob, listed: Listed) -> bool:
    """Return whether a model that was in service before the switch is not any more, though the candidate is not listed.

    Where it is not known which of the listed models is this model's own, those that this project's other models
    replaced by their own switches do not count: their jobs, and at a first switch one that nobody has recorded.
    """
    if job.listed_before is None or listed is None:
        return True
    now = {classifier.model_id for classifier in listed}
    gone = set(job.listed_before) - now - {job.model_id}
    if not gone or run.model.classifier_id is not None or may_drift(run.progress):
        return bool(gone)
    replaced = 0
    for other in _others(run):
        gone -= {theirs.model_id for theirs in other.jobs.values()}
        replaced += _switched_first(other, set(job.listed_before), now)
    return len(gone) > replaced


def _others(run: ModelRun) -> Iterator[ModelProgress]:
    """Yield the histories of this project's other models, in other partitions of the state as the run found them."""
    service, here = run.context.service, run.context.progress.models
    yield from (other for place, other in here.items() if place != (service, run.model.name))
    before = {name for model in here.values() for name in model.former_names}  # a rename that this run recorded
    known_here = before | {name for its_service, name in here if its_service == service}
    yield from (other for name, other in run.context.elsewhere.items() if name not in known_here)


def _switched_first(other: ModelProgress, before: set[int | None], now: set[int]) -> bool:
    """Return whether a model that is in service by a switch of this project was none of its jobs on the list before."""
    incumbent, ours = other.incumbent, {job.model_id for job in other.jobs.values()}
    return incumbent is not None and incumbent.model_id in now - before and not ours & before


def _serves(job: RetrainJob, listed: Listed) -> bool | None:
    """Return whether the candidate's model serves by this switch; None when that cannot be learnt.

    A model that was listed before proves nothing: another job, or another classifier of the account, may have brought
    it into service.
    """
    found = _is_listed(job, listed)
    was_listed = job.listed_before is None or job.model_id in job.listed_before
    return None if found and was_listed else found


def _is_listed(job: RetrainJob, listed: Listed) -> bool | None:
    """Return whether the service's list names the candidate's model as serving; None when that is not known."""
    if job.model_id is None or listed is None:
        return None
    return any(classifier.model_id == job.model_id for classifier in listed)


def _switched(run: ModelRun, *, proof: Literal["answer", "read_back"]) -> ModelOutcome:
    job = run.job
    unverified = job.rollback.fact.unverified if job.rollback else ()
    told = f" Not verified: {', '.join(unverified)}." if unverified else ""
    done = SwitchSucceeded(retrain_job_id=job.retrain_job_id, proof=proof)
    return ModelOutcome(
        outcome="switched", reason=f"{_why(job)}; job {job.retrain_job_id} serves now.{told}", last=done
    )


def _rests(run: ModelRun, decided: Decided) -> ModelOutcome:
    reason = decided.fact.evaluation.decision.reason
    if decided.action == "hold":
        return ModelOutcome(outcome="held", reason=reason)
    approve, reject = review_commands(run.model.name, state=run.context.state_option)
    return ModelOutcome(outcome="awaiting_approval", reason=f"{reason} Decide with `{approve}` or `{reject}`.")


def _why(job: RetrainJob) -> str:
    if job.rollback is not None:
        back = job.rollback.fact
        if back.from_job_id == job.retrain_job_id:
            return f"{back.by} switched to it once more ({back.reason})"
        return (
            f"{back.by} rolled back from {f'job {back.from_job_id}' if back.from_job_id else ADOPTED} ({back.reason})"
        )
    if job.review is not None:
        fact = job.review.fact
        where = f" in {fact.source.file}" if fact.source else ""
        return f"{fact.by} approved it{where} ({fact.reason or 'no reason given'})"
    reason = job.decided.fact.evaluation.decision.reason if job.decided else ""
    return reason.removesuffix(TAKES_OVER).rstrip(".")


def _clause(text: str) -> str:
    return text[0].upper() + text[1:]


def _forced(run: ModelRun, job: RetrainJob) -> str:
    options = ("--job", job.retrain_job_id, "--force")
    command = person_command("approve", run.model.name, *options, state=run.context.state_option)
    return f"`{command}` switches to it anyway."


def _due(job: RetrainJob) -> str:
    return f"The switch to job {job.retrain_job_id} is decided and not done:"


def _unknown(run: ModelRun, job: RetrainJob, *, serves: bool | None) -> ModelOutcome:
    name = job.retrain_job_id
    known = f"Whether the switch to job {name} was applied cannot be learnt from the service."
    if serves is None and job.listed_before is not None and job.model_id in job.listed_before:
        known = f"{known} Its model {job.model_id} was on the list of those in service before the switch too."
    if serves is False:
        known = f"The switch to job {name} was tried {job.switches} times, and by the service's list it does not serve."
    done, undone = resolve_commands(run.model.name, "switch", state=run.context.state_option)
    return ModelOutcome(
        outcome="unknown",
        reason=f"{known} Look in the product which model is published, and tell: `{done}` or `{undone}`. "
        "Nothing is sent before that.",
    )

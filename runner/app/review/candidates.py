"""Which candidate an operator decides about, whether that is possible, and what is asked before production changes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, json
from msgspec.structs import replace

from runner.app.planning.scope import Scope
from runner.errors import StateError, UsageError
from runner.execute.progress_events import Listener, unheard
from runner.journal.events import DecisionTaken, Fact, RunOptions
from runner.journal.lock import current_user
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.text import did_you_mean, shown
from runner.lib.timestamps import stamp
from runner.plan.approvals import definition_moved, incumbent_moved
from runner.plan.eligibility import blocked, turned_back
from runner.plan.evidence import Evidence, evidence
from runner.plan.model_plan import ModelPlan, person_command, resolve_commands
from runner.plan.planner import approval_expires_at


class DecisionRequest(Struct, frozen=True, kw_only=True):
    """What every decision of a person about a model is given; `trusted_hosts` may get API keys.

    `agreed` is the basis that the person saw who said yes: the decision is refused on another one. `taken` is there
    where the decision came from the inbox, or was left there before it could be carried out at once.
    """

    model: str
    reason: str = ""
    state: str
    listener: Listener = unheard
    agreed: str | None = None
    taken: DecisionTaken | None = None
    manifest: Sequence[Path] = ()
    trusted_hosts: frozenset[str] = frozenset()
    lock_timeout: timedelta = timedelta(0)

    @property
    def by(self) -> str:
        """Return who decides."""
        return self.taken.by if self.taken is not None else current_user()

    @property
    def shared(self) -> Mapping[str, Any]:
        """Return these values by name, for a request of another kind."""
        return {name: getattr(self, name) for name in DecisionRequest.__struct_fields__}


_MOST_LISTED = 5
_NO_JOBS = "`retrain status` lists the models and their jobs; check --state."


def full_job_id(model: str, known: Iterable[str], given: str) -> str:
    """Return the id that is meant: the one given, or the only one that begins with it.

    Raises:
        UsageError: no job of the model has such an id, or several begin with it.
    """
    ids = list(known)
    if given in ids:
        return given
    found = [name for name in ids if given and name.startswith(given)]
    if len(found) == 1:
        return found[0]
    if not found:
        hint = did_you_mean(given, ids, otherwise=f"Jobs of {model}: {_listed(ids[::-1])}." if ids else _NO_JOBS)
        raise UsageError(f"{model} has no job {shown(given)}.", hint=hint)
    raise UsageError(
        f"Several jobs of {model} begin with {shown(given)}: {_listed(found)}.", hint="Give more of the id."
    )


def _listed(ids: list[str]) -> str:
    more = len(ids) - _MOST_LISTED
    return ", ".join(ids[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


class CandidateSelector(Struct, frozen=True, kw_only=True):
    """What a person decides: about which candidate (the newest if `job` is None), and whether against the rules."""

    action: Literal["approve", "reject"]
    job: str | None = None
    force: bool = False


def find_candidate(scope: Scope, progress: ModelProgress, wish: CandidateSelector, now: datetime) -> RetrainJob:
    """Return the candidate, after making sure that it is the one the person means and that nothing speaks against it.

    Raises:
        UsageError: no candidate waits.
        StateError: the candidate is another one or an older one, its time is over, or what it was judged by changed.
    """
    if wish.job is not None:
        wish = replace(wish, job=full_job_id(scope.model.name, progress.jobs, wish.job))
    job = _chosen(scope, progress, wish)
    _refuse_expired(scope, job, now)
    name, moved = scope.model.name, definition_moved(scope.manifest, scope.model, job)
    if moved and job.rejection is not None:
        raise _refusal(name, f"it was rejected, and {moved}", f"`{scope.run} --force` trains a new candidate.")
    if moved:
        raise _refusal(name, moved, f"`{scope.run}` judges it again without a new training; then review that decision.")
    if wish.action == "reject" or wish.force:
        return job
    bar = blocked(progress, job)
    if bar:
        raise _refusal(name, bar, f"`{_forced(scope, job)}` approves it nevertheless.")
    moved = incumbent_moved(scope.manifest, scope.model, progress, job)
    if moved:
        raise _refusal(name, moved, f"`{scope.run}` judges it again; `{_forced(scope, job)}` approves it nevertheless.")
    return job


def _chosen(scope: Scope, progress: ModelProgress, wish: CandidateSelector) -> RetrainJob:
    name, newest = scope.model.name, progress.last
    if wish.job is not None and newest is not None and wish.job != newest.retrain_job_id:
        return _older(scope, progress, newest, wish)
    _refuse_left(scope, progress, newest)
    if newest is None or newest.stage != JobStage.JUDGED:
        raise UsageError(f"No candidate of {name} waits for a decision.", hint="`retrain status` shows its status.")
    return newest


def _older(scope: Scope, progress: ModelProgress, newest: RetrainJob, wish: CandidateSelector) -> RetrainJob:
    """Return an older candidate that was named; only force makes it one again."""
    job, current, name = progress.jobs.get(wish.job or ""), progress.current, scope.model.name
    _refuse_left(scope, progress, job)
    if current is not None and current.stage == JobStage.SWITCHING:
        done, undone = resolve_commands(name, "switch", state=scope.choice.state_option)
        raise StateError(
            f"Whether the switch of {name} to job {current.retrain_job_id} was applied is not known yet.",
            hint=f"Run `{scope.run}`, which asks; or look in the product, and tell: `{done}` or `{undone}`.",
        )
    if job is None or job.stage != JobStage.JUDGED:
        raise StateError(
            f"The candidate of {name} is job {newest.retrain_job_id}, not {wish.job}.",
            hint="Look at the newest report and name that job, or leave --job out.",
        )
    if not wish.force:
        raise StateError(
            f"The candidate of {name} is job {newest.retrain_job_id}; job {wish.job} is older.",
            hint=f"Leave --job out; `{_forced(scope, job)}` approves the older one.",
        )
    return job


def _refuse_left(scope: Scope, progress: ModelProgress, job: RetrainJob | None) -> None:
    departure = progress.serving.left.get(job.retrain_job_id) if job else None
    if job is not None and departure is not None:
        raise _refusal(scope.model.name, turned_back(departure), f"`{_forced(scope, job)}` lets it serve again.")


def _forced(scope: Scope, job: RetrainJob) -> str:
    options = ("--job", job.retrain_job_id, "--force")
    return person_command("approve", scope.model.name, *options, state=scope.choice.state_option)


def _refuse_expired(scope: Scope, job: RetrainJob, now: datetime) -> None:
    expires = approval_expires_at(scope.manifest, scope.model, job)
    if expires and now >= expires:
        raise StateError(
            f"The time to decide about job {job.retrain_job_id} of {scope.model.name} ended at {stamp(expires)}.",
            hint=f"`{scope.run} --force` trains a new candidate.",
        )


def _refusal(model: str, why: str, hint: str) -> StateError:
    return StateError(f"The candidate of {model} cannot be reviewed: {why}.", hint=hint)


class Subject(Struct, frozen=True, kw_only=True):
    """What a decision is about: the service that the model is on, and the job; an adoption is about none."""

    service: str
    job: str | None


class Proposal(Struct, frozen=True, kw_only=True):
    """A decision to be confirmed by a person: what is done to which job of which model, and on what evidence.

    `emulator` tells that the model is the emulator's, and no production model; `again` that the job is the one that is
    recorded in service, so that the evidence's incumbent is the one before it. `service` is the model's, and `basis`
    the digest of all that the decision rests on.
    """

    action: Literal["approve", "reject", "rollback"]
    model: str
    service: str
    emulator: bool
    evidence: Evidence
    basis: str
    again: bool = False

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return Subject(service=self.service, job=self.evidence.retrain_job_id)


class Ruling(Struct, frozen=True, kw_only=True):
    """The effects of a valid decision: facts to write, and the plan to carry out after them, if any.

    `options` are those of the run that the command is, where it holds the state itself. Without facts, the plan's
    stage writes the first one.
    """

    options: RunOptions
    facts: tuple[Fact, ...] = ()
    plan: ModelPlan | None = None


def basis(progress: ModelProgress, job: RetrainJob | None) -> str:
    """Return a digest of what a decision rests on: the job with its metrics, decision and review, and what serves."""
    served, adoption = progress.incumbent, progress.adoption
    about = None if job is None else [evidence(progress, job), _judgement(job), job.rollback]
    known = [about, served.retrain_job_id if served else None, adoption]
    return hashlib.sha256(json.encode(known, order="deterministic")).hexdigest()


def _judgement(job: RetrainJob) -> Sequence[object]:
    return [job.stage, job.decided.fact.candidate_sha256 if job.decided else None, job.review]


def refuse_changed(request: DecisionRequest, now: str) -> None:
    """Raise a StateError when the person who agreed was shown something else than there is now."""
    if request.agreed is not None and request.agreed != now:
        raise StateError(
            f"The candidate of {request.model}, the job that serves, or their metrics changed after they were shown.",
            hint="Nothing was done. Run the command again to see what they are now.",
        )

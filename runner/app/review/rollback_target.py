"""To which job a rollback leads: only to one that has served."""

from runner.app.review.job_ids import full_job_id
from runner.errors import StateError, UsageError
from runner.journal.folder import DEFAULT
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.plan.operator_commands import resolve_commands, state_option

_MOST_LISTED = 10


def find_target(
    progress: ModelProgress, model: str, to: str | None, *, state: str = DEFAULT
) -> tuple[RetrainJob, RetrainJob | None]:
    """Return the job to switch back to, and the incumbent, None where what serves was adopted.

    `state` names the state, for commands in messages.

    Raises:
        UsageError: no job of the model has served before, or the one named never did.
        StateError: whether the last switch was applied is not known yet.
    """
    incumbent, current = progress.incumbent, progress.current
    if not progress.serving.ids:
        raise UsageError(
            f"No job of {model} has served, and the API can bring nothing else back into service.",
            hint="`retrain status` shows every model; check --state.",
        )
    if current is not None and current.stage == JobStage.SWITCHING:
        done, undone = resolve_commands(model, "switch", state=state_option(state))
        raise StateError(
            f"Whether the switch of {model} to job {current.retrain_job_id} was applied is not known yet.",
            hint=f"Run `retrain run`, which asks; or look in the product, and tell: `{done}` or `{undone}`. "
            "Then roll back.",
        )
    return (_named(progress, model, to, incumbent) if to else _default(progress, model, incumbent)), incumbent


def _named(progress: ModelProgress, model: str, given: str, incumbent: RetrainJob | None) -> RetrainJob:
    to = full_job_id(model, progress.jobs, given)
    if incumbent is not None and to == incumbent.retrain_job_id:
        return incumbent  # somebody may have published another model since
    found = next((job for job in _others(progress, incumbent) if job.retrain_job_id == to), None)
    if found is None:
        raise UsageError(f"Job {to} of {model} has never served.", hint=_choices(progress, incumbent))
    return found


def _default(progress: ModelProgress, model: str, incumbent: RetrainJob | None) -> RetrainJob:
    """Return the job that served last before the incumbent: an older one, which nobody has rolled back from."""
    if incumbent is None:
        raise UsageError(
            f"What serves for {model} was adopted, so there is no job before it.", hint=_choices(progress, incumbent)
        )
    for job in _others(progress, incumbent):
        older = progress.served is not None or progress.is_older(job.retrain_job_id, incumbent.retrain_job_id)
        if older and job.retrain_job_id not in progress.serving.left:
            return job
    raise UsageError(
        f"No job of {model} served before job {incumbent.retrain_job_id}, or all were rolled back from.",
        hint=_choices(progress, incumbent),
    )


def _others(progress: ModelProgress, incumbent: RetrainJob | None) -> list[RetrainJob]:
    """Return the jobs that have served beside the incumbent, the one that served last first."""
    now = incumbent.retrain_job_id if incumbent else None
    ids = dict.fromkeys(reversed(progress.serving.ids))
    jobs = [progress.jobs[name] for name in ids if name in progress.jobs and name != now]
    return [job for job in jobs if job.stage == JobStage.SWITCHED]


def _dated(job: RetrainJob) -> str:
    name, since = job.retrain_job_id, job.switched_at
    return f"{name} (switched to {since:%Y-%m-%d %H:%M} UTC)" if since else name


def _choices(progress: ModelProgress, incumbent: RetrainJob | None) -> str:
    served = [_dated(job) for job in _others(progress, incumbent)[:_MOST_LISTED]]
    return f"These have served: {', '.join(served)}; name one with --to." if served else "No other job has served."

"""Whether a model is one that the project knows under another name, asked before data is sent for it.

A model's key is known by what it answers for: the service tells the status of a job to the key of the job's model only,
also to a newer key of it. Such a question has no effect.
"""

from collections.abc import Mapping
from itertools import islice

from runner.errors import Kind, ModelError
from runner.execute.commands import Workflow
from runner.execute.model_run import ModelRun
from runner.execute.retry import read
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import VOID, RetrainJob
from runner.lib.secrets import Secret
from runner.manifest.model import Manifest
from runner.plan.approvals import binding
from runner.plan.eligibility import ASKED_FOR
from runner.providers.base import Code, ServiceError, Status

_QUESTIONS = 60  # for one model; names that were used last come first


def refuse_other_model(run: ModelRun, key: Secret) -> Workflow[None]:
    """Make sure that the key is not that of a model which the project knows under another name.

    Raises:
        ModelError: it is, and nothing may be sent before the manifest says so; or the service could not be asked.
    """
    if run.progress.last is None:
        yield from _refuse_vanished(run, key)
    else:
        yield from _refuse_exchanged(run, key)


def _refuse_vanished(run: ModelRun, key: Secret) -> Workflow[None]:
    """Ask for the newest jobs of the names that left the manifest."""
    for name, job in run.context.vanished[:_QUESTIONS]:
        if isinstance((yield from _ask(run, key, job)), Status):
            raise ModelError(
                Kind.CONFIG,
                f"The key of {run.model.name} is that of {name}: the service knows job {job.retrain_job_id} under it.",
                hint=f"If {name} is called {run.model.name} now, add `- {{from: {name}, to: {run.model.name}}}` under "
                "`moved:` in the manifest; nothing was uploaded.",
            )


def vanished_jobs(manifest: Manifest, known: Mapping[str, ModelProgress]) -> tuple[tuple[str, RetrainJob], ...]:
    """Return the newest jobs of the names that left the manifest, each with its name, in the order to ask for them.

    The newest one of each name comes first, beginning with the name that was used last; then the second newest.
    """
    gone = [(name, newest_jobs(model)) for name, model in known.items() if name not in manifest.models]
    used = sorted(
        (former for former in gone if former[1]), key=lambda former: former[1][0].url_expires_at, reverse=True
    )
    return tuple((name, jobs[number]) for number in range(ASKED_FOR) for name, jobs in used if number < len(jobs))


def newest_jobs(progress: ModelProgress) -> list[RetrainJob]:
    """Return the newest jobs for which something was, or may have been, sent."""
    return list(islice((job for job in progress.newest_jobs if job.stage not in VOID), ASKED_FOR))


def _has_another_key_source(run: ModelRun) -> bool:
    """Return whether the manifest takes the key from elsewhere than at the last decision about the model."""
    decided = (job.decided for job in run.progress.newest_jobs)
    bound = next((decision.fact.bound for decision in decided if decision is not None), None)
    now = binding(run.context.manifest, run.model)["api_key"]
    return bound is not None and bound.get("api_key", now) != now


def _refuse_exchanged(run: ModelRun, key: Secret) -> Workflow[None]:
    """Ask whose key it is, when the service knows none of the model's last jobs under it: values may be swapped too."""
    own = newest_jobs(run.progress)
    for job in own:
        answer = yield from _ask(run, key, job)
        if isinstance(answer, Status) or answer.code != Code.NOT_FOUND_JOB:
            return
    yield from _refuse_another_name(run, key)
    if not _has_another_key_source(run):
        return
    what = f"the service does not know job {own[0].retrain_job_id} under the key that the manifest names now"
    if not run.context.choice.force:
        raise ModelError(
            Kind.CONFIG,
            f"The key of {run.model.name} may be that of another model: {what}.",
            hint=f"Give {run.model.name} its own key. If it is another model of the service now, call it by another "
            f"name; if the service forgot the job, `{run.context.choice.train_anew(run.model.name)}` trains it. "
            "Nothing was uploaded.",
        )
    run.warn(what)


def _refuse_another_name(run: ModelRun, key: Secret) -> Workflow[None]:
    """Ask for the newest job of each other name."""
    known = {**run.context.elsewhere, **run.context.progress.known(run.context.service)}
    others = [(name, model.last) for name, model in known.items() if name != run.model.name]
    for name, job in others[:_QUESTIONS]:
        if job is not None and isinstance((yield from _ask(run, key, job)), Status):
            raise ModelError(
                Kind.CONFIG,
                f"The key of {run.model.name} is that of {name}: the service knows job {job.retrain_job_id} under it.",
                hint=f"Give {run.model.name} its own key; or, if the names changed, add {_lines(run, name)} under "
                "`moved:` in the manifest. Nothing was uploaded.",
            )


def _lines(run: ModelRun, other: str) -> str:
    """Return the entries by which the model gets the history of another name, and leaves its own to that."""
    name = run.model.name
    left = other if other in run.context.manifest.models else f"{name}-before"
    return f"`- {{from: {other}, to: {name}}}` and `- {{from: {name}, to: {left}}}`"


def _ask(run: ModelRun, key: Secret, job: RetrainJob) -> Workflow[Status | ServiceError]:
    """Return what the service says of the job under the key.

    Raises:
        ServiceError: it could not be asked.
    """
    try:
        return (yield from read(run, "status", lambda: run.context.provider.status(key, job.retrain_job_id)))
    except ServiceError as error:
        if error.again or error.kind == Kind.NETWORK:
            raise
        return error  # of a key that is good for nothing it is told when a job is taken with it

"""Whether the rules of a policy can ever be judged: does the model's task have their metrics, did its last result?"""

from collections.abc import Iterator

from runner.journal.model_progress import ModelProgress
from runner.lib.text import choice
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import Model, Policy, Task
from runner.plan.model_plan import inspect_command
from runner.reports.diagnosis import Check


def rule_checks(
    model: Model, policy: Policy, progress: ModelProgress, *, task: Task | None, state: str
) -> Iterator[Check]:
    """Yield what is found of the policy's rules; `task` is what the service or the manifest says, None where neither.

    `state` is the option that names the state in a command.
    """
    metrics = list(dict.fromkeys(rule.metric for rule in policy.rules))
    if not metrics:
        return
    absent = [name for name in metrics if task is not None and not _has(task, name)]
    if absent and task is not None:
        fitting = [metric.name for metric in BUILT_IN_METRICS.values() if task in metric.tasks]
        yield Check(
            name="rules",
            verdict="problem",
            model=model.name,
            seen=f"The model is a {task}, which has no {choice(absent)}; the policy {policy.name} has a rule on it.",
            next=f"Use {choice(fitting)} in the policy {policy.name}, or give the model another policy.",
        )
        return
    unseen = _unseen(metrics, progress)
    if unseen is not None:
        job, names = unseen
        yield Check(
            name="rules",
            verdict="warning",
            model=model.name,
            seen=f"The result of job {job} had no {choice(names)}, which the policy {policy.name} has a rule on.",
            next=f"`{inspect_command(model.name, state=state)}` shows what it has, and the `metrics:` lines for it.",
        )
        return
    fits = f"fit {task}" if task is not None else "cannot be compared with its task, which is not known here"
    yield Check(name="rules", verdict="ok", model=model.name, seen=f"Its rules {fits}.")


def _has(task: Task, metric: str) -> bool:
    """Return whether a model of the task has the metric; those that the manifest defines are not known."""
    return metric not in BUILT_IN_METRICS or task in BUILT_IN_METRICS[metric].tasks


def _unseen(metrics: list[str], progress: ModelProgress) -> tuple[str, list[str]] | None:
    """Return the newest judged job, and the metrics that its result did not have; None where it had all."""
    judged = next((job for job in progress.newest_jobs if job.decided is not None), None)
    if judged is None or judged.decided is None:
        return None
    had = judged.decided.fact.evaluation.metrics
    names = [name for name in metrics if had.get(name) is None]
    return (judged.retrain_job_id, names) if names else None

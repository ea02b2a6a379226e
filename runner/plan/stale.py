"""What moved between a plan and now, in words. Pure."""

from collections.abc import Iterator, Sequence

from runner.errors import StateError
from runner.plan.document import PlanDocument, PlannedData, PlannedDataset, PlannedModel, is_pending

_NAMED = 3  # models named in one line
_SHOWN = 100  # lines shown


class StalePlanError(StateError):
    """The plan is not what a run would do now (exit 7); `differences` says what moved, one sentence each."""

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        count = "something" if len(differences) == 1 else f"{len(differences)} things"
        super().__init__(
            f"Nothing was done: {count} moved since the plan {name} was made.",
            hint="Make a new plan with `retrain plan --out new-plan.json`, look at it, and run that one.",
        )
        self.differences = tuple(differences)
        left = len(differences) - _SHOWN
        self.details = (
            *(f"moved: {difference}" for difference in self.differences[:_SHOWN]),
            *([f"moved: {left} more, not shown"] if left > 0 else []),
        )


def differences(plan: PlanDocument, now: PlanDocument, moved: Sequence[str]) -> list[str]:
    """Return everything in which the plan made `now` is another one; `moved` is what is known of the state.

    Where no cause is found, the models whose action is another one are named: time alone moves a plan too.
    """
    causes = [*_tool(plan, now), *_files(plan, now), *_datasets(plan, now), *_policies(plan, now), *moved]
    return causes or list(_actions(plan, now)) or list(_lists(plan, now))


def _tool(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    if plan.tool != now.tool:
        before, after = (f"{tool.name} {tool.version}" for tool in (plan.tool, now.tool))
        yield f"the plan was made by {before}, this is {after}"


def _files(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before = {file.path: file.sha256 for file in plan.manifest.files}
    after = {file.path: file.sha256 for file in now.manifest.files}
    for path in sorted(before | after):
        if path not in after:
            yield f"the manifest file {path} is gone"
        elif path not in before:
            yield f"the manifest file {path} is new"
        elif before[path] != after[path]:
            yield f"the manifest file {path} changed"


def _datasets(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before = {dataset.name: dataset for dataset in plan.datasets}
    for dataset in now.datasets:
        was = before.get(dataset.name)
        if was is not None and was.sha256 != dataset.sha256:
            yield f"the data of {_users(now, dataset)} {_how(was, dataset)}"


def _users(now: PlanDocument, dataset: PlannedDataset) -> str:
    names = [model.name for model in now.models if model.dataset == dataset.name]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _how(was: PlannedDataset, dataset: PlannedDataset) -> str:
    if dataset.problem is not None:
        return f"cannot be had any more: {dataset.problem}"
    if was.problem is not None:
        return f"can be had now; when the plan was made: {was.problem}"
    files = [*_changed_file(was.train, dataset.train), *_changed_file(was.eval, dataset.eval)]
    return f"changed: {' and '.join(files)}"


def _changed_file(was: PlannedData | None, now: PlannedData | None) -> Iterator[str]:
    if was is not None and now is None:
        yield f"{was.source} is gone"
    elif was is None and now is not None:
        yield f"{now.source} is new"
    elif was is not None and now is not None and was.sha256 != now.sha256:
        yield f"{now.source} has other content ({was.bytes:,} bytes then, {now.bytes:,} now)"


def _policies(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before = {model.name: model for model in plan.models}
    for model in now.models:
        was = before.get(model.name)
        if was is not None and was.policy_sha256 != model.policy_sha256:
            names = was.policy if was.policy == model.policy else f"{was.policy} then, {model.policy} now"
            yield f"the policy of {model.name} changed ({names})"


def _actions(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    before = {model.name: model for model in plan.models}
    for model in now.models:
        was = before.pop(model.name, None)
        if was is None:
            yield f"the model {model.name} is not in the plan"
        elif _deed(was) != _deed(model):
            yield f"{model.name}: the plan says {_said(was)}, now a run would do {_said(model)}: {model.reason}"
    for name in before:
        yield f"the model {name} is gone"


def _lists(plan: PlanDocument, now: PlanDocument) -> Iterator[str]:
    """Refuse a plan that its manifest cannot have made, such as one that names a model twice or another service."""
    if (plan.service, plan.services_before, plan.moves) != (now.service, now.services_before, now.moves):
        yield f"the plan is about {plan.service} and moves that are not those of the manifest on {now.service}"
    if [model.name for model in plan.models] != [model.name for model in now.models]:
        yield "the plan lists its models otherwise than the manifest does"


def _deed(model: PlannedModel) -> tuple[object, ...]:
    """Return what a run does to the model; the words of the reason are for people and do not count."""
    return (model.action, model.stages, model.outcome, model.retrain_job_id, model.dataset_sha256)


def _said(model: PlannedModel) -> str:
    about = f" (job {model.retrain_job_id})" if model.retrain_job_id else ""
    return f"{model.action}{about}" if is_pending(model) else f"nothing ({model.outcome})"

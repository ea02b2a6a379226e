"""A plan as it is in a file: what was planned, and everything it was planned from. Pure.

The file's form is `schemas/plan.schema.json`. `sha256` is its digest: a plan whose other values were changed afterwards
is refused. The digest is not a signature; whoever may run a plan may also make one.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec

from runner.errors import StateError
from runner.journal.outcomes import Outcome
from runner.journal.progress import Progress, joined_end, joined_lineage
from runner.lib.canonical_json import digest
from runner.plan.model_plan import Action, PlanStage
from runner.policy.evaluation import Drift, Knowledge

PLAN_VERSION: Final = 1
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Name = Annotated[str, msgspec.Meta(min_length=1)]
FilePath = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]{1,4096}\Z")]
Instant = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
Share = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,4}/[0-9]{1,4}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts: nothing but the keys they name."""


class Tool(_Part, frozen=True, kw_only=True):
    """The program that planned."""

    name: str
    version: str


class PlannedFile(_Part, frozen=True, kw_only=True):
    """One manifest file as it was read."""

    path: FilePath
    sha256: Sha256


class PlannedManifest(_Part, frozen=True, kw_only=True):
    """The manifest; `paths` are the arguments, relative where they lay below the working folder."""

    paths: tuple[FilePath, ...]
    files: tuple[PlannedFile, ...]
    sha256: Sha256


class PlannedOptions(_Part, frozen=True, kw_only=True):
    """The flags that change what a run does; `shard` is the share `I/N` of the state's partitions, None for all."""

    select: tuple[str, ...]
    force: bool
    no_switch: bool
    emulator: bool
    allow_service_change: bool
    shard: Share | None = None


class StateMark(_Part, frozen=True, kw_only=True):
    """Where a journal stood: the digest of its first event, the number of its events, the digest of the last one."""

    lineage: Sha256 | None
    serial: Count
    head_sha256: Sha256 | None


def state_mark(progress: Progress) -> StateMark:
    """Return where the journal ends by this progress; a state without events has no lineage."""
    if progress.head is None:
        return StateMark(lineage=None, serial=0, head_sha256=None)
    serial, head_sha256 = progress.head
    return StateMark(lineage=progress.lineage, serial=serial, head_sha256=head_sha256)


def joined_mark(marks: Sequence[StateMark]) -> StateMark:
    """Return where the journals of all partitions of a state end."""
    if len(marks) == 1:
        return marks[0]
    ends = [None if mark.head_sha256 is None else (mark.serial, mark.head_sha256) for mark in marks]
    serial, head_sha256 = joined_end(ends) or (0, None)
    return StateMark(lineage=joined_lineage([mark.lineage for mark in marks]), serial=serial, head_sha256=head_sha256)


class PlannedData(_Part, frozen=True, kw_only=True):
    """One data file; `bytes` is its length."""

    source: str
    sha256: Sha256
    bytes: Count


class PlannedDataset(_Part, frozen=True, kw_only=True):
    """A dataset's content, or the `problem` for which it cannot be read."""

    name: Name
    sha256: Sha256 | None
    train: PlannedData | None
    eval: PlannedData | None
    problem: str | None


class PlannedMove(_Part, frozen=True, kw_only=True):
    """A model that is called `new` now; its history moves along."""

    old: Name
    new: Name


class PlannedModel(_Part, frozen=True, kw_only=True):
    """What a run does to one model. `dataset_sha256` is the data the action works on: with a job in flight, its own.

    `incumbent` says what is known of the model in service, `drift` whether the service last listed it as in service.
    `metrics` is the evidence in a line, where a candidate waits for a person or is held. `warnings` are what the data
    check found and let pass.
    """

    name: Name
    action: Action
    stages: tuple[PlanStage, ...]
    reason: str
    outcome: Outcome | None
    retrain_job_id: str | None
    dataset: Name
    dataset_sha256: Sha256 | None
    policy: Name
    policy_sha256: Sha256
    incumbent: Knowledge
    drift: Drift
    metrics: str | None = None
    warnings: tuple[str, ...] = ()


class PlanDocument(_Part, frozen=True, kw_only=True):
    """The whole plan; `service` is the service's host, or `emulator`.

    `service_trusted` says whether the operator who planned lets API keys go there; a run asks its own operator.
    `services_before` are the hosts that its models were trained on, where `service` is a new one to them.
    `partitions` says where the journal of each partition stood, where the state has several.
    """

    plan_version: Literal[1]
    tool: Tool
    created_at: Instant
    service: str
    service_trusted: bool
    services_before: tuple[Name, ...]
    moves: tuple[PlannedMove, ...]
    manifest: PlannedManifest
    options: PlannedOptions
    state: StateMark
    datasets: tuple[PlannedDataset, ...]
    models: tuple[PlannedModel, ...]
    sha256: Sha256
    partitions: tuple[StateMark, ...] = ()


class _AnyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What tells a plan of any version from another file."""

    plan_version: int


def with_digest(document: PlanDocument) -> PlanDocument:
    """Return the document with the digest over all its other values."""
    return msgspec.structs.replace(document, sha256=_digest(document))


def read_document(content: bytes, name: str) -> PlanDocument:
    """Return the plan in a file's bytes; `name` is the file's, for people.

    Raises:
        StateError: it is not a plan, one of another version, or not as it was written.
    """
    try:
        version = msgspec.json.decode(content, type=_AnyPlan).plan_version
        if version != PLAN_VERSION:
            raise _unusable(name, f"it is of version {version}, and this retrain reads version {PLAN_VERSION}")
        document = msgspec.json.decode(content, type=PlanDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(name, f"it is cut, damaged or not a plan at all ({error})") from error
    if document.sha256 != _digest(document):
        raise _unusable(name, "it was changed after it was written")
    return document


def _digest(document: PlanDocument) -> str:
    value = msgspec.to_builtins(document)
    del value["sha256"]
    return digest(value)


def _unusable(name: str, why: str) -> StateError:
    return StateError(
        f"The plan {name} cannot be used: {why}.", hint="Make a new one with `retrain plan --out new-plan.json`."
    )


def counts(models: tuple[PlannedModel, ...]) -> dict[str, int]:
    """Return how many models get each action, in words such as `to retrain`, what asks for attention first."""
    kinds = [_kind(model) for model in models]
    order = ("would fail", *(f"to {action}" for action in Action if action != Action.NONE))
    found = sorted(set(kinds), key=lambda kind: (order.index(kind) if kind in order else len(order), kind))
    return {kind: kinds.count(kind) for kind in found}


def is_pending(model: PlannedModel) -> bool:
    """Whether a run does something for the model."""
    return bool(model.stages) or model.action == Action.MOVE


def _kind(model: PlannedModel) -> str:
    if is_pending(model):
        return f"to {model.action}"
    return "would fail" if model.outcome == "failed" else str(model.outcome)


_NAMED = 3  # models named in one line
_SHOWN = 100  # lines shown


class StalePlanError(StateError):
    """The plan is not what a run would do now (exit 7); `differences` says what moved, one sentence each."""

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        count = "1 input" if len(differences) == 1 else f"{len(differences)} inputs"
        super().__init__(
            f"The plan {name} is stale: {count} changed since it was made. Nothing was done.",
            hint="Make a new plan with `retrain plan --out new-plan.json`, look at it, and run that one.",
        )
        self.differences = tuple(differences)
        left = len(differences) - _SHOWN
        self.details = (
            *(f"since then: {difference}" for difference in self.differences[:_SHOWN]),
            *([f"since then: {left} more, not shown"] if left > 0 else []),
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
        return f"is no longer available: {dataset.problem}"
    if was.problem is not None:
        return f"is available now; when the plan was made: {was.problem}"
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
        yield "the plan lists the models in another order than the manifest"


def _deed(model: PlannedModel) -> tuple[object, ...]:
    """Return what a run does to the model; the words of the reason are for people and do not count."""
    return (model.action, model.stages, model.outcome, model.retrain_job_id, model.dataset_sha256)


def _said(model: PlannedModel) -> str:
    about = f" (job {model.retrain_job_id})" if model.retrain_job_id else ""
    return f"{model.action}{about}" if is_pending(model) else f"nothing ({model.outcome})"

"""A plan as it is in a file: what was planned, and everything it was planned from. Pure.

The file's form is `schemas/plan.schema.json`. `sha256` seals it: a plan of which any other value was changed afterwards
is refused. The seal is not a signature; whoever may run a plan may also make one.
"""

from typing import Annotated, Final, Literal

import msgspec

from runner.errors import StateError
from runner.journal.outcomes import Outcome
from runner.journal.progress import Progress
from runner.lib.canonical_json import digest
from runner.plan.model_plan import Action, PlanStage
from runner.policy.baseline import Drift, Knowledge

PLAN_VERSION: Final = 1
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Name = Annotated[str, msgspec.Meta(min_length=1)]
FilePath = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]{1,4096}\Z")]
Instant = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
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
    """The flags that change what a run does."""

    select: tuple[str, ...]
    force: bool
    no_switch: bool
    emulator: bool
    allow_service_change: bool


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


class _AnyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What tells a plan of any version from another file."""

    plan_version: int


def seal(document: PlanDocument) -> PlanDocument:
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

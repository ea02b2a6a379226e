"""The plan as a document: what is planned, what it was planned from, and its file."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from runner.app.planning.scope import Scope
from runner.app.planning.shards import Shard
from runner.app.provenance import tool
from runner.datasets.metadata import DatasetDigest, FileMetadata, UnreadDataset
from runner.errors import ModelError, StateError, UsageError
from runner.journal.events import NameMove
from runner.journal.progress import Progress
from runner.lib.atomic_files import write_whole
from runner.lib.paths import refuse_link_out
from runner.lib.timestamps import stamp
from runner.plan.document import (
    PLAN_VERSION,
    PlanDocument,
    PlannedData,
    PlannedDataset,
    PlannedFile,
    PlannedManifest,
    PlannedModel,
    PlannedMove,
    PlannedOptions,
    StateMark,
    Tool,
    joined_mark,
    read_document,
    with_digest,
)
from runner.plan.incumbent import baseline_of, drift_of
from runner.plan.model_plan import ModelPlan
from runner.policy.decide import policy_digest
from runner.policy.evaluation import knowledge_of
from runner.reports.evidence_text import evidence_line
from runner.reports.text import render_json


class Planned(Struct, frozen=True, kw_only=True):
    """The plan for every selected model, and the digests of their datasets by name that it was made from.

    `progress` is the journal's with the moves, as the plans were made against.
    `moves` are the names to record, of all models; `services_before` has the hosts that models were trained on, by
    name, where the service is a new one to them.
    """

    plans: Sequence[ModelPlan]
    data: Mapping[str, DatasetDigest | UnreadDataset | ModelError]
    progress: Progress
    moves: tuple[NameMove, ...] = ()
    services_before: Mapping[str, str] = {}


_WITHOUT_DIGEST = "0" * 64


def describe(scope: Scope, planned: Planned, marks: Sequence[StateMark], shard: Shard) -> PlanDocument:
    """Return the document of a plan made now, with its digest; `marks` say where the journal of each partition ends."""
    program = tool()
    document = PlanDocument(
        plan_version=PLAN_VERSION,
        tool=Tool(name=program.name, version=program.version),
        created_at=stamp(datetime.now(UTC)),
        service=scope.service.name,
        service_trusted=scope.service.trusted,
        services_before=tuple(dict.fromkeys(planned.services_before.values())),
        moves=tuple(PlannedMove(old=_text(move.old), new=_text(move.new)) for move in planned.moves),
        manifest=_manifest(scope),
        options=_options(scope, shard),
        state=joined_mark(marks),
        datasets=tuple(_dataset(name, found) for name, found in planned.data.items()),
        models=tuple(_model(scope, plan, planned.progress) for plan in planned.plans),
        sha256=_WITHOUT_DIGEST,
        partitions=tuple(marks) if len(marks) > 1 else (),
    )
    return with_digest(document)


def _manifest(scope: Scope) -> PlannedManifest:
    return PlannedManifest(
        paths=tuple(_text(str(path)) for path in scope.choice.paths),
        files=tuple(PlannedFile(path=_text(file.path), sha256=file.sha256) for file in scope.manifest.files),
        sha256=scope.manifest.sha256,
    )


def _options(scope: Scope, shard: Shard) -> PlannedOptions:
    choice = scope.choice
    return PlannedOptions(
        select=tuple(_text(selector) for selector in choice.select),
        force=choice.force,
        no_switch=choice.no_switch,
        emulator=choice.emulator,
        allow_service_change=choice.allow_service_change,
        shard=shard.text if shard.of > 1 else None,
    )


def _dataset(name: str, found: DatasetDigest | UnreadDataset | ModelError) -> PlannedDataset:
    if not isinstance(found, DatasetDigest):
        problem = _text(found.message) if isinstance(found, ModelError) else None
        return PlannedDataset(name=name, sha256=None, train=None, eval=None, problem=problem)
    evaluation = _data(found.eval) if found.eval else None
    return PlannedDataset(name=name, sha256=found.sha256, train=_data(found.train), eval=evaluation, problem=None)


def _data(file: FileMetadata) -> PlannedData:
    return PlannedData(source=_text(file.source), sha256=file.sha256, bytes=file.bytes)


def _model(scope: Scope, plan: ModelPlan, progress: Progress) -> PlannedModel:
    manifest, model = scope.manifest, scope.manifest.models[plan.model]
    known = progress.model(scope.service.name, plan.model)
    return PlannedModel(
        name=plan.model,
        action=plan.action,
        stages=plan.stages,
        reason=_text(scope.choice.whole(plan.reason, plan.model)),
        outcome=plan.outcome,
        retrain_job_id=plan.retrain_job_id,
        dataset=model.dataset,
        dataset_sha256=plan.dataset_sha256,
        policy=model.policy,
        policy_sha256=policy_digest(manifest.policies[model.policy], manifest.metrics),
        incumbent=knowledge_of(baseline_of(known)),
        drift=drift_of(known),
        metrics=evidence_line(plan.evidence) if plan.evidence else None,
        warnings=tuple(_text(warning) for warning in plan.warnings),
    )


def _text(text: str) -> str:
    """Return text that UTF-8 can hold: the parts of a path that are not text are as their escapes."""
    return text.encode(errors="backslashreplace").decode()


MOST_BYTES = 64 * 1024 * 1024
_HEAD = b'{\n  "plan_version"'  # how every plan's file begins


def refuse_target(target: Path) -> None:
    """Refuse to write a plan over anything that is not one; an empty file is nobody's.

    Raises:
        UsageError: the file is another one or a link out of its checkout, or its folder is missing.
    """
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}.", hint="Create it, or give another file with --out.")
    refuse_link_out(target)
    try:
        if target.exists() and not _may_replace(target):
            raise UsageError(f"{target} already exists and is not a plan.", hint="Give another file with --out.")
    except OSError as error:
        raise _unwritable(target, error) from error


def _may_replace(target: Path) -> bool:
    if not target.is_file():
        return False
    with target.open("rb") as file:
        return file.read(len(_HEAD)) in (b"", _HEAD)


def write_plan(document: PlanDocument, target: Path) -> None:
    """Write the plan; a reader sees the old file or the new one, never a part.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        write_whole(Path(os.path.realpath(target)), render_json(msgspec.to_builtins(document)))
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(
        f"The plan cannot be written to {target}: {error.strerror}.", hint="Give another file with --out."
    )


_WRITTEN = "Name the file of a plan; `retrain plan --out new-plan.json` writes one."


def read_plan(source: Path) -> PlanDocument:
    """Return the plan in a file.

    Raises:
        UsageError: the file does not exist.
        StateError: it is too large, no plan, of another version, or not as it was written.
    """
    try:
        if source.exists() and not source.is_file():
            raise UsageError(f"{source} is not a file.", hint=_WRITTEN)
        with source.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name cannot be a file's name"
        raise UsageError(f"The plan {source} cannot be read: {reason}.", hint=_WRITTEN) from error
    if len(content) > MOST_BYTES:
        raise StateError(f"{source} is larger than any plan.", hint=_WRITTEN)
    return read_document(content, str(source))

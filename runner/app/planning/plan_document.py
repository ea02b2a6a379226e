"""From planned models to the plan's document: what it was planned from is put beside what is planned."""

from datetime import UTC, datetime

from runner.app.planning.planned import Planned
from runner.app.planning.scope import Scope
from runner.app.state.provenance import tool
from runner.datasets.metadata import DatasetDigest, FileMetadata
from runner.errors import ModelError
from runner.journal.progress import Progress
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
    seal,
)
from runner.plan.incumbent import baseline_of, drift_of
from runner.plan.model_plan import ModelPlan
from runner.policy.baseline import knowledge_of
from runner.policy.record import policy_digest
from runner.reports.evidence_text import evidence_line

_UNSEALED = "0" * 64


def describe(scope: Scope, planned: Planned, mark: StateMark) -> PlanDocument:
    """Return the sealed document of a plan made now."""
    program = tool()
    document = PlanDocument(
        plan_version=PLAN_VERSION,
        tool=Tool(name=program.name, version=program.version),
        created_at=stamp(datetime.now(UTC)),
        service=scope.realm.name,
        service_trusted=scope.realm.trusted,
        services_before=tuple(dict.fromkeys(planned.services_before.values())),
        moves=tuple(PlannedMove(old=_text(move.old), new=_text(move.new)) for move in planned.moves),
        manifest=_manifest(scope),
        options=_options(scope),
        state=mark,
        datasets=tuple(_dataset(name, found) for name, found in planned.data.items()),
        models=tuple(_model(scope, one, planned.progress) for one in planned.plans),
        sha256=_UNSEALED,
    )
    return seal(document)


def _manifest(scope: Scope) -> PlannedManifest:
    return PlannedManifest(
        paths=tuple(_text(str(path)) for path in scope.choice.paths),
        files=tuple(PlannedFile(path=_text(file.path), sha256=file.sha256) for file in scope.manifest.files),
        sha256=scope.manifest.sha256,
    )


def _options(scope: Scope) -> PlannedOptions:
    choice = scope.choice
    return PlannedOptions(
        select=tuple(_text(one) for one in choice.select),
        force=choice.force,
        no_switch=choice.no_switch,
        emulator=choice.emulator,
        allow_service_change=choice.allow_service_change,
    )


def _dataset(name: str, found: DatasetDigest | ModelError) -> PlannedDataset:
    if isinstance(found, ModelError):
        return PlannedDataset(name=name, sha256=None, train=None, eval=None, problem=_text(found.message))
    evaluation = _data(found.eval) if found.eval else None
    return PlannedDataset(name=name, sha256=found.sha256, train=_data(found.train), eval=evaluation, problem=None)


def _data(file: FileMetadata) -> PlannedData:
    return PlannedData(source=_text(file.source), sha256=file.sha256, bytes=file.bytes)


def _model(scope: Scope, plan: ModelPlan, progress: Progress) -> PlannedModel:
    manifest, model = scope.manifest, scope.manifest.models[plan.model]
    known = progress.model(scope.realm.name, plan.model)
    return PlannedModel(
        name=plan.model,
        action=plan.action,
        stages=plan.stages,
        reason=_text(plan.reason),
        outcome=plan.outcome,
        retrain_job_id=plan.retrain_job_id,
        dataset=model.dataset,
        dataset_sha256=plan.dataset_sha256,
        policy=model.policy,
        policy_sha256=policy_digest(manifest.policies[model.policy], manifest.metrics),
        incumbent=knowledge_of(baseline_of(known)),
        drift=drift_of(known),
        metrics=evidence_line(plan.evidence) if plan.evidence else None,
        warnings=tuple(_text(one) for one in plan.warnings),
    )


def _text(text: str) -> str:
    """Return text that UTF-8 can hold: the parts of a path that are no text stand as their escapes."""
    return text.encode(errors="backslashreplace").decode()

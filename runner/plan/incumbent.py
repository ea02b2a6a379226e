"""What is known of the model in service, and whose data new data is compared with. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.metadata import Reference, ReferenceFile, Shape
from runner.journal.events import DataChecked, FileRecord, ServingObserved
from runner.journal.model_progress import Adoption, ModelProgress
from runner.journal.retrain_job import TRAINED, RetrainJob
from runner.lib.canonical_json import digest
from runner.lib.timestamps import age
from runner.manifest.model import Model, Source
from runner.policy.evaluation import Baseline, Drift
from runner.providers.base import Classifier
from runner.results.number import number_text

_SHOWN = 5  # numbers of models named in one message
ONE_WAY = "The model published now has no job id here; the API cannot bring it back."
_UNRECORDED = "Nothing is recorded of the model in service."


class IncumbentDeclaration(Struct, frozen=True, kw_only=True):
    """What a person states of the model in service, by command or in the manifest.

    `metrics` are decimal texts by name; `eval` is the file they were measured on, and `eval_sha256` its digest where it
    was read already; `result_sha256` is the digest of the result file they were read from.
    """

    metrics: Mapping[str, str]
    eval: Source | None
    source: Literal["command", "manifest"]
    by: str
    reason: str
    result_sha256: str | None = None
    eval_sha256: str | None = None


def statement_due(model: Model, progress: ModelProgress) -> IncumbentDeclaration | None:
    """Return what the manifest states of the model in service, where that is to be recorded.

    A statement counts once, and only until a job of this project has served.
    """
    stated = model.incumbent
    if stated is None or progress.serving.ids:
        return None
    statement = IncumbentDeclaration(
        metrics={name: number_text(value) for name, value in stated.metrics.items()},
        eval=stated.eval,
        source="manifest",
        by="the manifest",
        reason=f"`incumbent` of {model.name} in {stated.place.file}, line {stated.place.line}",
    )
    return None if statement_sha256(statement) in progress.statements else statement


def learnt_since(model: Model, progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return what became known of the model in service after the decision about `job`, as a clause; else None."""
    if statement_due(model, progress) is not None:
        return "the manifest states what is in service"
    adoption = progress.adoption
    if adoption is not None and job.decided is not None and adoption.at > job.decided.at:
        return f"{adoption.fact.by} stated what is in service"
    if job.decided is not None and job.decided.fact.inputs["drift"] == "changed_outside" != drift_of(progress):
        return "the model in service is ours again"
    return None


def statement_sha256(statement: IncumbentDeclaration) -> str:
    """Return the lower-case hex SHA-256 of what is stated; where the file lies and how numbers are spelt do not count.

    A statement by command is always a new one: its reason and its author are a part of it.
    """
    parts: list[object] = [
        {name: str(Decimal(text).normalize()) for name, text in statement.metrics.items()},
        _place_of(statement.eval) if statement.eval else None,
    ]
    if statement.source == "command":
        parts += [statement.result_sha256, statement.by, statement.reason]
    return digest(parts)


def _place_of(source: Source) -> object:
    return source.pattern if source.parts == [source.pattern, source.pick] else source.parts


def baseline_of(progress: ModelProgress) -> Baseline | None:
    """Return the values of the model in service as the journal knows them; None while nothing is recorded."""
    if progress.incumbent is None:
        return None if progress.adoption is None else _stated(progress.adoption)
    decided = progress.incumbent.decided
    if decided is None:
        return None
    metrics = decided.fact.evaluation.metrics
    return Baseline(
        retrain_job_id=progress.incumbent.retrain_job_id,
        source="measured",
        metrics={name: text for name, text in metrics.items() if text is not None},
        eval_sha256=progress.incumbent.eval_sha256,
    )


def _stated(adoption: Adoption) -> Baseline:
    return Baseline(
        retrain_job_id=None, source="stated", metrics=adoption.fact.metrics, eval_sha256=adoption.fact.eval_sha256
    )


def drift_of(progress: ModelProgress) -> Drift:
    """Return what the journal last learnt about whether the model in service is the recorded one."""
    return progress.observation.fact.drift if progress.observation else "cannot_be_told"


def is_unrecorded(progress: ModelProgress) -> bool:
    """Return whether this project knows nothing about the model in service."""
    return progress.incumbent is None and progress.adoption is None


def may_drift(progress: ModelProgress) -> bool:
    """Return whether the service's list could say that the model in service is another one than the recorded."""
    return _expected(progress) is not None


class Moment(Struct, frozen=True, kw_only=True):
    """When the list was read, and how long after a switch it may still be an old one."""

    now: datetime
    quarantine: timedelta


def observe(
    model: Model, progress: ModelProgress, listed: Sequence[Classifier] | None, moment: Moment
) -> ServingObserved:
    """Return whether the recorded model is in service, by the service's list; None is a list that cannot be read."""
    found = _observed(model, progress, listed)
    switched_at = progress.incumbent.switched_at if progress.incumbent else None
    since = age(switched_at, moment.now) if switched_at else None
    young = since is not None and since < moment.quarantine
    if found.drift == "changed_outside" and young and _may_be_old(model, progress, listed or ()):
        reason = f"{found.reason} That may be an old list: the switch is younger than `service.quarantine`."
        return replace(found, drift="cannot_be_told", reason=reason)
    return found


def _may_be_old(model: Model, progress: ModelProgress, listed: Sequence[Classifier]) -> bool:
    """Return whether a list may be older than our last switch: it then has what was in service before that."""
    before = progress.incumbent.listed_before if progress.incumbent else None
    return not before or not own_models(model, progress, listed).isdisjoint(before)


def _observed(model: Model, progress: ModelProgress, listed: Sequence[Classifier] | None) -> ServingObserved:
    if is_unrecorded(progress):
        return ServingObserved(drift="cannot_be_told", reason=_UNRECORDED)
    what, expected = _name(progress.incumbent), _expected(progress)
    if expected is None:
        return ServingObserved(drift="cannot_be_told", reason=f"The service's number of {what} is not known.")
    if listed is None:
        return ServingObserved(drift="cannot_be_told", reason="The service's list of classifiers could not be read.")
    if model.classifier_id is None:
        return _by_list(what, expected, listed)
    return _by_classifier(what, expected, listed, model.classifier_id)


def own_model(model: Model, listed: Sequence[Classifier] | None) -> int | None:
    """Return the number of the model that the model's own classifier serves; None where that is not known."""
    own = {classifier.model_id for classifier in listed or () if classifier.classifier_id == model.classifier_id}
    return own.pop() if model.classifier_id is not None and len(own) == 1 else None


def own_models(model: Model, progress: ModelProgress, listed: Sequence[Classifier]) -> set[int]:
    """Return the numbers of the listed models that can be this model's own.

    Those of its classifier where it is named, else the recorded one where it is listed, else all.
    """
    if model.classifier_id is not None:
        return {classifier.model_id for classifier in listed if classifier.classifier_id == model.classifier_id}
    numbers = {classifier.model_id for classifier in listed}
    expected = _expected(progress)
    return {expected} if expected is not None and expected in numbers else numbers


def _name(incumbent: RetrainJob | None) -> str:
    return f"the model of job {incumbent.retrain_job_id}" if incumbent else "the adopted model"


def _expected(progress: ModelProgress) -> int | None:
    if progress.incumbent is not None:
        return progress.incumbent.model_id
    return progress.adoption.fact.model_id if progress.adoption else None


def _by_list(what: str, expected: int, listed: Sequence[Classifier]) -> ServingObserved:
    if any(classifier.model_id == expected for classifier in listed):
        return ServingObserved(drift="in_sync", reason=f"The service lists {what}, number {expected}, as in service.")
    found = ", ".join(str(number) for number in sorted({classifier.model_id for classifier in listed})[:_SHOWN])
    return ServingObserved(
        drift="changed_outside",
        reason=f"The service does not list {what}, number {expected}, as in service; it lists {found or 'none'}.",
    )


def _by_classifier(what: str, expected: int, listed: Sequence[Classifier], classifier_id: str) -> ServingObserved:
    own = {classifier.model_id for classifier in listed if classifier.classifier_id == classifier_id}
    if len(own) != 1:
        return ServingObserved(
            drift="cannot_be_told",
            reason=f"The service's list has {len(own) or 'no'} models in service for classifier {classifier_id}.",
        )
    serving = own.pop()
    if serving == expected:
        reason = f"Classifier {classifier_id} serves {what}, number {expected}."
        return ServingObserved(drift="in_sync", reason=reason, model_id=serving)
    reason = f"Classifier {classifier_id} serves model {serving}, not {what}, number {expected}."
    return ServingObserved(drift="changed_outside", reason=reason, model_id=serving)


def reference(progress: ModelProgress) -> Reference | None:
    """Return the data of the job that serves, else that of the newest job whose training counts.

    A job that failed, was held, was rejected or was turned back from is not a measure for later data.
    """
    found = ((name, job.data) for name, job in _jobs(progress) if job.data is not None)
    return next((_reference(name, data) for name, data in found), None)


def _jobs(progress: ModelProgress) -> Iterator[tuple[str, RetrainJob]]:
    """Yield the jobs that count, with what is said of each, the best first."""
    incumbent = progress.incumbent
    if incumbent is not None:
        yield f"job {incumbent.retrain_job_id}, the last one switched to", incumbent
    for job in progress.newest_jobs:
        if counts_as_reference(progress, job):
            yield f"job {job.retrain_job_id}, the last one neither held nor rejected", job


def counts_as_reference(progress: ModelProgress, job: RetrainJob) -> bool:
    """Return whether later data may be compared with that of a job."""
    withdrawn = job.retrain_job_id in progress.serving.left
    refused = job.rests_with == "hold" or job.rejection is not None
    return job.stage in TRAINED and not refused and not withdrawn


def _reference(name: str, data: DataChecked) -> Reference:
    return Reference(
        name=name,
        shape=Shape(columns=data.columns, labels=data.labels, numbers=data.numbers, target_kind=data.target_kind),
        train=_file(data.train),
        eval=_file(data.eval) if data.eval else None,
    )


def _file(record: FileRecord) -> ReferenceFile:
    return ReferenceFile(
        rows=record.rows,
        empty_columns=record.empty_columns,
        sha256=record.sha256,
        bytes=record.bytes,
        scales=record.scales,
        label_shares=record.label_shares,
    )

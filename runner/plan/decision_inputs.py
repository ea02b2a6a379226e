"""What a decision is computed from: the policy as it is now, and the incumbent as the journal knows it."""

from collections.abc import Mapping
from typing import Any

from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import Decided, RetrainJob
from runner.lib.canonical_json import digest
from runner.manifest.model import (
    CommandKey,
    Dataset,
    EnvKey,
    FetchedKey,
    FileKey,
    KeyringKey,
    KeySource,
    Manifest,
    Model,
)
from runner.plan.incumbent import baseline_of, drift_of
from runner.policy.decide import Inputs, as_json, policy_digest


def binding(manifest: Manifest, model: Model) -> dict[str, str]:
    """Return a digest for each bound part, by the name a user knows it under.

    Folders do not count, so that the same manifest in another checkout is the same.
    """
    return {
        "api_key": digest(_source(model.api_key)),
        "dataset": digest(_patterns(manifest.datasets[model.dataset])),
    }


def _source(key: KeySource) -> list[str]:
    match key:
        case EnvKey():
            return ["env", key.name]
        case FileKey():
            return ["file", key.path.name]
        case CommandKey():
            return ["command", *key.argv]
        case KeyringKey():
            return ["keyring", key.service, key.username]
        case FetchedKey():
            return ["secret_key", str(key.model_id), *_source(key.secret_key)]


def _patterns(dataset: Dataset) -> list[Any]:
    sources = (dataset.train, dataset.eval)
    return [None if source is None else source.parts for source in sources]


def inputs_now(manifest: Manifest, model: Model, progress: ModelProgress, job: RetrainJob) -> Inputs:
    """Return what a decision about `job` would be computed from now."""
    return Inputs(
        policy=manifest.policies[model.policy],
        definitions=manifest.metrics,
        baseline=baseline_of(progress),
        eval_sha256=job.eval_sha256,
        drift=drift_of(progress),
        place_before=place_before(progress, job),
    )


def place_before(progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return where the newest job before had its metrics, of those that had them in a place of their own."""
    place = None
    for before in progress.jobs.values():
        if before.retrain_job_id == job.retrain_job_id:
            break
        decided = before.decided
        place = (decided.fact.evaluation.place if decided else None) or place
    return place


def inputs_moved(manifest: Manifest, model: Model, progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return why the recorded decision about `job` is no longer the one that would be made, or None."""
    return definition_moved(manifest, model, job) or incumbent_moved(manifest, model, progress, job)


def definition_moved(manifest: Manifest, model: Model, job: RetrainJob) -> str | None:
    """Return what the manifest says otherwise than at the decision about `job`, or None."""
    decided = job.decided
    if decided is None:
        return "there is no decision yet"
    if policy_digest(manifest.policies[model.policy], manifest.metrics) != decided.fact.policy_sha256:
        return "its policy changed since the decision"
    if _missed_metrics(decided) and as_json(manifest.metrics) != decided.fact.inputs["definitions"]:
        return "`metrics` in the manifest changed since the decision"
    before, now = decided.fact.bound or {}, binding(manifest, model)
    changed = [f"`{name}`" for name in now if before.get(name, now[name]) != now[name]]
    return f"its {' and '.join(changed)} in the manifest changed since the decision" if changed else None


def _missed_metrics(decided: Decided) -> bool:
    """Return whether anything in the result file could not be read: then every definition may bring it to light."""
    evaluation = decided.fact.evaluation
    unusable = any(rule.cause == "unusable" for rule in evaluation.rules)
    return decided.unread is not None or unusable or bool(evaluation.problems)


def incumbent_moved(manifest: Manifest, model: Model, progress: ModelProgress, job: RetrainJob) -> str | None:
    """Return that another model serves than at the decision about `job`, or its values are others; else None.

    A policy without rules compares nothing, but its decision too was made about one incumbent: a rollback overtakes it.
    """
    decided = job.decided
    if decided is None:
        return "there is no decision yet"
    drifted = [drift == "changed_outside" for drift in (decided.fact.inputs["drift"], drift_of(progress))]
    if drifted[0] != drifted[1]:
        return "the model in service was changed outside" if drifted[1] else "the model in service is ours again"
    before, now = decided.fact.inputs.get("baseline"), as_json(baseline_of(progress))
    same = before == now
    if not same and not manifest.policies[model.policy].judges_by_rules:
        same = _name(before) == _name(now)
    return None if same else "the incumbent changed since the decision"


def _name(baseline: Mapping[str, str] | None) -> str | None:
    return baseline["retrain_job_id"] if baseline else None


def candidate_digest(
    retrain_job_id: str, result_sha256: str, policy_sha256: str, bound: Mapping[str, str] | None = None
) -> str:
    """Return what binds a decision and an approval to one candidate: its job, result file, policy and manifest."""
    parts = {"retrain_job_id": retrain_job_id, "result_sha256": result_sha256, "policy_sha256": policy_sha256}
    return digest(parts if bound is None else {**parts, "manifest": dict(bound)})

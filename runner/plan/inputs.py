"""What a decision is computed from: the policy as it is now, and the incumbent as the journal knows it."""

from runner.canonical import digest
from runner.journal.progress import Job, ModelProgress
from runner.manifest.model import Manifest, Model, ThresholdPolicy
from runner.policy.judge import Baseline
from runner.policy.record import Inputs, inputs_to_json, policy_digest


def inputs_now(manifest: Manifest, model: Model, progress: ModelProgress, job: Job) -> Inputs:
    """Return what a decision about `job` would be computed from now."""
    return Inputs(
        policy=manifest.policies[model.policy],
        definitions=manifest.metrics,
        baseline=_baseline(progress.incumbent),
        eval_sha256=job.eval_sha256,
    )


def inputs_moved(manifest: Manifest, model: Model, progress: ModelProgress, job: Job) -> str | None:
    """Return why the recorded decision about `job` is no longer the one that would be made, or None."""
    decided = job.decided
    if decided is None:
        return "there is no decision yet"
    now = inputs_now(manifest, model, progress, job)
    if policy_digest(now.policy, now.definitions) != decided.fact.policy_sha256:
        return "its policy changed since the decision"
    if isinstance(now.policy, ThresholdPolicy):
        before = decided.fact.inputs.get("baseline")
        if inputs_to_json(now)["baseline"] != before:
            return "the incumbent changed since the decision"
    return None


def candidate_digest(retrain_job_id: str, result_sha256: str, policy_sha256: str) -> str:
    """Return what binds a decision and an approval to one candidate: its job, its result file and its policy."""
    return digest({"retrain_job_id": retrain_job_id, "result_sha256": result_sha256, "policy_sha256": policy_sha256})


def _baseline(incumbent: Job | None) -> Baseline | None:
    if incumbent is None or incumbent.decided is None:
        return None
    metrics = incumbent.decided.fact.evaluation["metrics"]
    return Baseline(
        retrain_job_id=incumbent.retrain_job_id,
        source="incumbent",
        metrics={name: text for name, text in metrics.items() if text is not None},
        eval_sha256=incumbent.eval_sha256,
    )

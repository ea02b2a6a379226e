"""Which approvals of the manifest's folder count for a candidate, who gave them, and why others do not. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from runner.journal.events import ApprovalSource
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import Decided, JobStage, RetrainJob
from runner.lib.canonical_json import digest
from runner.manifest.model import (
    Approval,
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
from runner.plan.eligibility import blocked
from runner.plan.incumbent import baseline_of, drift_of
from runner.policy.decide import Inputs, as_json, policy_digest
from runner.policy.evaluation import RecordedBaseline


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


def _patterns(dataset: Dataset) -> list[object]:
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
    before, now = decided.fact.inputs["baseline"], as_json(baseline_of(progress))
    same = before == now
    if not same and not manifest.policies[model.policy].judges_by_rules:
        same = _name(before) == _name(now)
    return None if same else "the incumbent changed since the decision"


def _name(baseline: RecordedBaseline | None) -> str | None:
    return baseline["retrain_job_id"] if baseline else None


def candidate_digest(
    retrain_job_id: str, result_sha256: str, policy_sha256: str, bound: Mapping[str, str] | None = None
) -> str:
    """Return what binds a decision and an approval to one candidate: its job, result file, policy and manifest."""
    parts = {"retrain_job_id": retrain_job_id, "result_sha256": result_sha256, "policy_sha256": policy_sha256}
    return digest(parts if bound is None else {**parts, "manifest": dict(bound)})


_UNPROVEN = {"none": "unsigned", "bad": "bad signature", "unknown": "signature unknown"}
_DONE = {"approve": "approved", "reject": "rejected"}


def without_provenance(approval: Approval) -> ApprovalSource:
    """Return what the file itself says, where no version control is asked."""
    return ApprovalSource(file=approval.file, sha256=approval.sha256, approver=approval.approver, committed=False)


def why_followed(approval: Approval, source: ApprovalSource) -> str:
    """Return why a plan follows an approval: its commit's author comes first, before the name in the file."""
    named = "" if source.author is None or is_named(source) else f", which names {source.approver}"
    decided = f"Candidate {approval.retrain_job_id} was {_DONE[approval.action]}"
    return f"{decided} by {said_by(source)} in {approval.file}{named}"


def said_by(source: ApprovalSource) -> str:
    """Return the author of the commit that brought exactly this file; without one, the name in it, as what it is.

    An author is what the commit says: without a good signature of their own, what there is of one is told beside it.
    """
    if not source.committed or source.author is None:
        return f"{source.approver} (as the file says)"
    if source.signature != "good":
        return f"{source.author} ({_UNPROVEN.get(source.signature or 'none', 'signature unknown')})"
    return source.author if _signed_by_author(source) else f"{source.author} (signed by {source.signer})"


def is_named(source: ApprovalSource) -> bool:
    """Return whether the name in the file is the author's: their name, address, or both as git writes them."""
    author = source.author or ""
    name, _, address = author.removesuffix(">").rpartition(" <")
    return source.approver.strip().casefold() in {known.strip().casefold() for known in (author, name, address)}


def doubts(source: ApprovalSource) -> Iterator[str]:
    """Yield what git does not vouch for, as warnings."""
    if source.committed is None:
        yield (
            f"git refuses to read the repository of {source.file}, which another user owns, so its commit is unknown; "
            "`git config --global --add safe.directory DIR` allows it, DIR being that repository's folder"
        )
    elif source.commit is None and source.committed:
        yield (
            f"{source.file} is as it was committed, but its author is not known: the checkout has not the whole "
            "history, or its objects are not what they say; a full clone has it"
        )
    elif source.commit is None:
        yield f"{source.file} is in no commit: only the file itself says who wrote it"
    elif not source.committed:
        yield f"{source.file} is not as it was committed in {source.commit[:12]}"
    elif not is_named(source):
        yield f"{source.file} is by {source.author}, who committed it, and names {source.approver} as the approver"
    if source.signature == "good" and not _signed_by_author(source):
        yield (
            f"commit {str(source.commit)[:12]}, which brought {source.file}, is signed by {source.signer}, "
            f"who is not its author {source.author}"
        )
    if source.signature == "bad":
        yield f"the signature of commit {str(source.commit)[:12]}, which brought {source.file}, is bad"


def _signed_by_author(source: ApprovalSource) -> bool:
    """Return whether the signer is the author: by the address, which is all that a file of allowed signers has."""
    author, signer = _address(source.author or ""), _address(source.signer or "")
    return author == signer != ""


def _address(person: str) -> str:
    return person.rpartition("<")[2].removesuffix(">").strip().casefold()


_MOST_TOLD = 5  # files in one reason


class ApprovalContext(Struct, frozen=True, kw_only=True):
    """What an approval is held against: the model's newest job, and the moment."""

    manifest: Manifest
    model: Model
    progress: ModelProgress
    job: RetrainJob
    now: datetime


def approval_for(case: ApprovalContext) -> Approval | None:
    """Return the approval that counts for the candidate: it names it, has not expired, and nobody has spoken before."""
    return next(_counting(case), None)


def contradiction(case: ApprovalContext) -> tuple[Approval, Approval] | None:
    """Return two approvals that would both count for the candidate and contradict each other.

    Only their authors can tell which one holds; once a person has spoken, neither counts any more.
    """
    counting = list(_counting(case))
    return next(((counting[0], other) for other in counting if other.action != counting[0].action), None)


def _counting(case: ApprovalContext) -> Iterator[Approval]:
    about = (approval for approval in _approvals(case) if approval.retrain_job_id == case.job.retrain_job_id)
    return (approval for approval in about if objection(case, approval) is None)


def unused_approvals(case: ApprovalContext) -> Iterator[str]:
    """Yield a sentence for each approval that changes nothing, but for those that have done their work; of many few."""
    idle = [approval for approval in _approvals(case) if not _is_settled(case, approval) and objection(case, approval)]
    for approval in idle[:_MOST_TOLD]:
        yield f"The file {approval.file} has no effect: {objection(case, approval)}"
    if len(idle) > _MOST_TOLD:
        yield f"The same applies to {len(idle) - _MOST_TOLD} more of that folder's files"


def _approvals(case: ApprovalContext) -> list[Approval]:
    return [approval for approval in case.manifest.approvals if _is_about(case, approval)]


def _is_about(case: ApprovalContext, approval: Approval) -> bool:
    """Return whether an approval is about the model, under its name or one it had when the approval was given.

    An approval about a job that went to another name with its history is not.
    """
    known = approval.retrain_job_id in case.progress.jobs
    former = case.progress.former_names
    return (approval.model == case.model.name and (known or not former)) or (approval.model in former and known)


def _is_settled(case: ApprovalContext, approval: Approval) -> bool:
    """Return whether nobody can expect anything of the approval any more."""
    job = case.progress.jobs.get(approval.retrain_job_id)
    if job is None or job.retrain_job_id in case.progress.serving.left:
        return False
    if case.job.stage == JobStage.SWITCHED:  # what it spoke about was switched to, or a newer job was
        return True
    return job.review is not None and job.review.fact.action == approval.action


def objection(case: ApprovalContext, approval: Approval) -> str | None:
    """Return why an approval does not count now, as the end of a sentence."""
    job = case.progress.jobs.get(approval.retrain_job_id)
    if job is None:
        return f"this state has no job {approval.retrain_job_id} of {case.model.name}"
    if job.decided is None or approval.result_sha256 != job.decided.fact.result_sha256:
        return f"job {approval.retrain_job_id} has no result with the SHA-256 that it names"
    return _overtaken(case, approval, job) or (_unfit(case, approval, job) if approval.action == "approve" else None)


def _overtaken(case: ApprovalContext, approval: Approval, job: RetrainJob) -> str | None:
    """Return what happened since the approval was given: time, a newer job, another approval."""
    if case.now >= approval.expires:
        return f"it expired at {approval.expires:%Y-%m-%dT%H:%M:%SZ}"
    if job.retrain_job_id != case.job.retrain_job_id:
        return f"it names job {approval.retrain_job_id}, and job {case.job.retrain_job_id} is newer"
    if job.review is not None:
        fact = job.review.fact
        return f"{fact.by} has already {_DONE[fact.action]} job {job.retrain_job_id}"
    return None


def _unfit(case: ApprovalContext, approval: Approval, job: RetrainJob) -> str | None:
    """Return why an approval must not be carried out."""
    if job.decided and approval.candidate_sha256 not in (None, job.decided.fact.candidate_sha256):
        return "the policy or the manifest changed since it was given"
    return blocked(case.progress, job) or inputs_moved(case.manifest, case.model, case.progress, job)

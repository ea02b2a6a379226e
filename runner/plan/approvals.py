"""Which approvals of the manifest's folder count for a candidate, who gave them, and why others do not. Pure."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from runner.journal.events import ApprovalSource
from runner.journal.model_progress import ModelProgress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.manifest.model import Approval, Manifest, Model
from runner.plan.decision_inputs import inputs_moved
from runner.plan.eligibility import blocked

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

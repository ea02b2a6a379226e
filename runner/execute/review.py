"""A person's word from a file: recorded, with where it comes from, before anything is done about it."""

from runner.execute.asks import Steps, call, record
from runner.execute.model_run import Ending, ModelRun, StageEnd
from runner.journal.events import ApprovalSource, Reviewed
from runner.plan.approver import is_named, said_by


def review(run: ModelRun) -> Steps[StageEnd]:
    """Record the word that the plan found; a rejection ends the model's run."""
    job, word = run.job, run.plan.approval
    if word is None or job.decided is None:
        raise LookupError(f"{run.model.name}: the review stage was reached without a word or a decision")
    source = yield from call(lambda: run.run.trace(word))
    _warn_of_doubt(run, source)
    reviewed = Reviewed(
        retrain_job_id=job.retrain_job_id,
        candidate_sha256=job.decided.fact.candidate_sha256,
        action=word.action,
        by=said_by(source),
        reason=word.reason,
        source=source,
    )
    yield from record(reviewed)
    if word.action == "approve":
        return None
    why = word.reason or "no reason given"
    return Ending(
        outcome="unchanged",
        reason=f"{said_by(source)} rejected candidate {job.retrain_job_id} in {word.file} ({why}); "
        "new data brings a new candidate.",
    )


def _warn_of_doubt(run: ModelRun, source: ApprovalSource) -> None:
    """Say what git does not vouch for; it is recorded, and it is no reason to disregard the word."""
    if source.committed is None:
        run.warn(
            f"git refuses to read the repository of {source.file}, which another user owns, so its commit is unknown; "
            "`git config --global --add safe.directory DIR` allows it, DIR being that repository's folder"
        )
    elif source.commit is None and source.committed:
        run.warn(
            f"{source.file} is as it was committed, but nobody can say by whom: the checkout has not the whole "
            "history, or its objects are not what they say; a full clone has it"
        )
    elif source.commit is None:
        run.warn(f"{source.file} stands in no commit of git: nobody but itself says who wrote it")
    elif not source.committed:
        run.warn(f"{source.file} is not as it was committed in {source.commit[:12]}")
    elif not is_named(source):
        run.warn(f"{source.file} is by {source.author}, who committed it, and names {source.approver} as the approver")
    if source.signature == "bad":
        run.warn(f"the signature of commit {str(source.commit)[:12]}, which brought {source.file}, is bad")

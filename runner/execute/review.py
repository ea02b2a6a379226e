"""A person's word from a file: recorded, with where it comes from, before anything is done about it."""

from runner.execute.commands import Steps, call, record
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd
from runner.journal.events import ApprovalRecorded
from runner.plan.approver import doubts, said_by


def review(run: ModelRun) -> Steps[StageEnd]:
    """Record the word that the plan found; a rejection ends the model's run."""
    job, word = run.job, run.plan.approval
    if word is None or job.decided is None:
        raise LookupError(f"{run.model.name}: the review stage was reached without a word or a decision")
    source = yield from call(lambda: run.run.trace(word))
    for doubt in doubts(source):
        run.warn(doubt)  # recorded, and no reason to disregard the approval
    reviewed = ApprovalRecorded(
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
    return ModelOutcome(
        outcome="unchanged",
        reason=f"{said_by(source)} rejected candidate {job.retrain_job_id} in {word.file} ({why}); "
        "new data brings a new candidate.",
    )

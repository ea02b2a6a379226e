"""A run's report, as a pure function of the journal's events. Rendering it again later gives the same value."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from msgspec.structs import replace

from runner.journal.events import (
    FileRecord,
)
from runner.journal.outcomes import OUTCOMES, Outcome
from runner.journal.retrain_job import Decided, JobStage, RetrainJob, Review, Rollback
from runner.lib.timestamps import stamp
from runner.plan.eligibility import blocked
from runner.plan.evidence import Evidence, evidence
from runner.policy.evaluation import Knowledge, RecordedBaseline, RuleResult
from runner.reports.model import (
    ApprovalReport,
    Calls,
    DatasetReport,
    DecisionReport,
    FileReport,
    JournalReport,
    ManifestReport,
    ModelReport,
    PlanReport,
    Report,
    ResultReport,
    RollbackReport,
    RuleReport,
    Timings,
)
from runner.reports.next_step import CommandContext, next_step
from runner.reports.run_history import RunHistory
from runner.reports.text import LazyList

Counted = TypeVar("Counted", Timings, Calls)

LARGEST_REPORT = 1024 * 2**20  # bytes; ten thousand models take about thirty MiB
LOST = "The run ended before this model's outcome was recorded; the next run continues with it."
_LOST_OUTCOMES: Mapping[JobStage, Outcome] = {
    JobStage.SENDING: "unknown",
    JobStage.STARTED: "training",
    JobStage.FINISHED: "training",
    JobStage.STORED: "training",
    JobStage.SWITCHING: "unknown",
    JobStage.SWITCHED: "switched",
    JobStage.FAILED: "failed",
}


def build_report(history: RunHistory) -> Report:
    """Return the report with all its models; metrics and the numbers of rules are exactly as they were judged."""
    report = outline(history)
    return replace(report, models=tuple(report.models))


def outline(history: RunHistory) -> Report:
    """Return the report with its models made when they are asked for, and else as `build_report` has it."""
    record, started = history.record, history.record.started
    if record.finished is None or record.finished_at is None or record.head is None:
        raise LookupError(f"run {record.run_id} has no end")
    counts = Counter(_outcome(history, name) for name in record.models)
    return Report(
        run_id=record.run_id,
        tool=started.tool,
        started_at=stamp(record.started_at),
        finished_at=stamp(record.finished_at),
        actor=started.actor,
        ci_actor=started.ci_actor,
        ci_job=started.ci_job,
        run_before=_run_before(history),
        command=started.command,
        service=started.service,
        exit_code=record.finished.exit_code,
        stopped=record.finished.stopped,
        summary={outcome: counts[outcome] for outcome in OUTCOMES if outcome in counts},
        manifest=ManifestReport(files=started.manifest.files, sha256=started.manifest.sha256, git=started.manifest.git),
        plan_sha256=started.options.plan_sha256,
        models=_models(history),
        journal=JournalReport(events=record.head[0], head_sha256=record.head[1]),
    )


def _run_before(history: RunHistory) -> str | None:
    before = None
    for run_id in history.progress.runs:
        if run_id == history.run_id:
            return before
        before = run_id
    return before


def _models(history: RunHistory) -> LazyList[ModelReport]:
    names = tuple(history.record.models)
    return LazyList(len(names), lambda place: model_report(history, names[place]))


def _outcome(history: RunHistory, name: str) -> Outcome:
    end = history.ends.get(name)
    return end.outcome if end else outcome_without_end(find_job(history, name))


def model_report(history: RunHistory, name: str) -> ModelReport:
    """Return what the run's report says of a model."""
    end, plan = history.ends.get(name), history.plans.get(name)
    job = find_job(history, name)
    decided = job.decided if job else None
    report = ModelReport(
        name=name,
        outcome=_outcome(history, name),
        reason=end.reason if end else LOST,
        still_held=end.still_held if end else False,
        plan=None if plan is None else PlanReport(action=plan.action, stages=plan.stages, reason=plan.reason),
        policy=plan.policy if plan else None,
        owner=plan.owner if plan else None,
        tags=plan.tags if plan else (),
        retrain_job_id=job.retrain_job_id if job else None,
        model_id=job.model_id if job else None,
        dataset=_dataset(job),
        result=_result(job),
        metrics=metrics_of(decided),
        places=decided.fact.evaluation.places if decided else {},
        evidence=_evidence(history, name, job),
        unread=decided.unread if decided else None,
        verdict=decided.fact.evaluation.verdict if decided else None,
        rules=rules_of(decided),
        decision=decision_report(job),
        switched_at=stamp(job.switched_at) if job and job.switched_at else None,
        error=end.error if end else None,
        timings=_known(Timings, end.timings) if end else Timings(),
        calls=_known(Calls, end.calls) if end else Calls(),
        warnings=end.warnings if end else (),
    )
    progress = history.progress.model(history.record.started.service, name)
    bar = blocked(progress, job) if job is not None and report.outcome == "held" else None
    stopped = history.record.finished is not None and history.record.finished.stopped is not None
    context = CommandContext.of_run(history.record.started, history.state)
    report = replace(report, reason=context.whole(report.reason, name))
    return replace(report, next=next_step(report, context, stopped=stopped, blocked=bar is not None))


def _known(kind: type[Counted], recorded: Mapping[str, Any]) -> Counted:
    """Return the recorded values by the names that the report has."""
    return kind(**{name: recorded[name] for name in kind.__struct_fields__ if name in recorded})


def find_job(history: RunHistory, name: str) -> RetrainJob | None:
    """Return the job a model's line in the report speaks of: the one its end names, else the last the run worked on."""
    end = history.ends.get(name)
    retrain_job_id = end.retrain_job_id if end else history.jobs.get(name)
    jobs = history.progress.model(history.record.started.service, name).jobs
    return jobs.get(retrain_job_id) if retrain_job_id else None


def outcome_without_end(job: RetrainJob | None) -> Outcome:
    """Return the outcome of a model whose run was lost: what its job's last recorded stage comes to."""
    if job is None or (job.rollback is not None and job.switched_at is None and job.stage == JobStage.SWITCHED):
        return "skipped"  # a rollback that was decided and not begun
    return _LOST_OUTCOMES.get(job.stage, "skipped")


def _dataset(job: RetrainJob | None) -> DatasetReport | None:
    if job is None or job.data is None:
        return None
    data = job.data
    return DatasetReport(
        train=_file(data.train),
        eval=_file(data.eval) if data.eval else None,
        sha256=data.dataset_sha256,
        upload=data.upload,
    )


def _file(record: FileRecord) -> FileReport:
    return FileReport(
        source=record.source, sha256=record.sha256, bytes=record.bytes, rows=record.rows, version=record.version
    )


def _result(job: RetrainJob | None) -> ResultReport | None:
    if job is None or job.result is None:
        return None
    return ResultReport(path=job.result.path, sha256=job.result.sha256, bytes=job.result.bytes)


def _evidence(history: RunHistory, name: str, job: RetrainJob | None) -> Evidence | None:
    """Return what a person decides by; None without a decision, and for a job that continues serving."""
    if job is None or job.decided is None:
        return None
    progress = history.progress.model(history.record.started.service, name)
    serves = progress.served is None and progress.incumbent_id == job.retrain_job_id
    return None if serves and _outcome(history, name) != "switched" else evidence(progress, job)


def metrics_of(decided: Decided | None) -> dict[str, Decimal | None]:
    """Return the metrics a decision was made from, exactly as they were read; None where there is no number."""
    texts: Mapping[str, str | None] = decided.fact.evaluation.metrics if decided else {}
    return {name: _number(text) for name, text in texts.items()}


def rules_of(decided: Decided | None) -> tuple[RuleReport, ...]:
    """Return what came of each rule, its numbers exactly as they were judged."""
    return tuple(map(_rule, decided.fact.evaluation.rules)) if decided else ()


def _rule(rule: RuleResult) -> RuleReport:
    return RuleReport(
        metric=rule.metric,
        observed=_number(rule.observed),
        baseline=_number(rule.baseline),
        formula=rule.formula,
        limit=Decimal(rule.limit),
        margin=_number(rule.margin),
        level=rule.level,
        verdict=rule.verdict,
        reason=rule.reason,
        cause=rule.cause,
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def decision_report(job: RetrainJob | None) -> DecisionReport | None:
    """Return the last decision about a job; None before there is one."""
    if job is None or job.decided is None:
        return None
    fact, decision = job.decided.fact, job.decided.fact.evaluation.decision
    return DecisionReport(
        action=decision.action,
        by=decision.by,
        at=stamp(job.decided.at),
        reason=decision.reason,
        policy_sha256=fact.policy_sha256,
        candidate_sha256=fact.candidate_sha256,
        incumbent=knowledge_in(fact.inputs["baseline"]),
        drift=fact.inputs["drift"],
        approval=approval_report(job.review) if job.review else None,
        rollback=rollback_report(job.rollback) if job.rollback else None,
    )


def knowledge_in(baseline: RecordedBaseline | None) -> Knowledge:
    """Return what was known of the model in service, by a decision's recorded baseline."""
    return "unrecorded" if baseline is None or baseline["source"] == "result_file" else baseline["source"]


def approval_report(review: Review) -> ApprovalReport:
    """Return a person's approval or rejection of a candidate."""
    fact = review.fact
    return ApprovalReport(
        action=fact.action,
        by=fact.by,
        at=stamp(review.at),
        reason=fact.reason,
        source=fact.source,
        forced=fact.forced,
    )


def rollback_report(rollback: Rollback) -> RollbackReport:
    """Return a person's decision to switch back."""
    fact = rollback.fact
    return RollbackReport(
        from_job_id=fact.from_job_id,
        by=fact.by,
        at=stamp(rollback.at),
        reason=fact.reason,
        unverified=fact.unverified,
    )

"""Large histories: a fleet of which half is in trouble, and a model with a year of weekly runs."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from runner.journal.events import (
    ApprovalRecorded,
    ErrorRecord,
    Fact,
    JobCreated,
    SwitchIntended,
    SwitchSucceeded,
    TrainingFailed,
    UploadUnknown,
)
from runner.manifest.model import ThresholdPolicy
from runner.policy.evaluation import Baseline
from tests.unit.reports.report_history import (
    GUARDED,
    PLACE,
    STRICT,
    Recording,
    checked,
    evaluated,
    finished,
    judged,
    planned,
    rule,
    sha,
    started,
)

YEAR = 52


def weekly_policy(least: str) -> ThresholdPolicy:
    """Return a policy whose bound on auc moves over the year."""
    return ThresholdPolicy(
        name="weekly",
        rules=(rule("auc", "min", least), rule("auc", "max_drop", "0.02", any_eval=True), rule("rmse", "max", "1.9")),
        on_pass="switch",
        on_fail="hold",
        on_inconclusive="hold",
        first_run="pass",
        expires=None,
        place=PLACE,
    )


def week_metrics(week: int) -> Mapping[str, str]:
    """Return metrics that wander over the year, with some bad weeks."""
    auc = 0.88 + 0.03 * math.sin(week / 7) + 0.012 * math.sin(week * 2.3) - (0.06 if week % 17 == 9 else 0)
    rmse = 1.5 + 0.2 * math.cos(week / 9) + (0.4 if week % 23 == 20 else 0)
    return {"auc": f"{auc:.4f}", "rmse": f"{rmse:.4f}"}


def record_year(record: Recording, model: str = "churn", weeks: int = YEAR) -> None:
    """Record a run a week: most switch, some are held, one fails in training, one is approved by a person."""
    baseline: Baseline | None = None
    for week in range(weeks):
        record.now = datetime(2025, 3, 3, 4, tzinfo=UTC) + timedelta(weeks=week)
        record.run_id = f"{record.now:%Y%m%dT%H%M%SZ}-{week:06x}"
        record.start()
        baseline = record_week(record, model, week, baseline)
        record.end(0)


def record_week(record: Recording, model: str, week: int, baseline: Baseline | None) -> Baseline | None:
    """Record one run of the year, and return what the next one is compared with."""
    job, metrics = f"job-{model}-{week}", week_metrics(week)
    record(model, planned("weekly"), checked(model, rows=4000 + 37 * week + 300 * (week % 5)))
    record.now += timedelta(seconds=20)
    record(model, *started(job, model))
    record.now += timedelta(minutes=40 + week % 13)
    if week % 29 == 25:
        record_broken(record, model, job)
        return baseline
    content = f"AUC,{metrics['auc']}\nRMSE,{metrics['rmse']}\n".encode()
    decision = judged(job, weekly_policy("0.85" if week < 30 else "0.86"), content=content, baseline=baseline)
    [*_, last] = record(model, *evaluated(job, model, decision))
    if decision.evaluation.decision.action != "switch":
        record(model, finished("held", decision.evaluation.decision.reason, job))
        return baseline
    record_switch(record, model, job, last.sha256)
    return Baseline(retrain_job_id=job, source="measured", metrics=metrics, eval_sha256=sha("eval of model"))


def record_switch(record: Recording, model: str, job: str, decision: str) -> None:
    """Record a switch that was answered, and the model's end."""
    record(
        model,
        SwitchIntended(retrain_job_id=job, decision_sha256=decision, attempt=1),
        SwitchSucceeded(retrain_job_id=job, proof="answer"),
        finished("switched", f"All rules passed; job {job} serves now.", job),
    )


def record_broken(record: Recording, model: str, job: str) -> None:
    """Record a training that failed."""
    text = "the label column holds one value"
    error = ErrorRecord(
        kind="training",
        message=f"The training of job {job} failed (job_error): {text}.",
        hint="Change the data; the next run trains it.",
    )
    record(
        model,
        TrainingFailed(retrain_job_id=job, status="job_error", message=text),
        finished("failed", f"{error.message} {error.hint}", job, error=error, warnings=["status, attempt 1: 503"]),
    )


def record_fleet(record: Recording, size: int = 500, before: int = 0, owners: int = 0) -> None:
    """Record runs of many models, a week apart: half of the last run's are in trouble. `before` counts earlier runs."""
    for number in range(before + 1):
        record.run_id = f"{record.now:%Y%m%dT%H%M%SZ}-{number:06x}"
        record.start()
        for place in range(size):
            owner = f"team-{place % owners}" if owners else None
            record_one_of_many(record, number, place, trouble=number == before, owner=owner)
        record.end(8)
        record.now += timedelta(weeks=1)


def record_one_of_many(record: Recording, number: int, place: int, *, trouble: bool, owner: str | None = None) -> None:
    """Record one model of a fleet; its place says what happens to it."""
    model = f"{('churn', 'fraud', 'demand', 'price', 'stock')[place % 5]}_{place:03}"
    job, kind = f"{sha(model)[:12]}{number:03}", place % 10 if trouble else 9
    tags = (f"tag-{place % 6}",) if owner else ()
    record(model, replace(planned(), owner=owner, tags=tags), checked(model, rows=3000 + place * 17 % 900))
    facts: tuple[Fact, ...] = started(job, model)
    if kind == 0:
        unclear = UploadUnknown(retrain_job_id=job, message="no answer")
        record(model, *facts[:2], unclear, finished("unknown", f"Nobody knows whether job {job} started.", job))
        return
    assert isinstance(facts[0], JobCreated)
    record(model, *facts)
    if kind in (1, 2):
        record_broken(record, model, job)
        return
    policy = STRICT if kind == 3 else GUARDED
    baseline = Baseline(
        retrain_job_id="before",
        source="measured",
        metrics={"auc": "0.920", "rmse": "1.48", "coverage_rate": "0.88"},
        eval_sha256=sha("eval of model"),
    )
    turn = place * 7 + number * 11
    content = (
        f"AUC,0.{9080 + turn % 60}\nRecall,0.{610 + turn % 83}\nRMSE,1.{500 + turn % 97}\nCoverage Rate,0.93\n".encode()
    )
    decision = judged(job, policy, content=content, baseline=baseline)
    [*_, last] = record(model, *evaluated(job, model, decision))
    reason = decision.evaluation.decision.reason
    if kind == 3:
        record(model, finished("held", reason, job))
    elif kind == 4:
        record(model, finished("awaiting_approval", f"{reason} Decide with `retrain approve {model}`.", job))
    else:
        record_approval(record, model, job, decision.candidate_sha256)
        record_switch(record, model, job, last.sha256)


def record_approval(record: Recording, model: str, job: str, candidate: str) -> None:
    """Record a person's word."""
    word = ApprovalRecorded(
        retrain_job_id=job, candidate_sha256=candidate, action="approve", by="ann@desk", reason="fine"
    )
    record(model, word)

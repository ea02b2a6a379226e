"""A plausible history, written through the real store: what a run of many models leaves in the journal."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from runner.journal.chain import GENESIS, Link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    CommitRecord,
    DataChecked,
    Draft,
    ErrorRecord,
    Fact,
    FileRecord,
    JobCreated,
    ManifestFile,
    ManifestRecord,
    ModelFinished,
    ModelPlanned,
    ResultDownloaded,
    RunFinished,
    RunOptions,
    RunStarted,
    StatusChanged,
    SwitchIntended,
    SwitchSucceeded,
    TrainingFailed,
    TrainingFinished,
    UploadIntended,
    UploadRecord,
    UploadSucceeded,
    UploadUnknown,
)
from runner.journal.folder import StateFolder
from runner.journal.store import Store
from runner.lib.canonical_json import digest
from runner.lib.timestamps import stamp
from runner.manifest.model import ManualPolicy, MetricDefinition, Place, Policy, Rule, ThresholdPolicy
from runner.policy.decide import Inputs, evaluate, inputs_to_json, policy_digest
from runner.policy.evaluation import Baseline
from runner.reports.run_history import RunHistory, read_history
from tests.fakes.forged_journal import forged_link
from tests.fakes.run_origin import TOOL

RUN = "20260301T040506Z-1a2b3c"
HOSTILE = (
    "<script>alert(1)</script> ](javascript:alert(2)) |cell| \x1b[31mred \u202eesrever @octocat #12 `code` *bold* "
    '" onload="x ::error::x https://evil.example/x www.evil.example &lt; \r\n# heading \x00 end'
)
PLACE = Place(file="retrain.yaml", line=1, column=1)
METRICS_CSV = b"AUC,0.9120\nAccuracy,88.5%\nRecall,0.61\nRMSE,1.50\nCoverage Rate,0.93\n"


def sha(text: str) -> str:
    """Return a digest that differs from text to text."""
    return digest(text)


def rule(metric: str, kind: Any, limit: str, *, level: Any = "decide", any_eval: bool = False) -> Rule:
    """Return a rule; changes are against the incumbent."""
    against: Any = None if kind in ("min", "max") else "incumbent"
    return Rule(metric=metric, kind=kind, limit=Decimal(limit), against=against, level=level, any_eval=any_eval)


GUARDED = ThresholdPolicy(
    name="guarded",
    rules=(
        rule("auc", "min", "0.80"),
        rule("auc", "max_drop", "0.01"),
        rule("rmse", "max_drop_pct", "10", any_eval=True),
        rule("recall", "min", "0.6", level="warn"),
        rule("coverage_rate", "max_drop", "0.05"),
    ),
    on_pass="switch",
    on_fail="hold",
    on_inconclusive="hold",
    first_run="pass",
    expires=None,
    place=PLACE,
)
STRICT = ThresholdPolicy(
    name="strict",
    rules=(rule("auc", "min", "0.95"), rule("r2", "min", "0")),
    on_pass="switch",
    on_fail="hold",
    on_inconclusive="hold",
    first_run="hold",
    expires=None,
    place=PLACE,
)
ASK = ManualPolicy(name="ask", expires=None, place=PLACE)
INCUMBENT = Baseline(
    retrain_job_id="job-before",
    source="measured",
    metrics={"auc": "0.920", "rmse": "1.48", "coverage_rate": "0.88"},
    eval_sha256=digest("eval of model"),
)


@dataclass(slots=True, kw_only=True)
class MemoryJournal:
    """A journal without a disk, for scenes of thousands of events that are only rendered."""

    links: list[Link] = field(default_factory=list)

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        """Chain the drafts to what is there."""
        before = len(self.links)
        for draft in drafts:
            prev = self.links[-1].sha256 if self.links else GENESIS
            self.links.append(forged_link(draft, seq=len(self.links) + 1, prev=prev))
        return self.links[before:]

    def read(self) -> Iterator[Link]:
        """Return all events."""
        return iter(self.links)


@dataclass(slots=True, kw_only=True)
class Recording:
    """Writes facts into a journal, one second apart; a test may move `now` on."""

    store: Store | MemoryJournal
    folder: StateFolder
    now: datetime = datetime(2026, 3, 1, 4, tzinfo=UTC)
    run_id: str = RUN
    links: list[Link] = field(default_factory=list)

    def __call__(self, model: str | None, *facts: Fact) -> list[Link]:
        """Append the facts of one model, or of the run itself, in one transaction."""
        drafts = []
        for fact in facts:
            self.now += timedelta(seconds=1)
            placed = self._placed(fact, model)
            drafts.append(Draft(at=stamp(self.now), run_id=self.run_id, model=model, fact=placed))
        links = self.store.append(drafts)
        self.links += links
        return links

    def _placed(self, fact: Fact, model: str | None) -> Fact:
        """Return the fact; a result is stored in the run's folder."""
        if not isinstance(fact, ResultDownloaded):
            return fact
        return replace(fact, path=f"runs/{self.run_id}/results/{model}/result.csv")

    def start(self, actor: str = "root@ci", command: str = "run") -> None:
        """Begin the run."""
        self(
            None,
            RunStarted(
                tool=TOOL,
                actor=actor,
                service="developer-api.predictionone.sony.biz",
                paths=("retrain.yaml",),
                manifest=ManifestRecord(
                    files=(ManifestFile(path="retrain.yaml", sha256=sha("file")),),
                    sha256=sha("manifest"),
                    git=CommitRecord(commit="4" * 40, dirty=True, remote="git@git.example:team/models.git"),
                    moved={},
                ),
                options=RunOptions(command=command),
            ),
        )

    def end(self, code: int, stopped: str | None = None) -> None:
        """End the run."""
        self(None, RunFinished(exit_code=code, stopped=stopped))

    def history(self) -> RunHistory:
        """Return the run as the report reads it."""
        return read_history(self.store.read(), self.run_id)


def planned(policy: str = "guarded", action: str = "retrain", reason: str = "the data changed") -> ModelPlanned:
    """Return a plan."""
    stages = ("check", "upload", "wait", "evaluate", "switch") if action == "retrain" else ()
    return ModelPlanned(action=action, stages=stages, reason=reason, policy=policy, policy_sha256=sha(policy))


def checked(model: str, *, source: str = "data/train.csv", with_eval: bool = True, rows: int = 4_567) -> DataChecked:
    """Return data whose evaluation file is the incumbent's."""
    return DataChecked(
        train=FileRecord(source=source, sha256=sha(f"train {model}"), bytes=123_456, rows=rows),
        eval=FileRecord(source="data/eval.csv", sha256=sha("eval of model"), bytes=2_345, rows=100)
        if with_eval
        else None,
        dataset_sha256=sha(f"data {model}"),
        columns=("age", "label"),
        labels=None,
        upload=UploadRecord(filename="churn.zip", sha256=sha(f"zip {model}"), bytes=45_678),
        warnings=(),
        check_s=0.5,
        package_s=0.25,
    )


def started(job: str, model: str) -> tuple[Fact, ...]:
    """Return the facts from the taking of a job to its training."""
    return (
        JobCreated(retrain_job_id=job, url_expires_at="2026-03-01T05:00:00.000000Z", status_before_upload="not_found"),
        UploadIntended(retrain_job_id=job, dataset_sha256=sha(f"data {model}"), attempt=1),
        UploadSucceeded(retrain_job_id=job, proof="store"),
        StatusChanged(retrain_job_id=job, status="running"),
    )


def judged(
    job: str, policy: Policy, *, content: bytes = METRICS_CSV, baseline: Baseline | None = None
) -> CandidateEvaluated:
    """Judge a result file by the real rules."""
    definitions: Mapping[str, MetricDefinition] = {}
    inputs = Inputs(policy=policy, definitions=definitions, baseline=baseline, eval_sha256=sha("eval of model"))
    return CandidateEvaluated(
        retrain_job_id=job,
        result_sha256=sha(f"result {job}"),
        policy=policy.name,
        policy_sha256=policy_digest(policy, definitions),
        candidate_sha256=sha(f"candidate {job}"),
        inputs=inputs_to_json(inputs),
        evaluation=evaluate(inputs, io.BytesIO(content)),
    )


def evaluated(job: str, model: str, decision: CandidateEvaluated) -> tuple[Fact, ...]:
    """Return the facts from a finished training to its decision."""
    path = f"runs/{RUN}/results/{model}/result.csv"
    return (
        TrainingFinished(retrain_job_id=job, model_id=4711),
        ResultDownloaded(retrain_job_id=job, path=path, sha256=sha(f"result {job}"), bytes=321),
        decision,
    )


def finished(
    outcome: Any,
    reason: str,
    job: str | None = None,
    *,
    error: ErrorRecord | None = None,
    warnings: Sequence[str] = (),
) -> ModelFinished:
    """Return what happened to a model."""
    return ModelFinished(
        outcome=outcome,
        reason=reason,
        retrain_job_id=job,
        error=error,
        timings={"check_s": 0.5, "package_s": 0.25, "upload_s": 3.125, "wait_s": 4321.0} if job else {},
        calls={"upload_url": 1, "put": 1, "status": 32, "download": 1, "switch": 1} if job else {},
        warnings=tuple(warnings),
    )


def record_switched(record: Recording, model: str = "churn") -> None:
    """Record a model that switched by its rules."""
    job = f"job-{model}"
    record(model, planned(), checked(model), *started(job, model))
    [*_, last] = record(model, *evaluated(job, model, judged(job, GUARDED, baseline=INCUMBENT)))
    record(
        model,
        SwitchIntended(retrain_job_id=job, decision_sha256=last.sha256, attempt=1),
        SwitchSucceeded(retrain_job_id=job, proof="answer"),
        finished("switched", f"auc 0.9120 >= 0.80 passed by 0.112; job {job} serves now.", job),
    )


def record_held(record: Recording, model: str = "sales") -> None:
    """Record a model that its policy held."""
    job = f"job-{model}"
    decision = judged(job, STRICT)
    record(model, planned("strict"), checked(model), *started(job, model), *evaluated(job, model, decision))
    record(model, finished("held", decision.evaluation.decision.reason, job))


def record_waiting(record: Recording, model: str = "daily", *, review: bool = False) -> None:
    """Record a model that waits for a person, or was rejected by one."""
    job = f"job-{model}"
    decision = judged(job, ASK)
    record(model, planned("ask"), checked(model, with_eval=False), *started(job, model))
    record(model, *evaluated(job, model, decision))
    if review:
        candidate = decision.candidate_sha256
        fact = ApprovalRecorded(
            retrain_job_id=job, candidate_sha256=candidate, action="reject", by="ann@desk", reason="too few rows"
        )
        record(model, fact, finished("held", "ann@desk rejected it: too few rows.", job))
    else:
        record(model, finished("awaiting_approval", decision.evaluation.decision.reason, job))


def record_failed(record: Recording, model: str = "fraud", text: str = "too few labels") -> None:
    """Record a model whose training failed, with the service's own words."""
    job = f"job-{model}"
    record(model, planned(), checked(model), *started(job, model))
    error = ErrorRecord(
        kind="training",
        message=f"The training of job {job} failed (job_error): {text}.",
        hint="The next run tries once more, or train it now with `retrain run --force`.",
    )
    record(
        model,
        TrainingFailed(retrain_job_id=job, status="job_error", message=text),
        finished("failed", f"{error.message} {error.hint}", job, error=error, warnings=["status, attempt 1: 503"]),
    )


def record_unknown(record: Recording, model: str = "stock") -> None:
    """Record a model whose upload has no known result."""
    job = f"job-{model}"
    facts = started(job, model)[:2]
    record(model, planned(), checked(model), *facts, UploadUnknown(retrain_job_id=job, message="no answer"))
    record(model, finished("unknown", f"Whether the upload to job {job} started a training is not known yet.", job))


def record_hostile(record: Recording, model: str = "bad") -> None:
    """Record a model about which everything from outside is hostile."""
    job = f"job {HOSTILE}"
    record(model, planned(reason=HOSTILE), checked(model, source=HOSTILE), *started(job, model))
    error = ErrorRecord(kind="service", message=HOSTILE, hint=HOSTILE)
    record(
        model,
        TrainingFailed(retrain_job_id=job, status="failed", message=HOSTILE),
        finished("failed", HOSTILE, job, error=error, warnings=[HOSTILE]),
    )


def record_everything(record: Recording) -> None:
    """Record one run with a model of every kind."""
    record.start()
    record_switched(record)
    record_held(record)
    record_waiting(record)
    record_waiting(record, "weekly", review=True)
    record_failed(record)
    record_unknown(record)
    record_hostile(record)
    record(
        "steady",
        planned(action="nothing", reason="the data is the same"),
        finished("unchanged", "the data is the same as that of job job-old, which serves"),
    )
    record("lost", planned(), checked("lost"), *started("job-lost", "lost"))
    record.end(8)

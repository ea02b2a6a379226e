"""Runs of a fleet over a long time, written through the real store: switches, holds, failures, waits and rollbacks."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runner.journal.events import (
    ErrorRecord,
    ReportWritten,
    RollbackDecided,
    SwitchIntended,
    SwitchSucceeded,
    TrainingFailed,
)
from runner.lib.atomic_files import write_whole
from runner.manifest.model import Policy, ThresholdPolicy
from runner.policy.evaluation import Baseline
from runner.reports.formats.render import render_html
from tests.unit.reports.report_history import (
    ASK,
    PLACE,
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

STEADY = ThresholdPolicy(
    name="steady",
    rules=(rule("auc", "min", "0.88"), rule("auc", "max_drop", "0.01", any_eval=True), rule("recall", "min", "0.5")),
    on_pass="switch",
    on_fail="hold",
    on_inconclusive="hold",
    first_run="pass",
    expires=None,
    place=PLACE,
)


@dataclass(slots=True, kw_only=True)
class FleetRecording:
    """Writes run after run; `served` has the jobs that served each model with their AUC, oldest first."""

    record: Recording
    apart: timedelta = timedelta(days=7)
    served: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    def begin(self, command: str = "run", actor: str = "root@ci") -> None:
        """Begin a run, some time after the one before."""
        self.record.now += self.apart
        self.record.run_id = f"{self.record.now:%Y%m%dT%H%M%SZ}-{len(self.runs):06x}"
        self.runs.append(self.record.run_id)
        self.record.start(actor=actor, command=command)

    def end(self, code: int = 0, *, page: bytes | None = None) -> None:
        """End the run and write its report; `page` replaces a report that would take long to render."""
        self.record.end(code)
        content = render_html(self.record.history()) if page is None else page
        write_whole(self.record.folder.run_folder(self.record.run_id) / "report.html", content)
        self.record(None, ReportWritten(files={"report.html": hashlib.sha256(content).hexdigest()}))

    def train(self, model: str, auc: str, policy: Policy = STEADY) -> None:
        """Train a model and follow its policy's decision."""
        job = f"job-{sha(model)[:6]}-{len(self.runs)}"
        self.record(model, planned(policy.name), checked(model), *started(job, model))
        content = f"AUC,{auc}\nRecall,0.61\nRMSE,1.50\n".encode()
        decision = judged(job, policy, content=content, baseline=self._baseline(model))
        [*_, last] = self.record(model, *evaluated(job, model, decision))
        action, reason = decision.evaluation.decision.action, decision.evaluation.decision.reason
        if action == "switch":
            self._switch(model, job, last.sha256)
            self.served.setdefault(model, []).append((job, auc))
        outcome: Any = {"switch": "switched", "hold": "held", "await_approval": "awaiting_approval"}[action]
        self.record(model, finished(outcome, reason, job))

    def roll_back(self, model: str, reason: str = "too many false alarms") -> None:
        """Let the job before the incumbent serve again."""
        before, incumbent = self.served[model][-2:]
        fact = RollbackDecided(
            retrain_job_id=before[0], from_job_id=incumbent[0], by="ann@desk", reason=reason, unverified=()
        )
        self.record(model, planned(action="rollback"))
        [one] = self.record(model, fact)
        self._switch(model, before[0], one.sha256)
        self.record(model, finished("switched", f"job {before[0]} serves again.", before[0]))
        self.served[model].append(before)

    def fail(self, model: str, text: str = "too few labels") -> None:
        """Let a training fail."""
        job = f"job-{sha(model)[:6]}-{len(self.runs)}"
        self.record(model, planned(), checked(model), *started(job, model))
        error = ErrorRecord(kind="training", message=f"The training failed: {text}.", hint="The next run tries again.")
        self.record(model, TrainingFailed(retrain_job_id=job, status="job_error", message=text))
        self.record(model, finished("failed", str(error.message), job, error=error))

    def leave(self, model: str) -> None:
        """Find nothing to do."""
        self.record(model, planned(action="nothing"), finished("unchanged", "The data is the same."))

    def _switch(self, model: str, job: str, decision_sha256: str) -> None:
        intended = SwitchIntended(retrain_job_id=job, decision_sha256=decision_sha256, attempt=1)
        self.record(model, intended, SwitchSucceeded(retrain_job_id=job, proof="answer"))

    def _baseline(self, model: str) -> Baseline | None:
        if model not in self.served:
            return None
        job, auc = self.served[model][-1]
        return Baseline(retrain_job_id=job, source="measured", metrics={"auc": auc}, eval_sha256=sha("eval of model"))


def record_year(fleet: FleetRecording, models: Iterable[str], runs: int, *, page: bytes | None = None) -> None:
    """Record many runs of many models, with a rollback in the middle and candidates that wait at the end."""
    names = list(models)
    for number in range(runs):
        if number == runs // 2:
            _roll_some_back(fleet, names[::10], page)
        fleet.begin()
        for place, name in enumerate(names):
            _record_model(fleet, name, number, place, last=number == runs - 1)
        fleet.end(page=page)


def _roll_some_back(fleet: FleetRecording, names: Iterable[str], page: bytes | None) -> None:
    fleet.begin("rollback")
    for name in names:
        if len(fleet.served.get(name, ())) > 1:
            fleet.roll_back(name)
    fleet.end(page=page)


def _record_model(fleet: FleetRecording, name: str, number: int, place: int, *, last: bool) -> None:
    turn = number * 7 + place * 3
    auc = f"{0.905 + 0.02 * math.sin(turn / 5) + 0.0001 * number:.4f}"
    if last and place % 25 == 0:
        fleet.train(name, auc, ASK)
    elif turn % 17 == 3 and number:
        fleet.fail(name)
    elif turn % 5 == 1 and number:
        fleet.leave(name)
    else:
        fleet.train(name, auc)

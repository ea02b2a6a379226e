"""A run's report as values: the keys of `schemas/report.schema.json` in their order. `report.json` is these, written.

Times are RFC 3339 in UTC with microseconds; SHA-256 values are lower-case hex; durations are seconds; the numbers of
metrics and rules are exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import astuple

from runner.journal.events import (
    ApprovalSource,
    CiActor,
    CommitRecord,
    ErrorRecord,
    ManifestFile,
    ToolRecord,
    UploadRecord,
)
from runner.journal.outcomes import Outcome
from runner.plan.evidence import Evidence
from runner.policy.evaluation import Action, Cause, Drift, Knowledge, Verdict
from runner.results.metrics import MetricPlace

REPORT_VERSION = 1


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of a report."""


class ManifestReport(_Part, frozen=True, kw_only=True):
    """The manifest files of the run; `git` is None outside a checkout."""

    files: tuple[ManifestFile, ...]
    sha256: str
    git: CommitRecord | None


class PlanReport(_Part, frozen=True, kw_only=True):
    """What the run planned for a model."""

    action: str
    stages: tuple[str, ...]
    reason: str


class FileReport(_Part, frozen=True, kw_only=True):
    """A data file; `rows` is None before they were counted, `version` where its place has no name for this content."""

    source: str
    sha256: str
    bytes: int
    rows: int | None
    version: str | None


class DatasetReport(_Part, frozen=True, kw_only=True):
    """The data of a job; `eval` is None where the service held out rows of its own."""

    train: FileReport
    eval: FileReport | None
    sha256: str
    upload: UploadRecord


class ResultReport(_Part, frozen=True, kw_only=True):
    """The result file in the state folder."""

    path: str
    sha256: str
    bytes: int


class RuleReport(_Part, frozen=True, kw_only=True):
    """What came of one rule; `margin` is None where nothing was measured."""

    baseline: Decimal | None
    cause: Cause
    formula: str
    level: Literal["decide", "warn"]
    limit: Decimal
    margin: Decimal | None
    metric: str
    observed: Decimal | None
    reason: str
    verdict: Verdict


class ApprovalReport(_Part, frozen=True, kw_only=True):
    """A person's approval or rejection; `source` is the file it was read from, None for a command."""

    action: str
    by: str
    at: str
    reason: str
    source: ApprovalSource | None
    forced: bool


class RollbackReport(_Part, frozen=True, kw_only=True):
    """A person's decision to switch back; `from_job_id` is None where an adopted model served."""

    from_job_id: str | None
    by: str
    at: str
    reason: str
    unverified: tuple[str, ...]


class DecisionReport(_Part, frozen=True, kw_only=True):
    """The last decision about a candidate, and what persons decided afterwards."""

    action: Action
    by: str
    at: str
    reason: str
    policy_sha256: str
    candidate_sha256: str
    incumbent: Knowledge
    drift: Drift
    approval: ApprovalReport | None
    rollback: RollbackReport | None


class Timings(_Part, frozen=True, kw_only=True):
    """Seconds of each stage in this run."""

    check_s: float = 0.0
    package_s: float = 0.0
    upload_s: float = 0.0
    wait_s: float = 0.0
    evaluate_s: float = 0.0
    switch_s: float = 0.0

    @property
    def total(self) -> float:
        """Return the seconds of all stages."""
        return float(sum(astuple(self)))

    def by_stage(self) -> dict[str, float]:
        """Return the seconds by the stage's name."""
        return {name.removesuffix("_s"): value for name, value in _items(self)}


class Calls(_Part, frozen=True, kw_only=True):
    """Requests to the service in this run."""

    upload_url: int = 0
    put: int = 0
    status: int = 0
    download: int = 0
    switch: int = 0
    classifiers: int = 0
    api_key: int = 0

    def by_name(self) -> dict[str, int]:
        """Return the counts by the call's name."""
        return dict(_items(self))


NextCause = Literal[
    "switch",
    "upload",
    "cut_upload",
    "interrupted",
    "credentials",
    "data",
    "config",
    "network",
    "service",
    "training",
    "result",
    "unreadable",
    "changed_outside",
    "incumbent_not_known",
    "other_evaluation",
    "rules",
    "blocked",
    "expired",
    "review",
    "unfinished",
]


class NextStep(_Part, frozen=True, kw_only=True):
    """What to do about a model: a text that quotes commands in backticks, and the commands one by one.

    An operator chooses from `commands`, the first is the usual choice; those of `look` show more and change nothing.
    """

    cause: NextCause
    text: str
    commands: tuple[str, ...]
    look: tuple[str, ...]


class ModelReport(_Part, frozen=True, kw_only=True):
    """What happened to one model. What did not happen is None or empty."""

    name: str
    outcome: Outcome
    reason: str
    next: NextStep | None = None
    still_held: bool = False
    plan: PlanReport | None = None
    policy: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    retrain_job_id: str | None = None
    model_id: int | None = None
    dataset: DatasetReport | None = None
    result: ResultReport | None = None
    metrics: Mapping[str, Decimal | None] = {}
    places: Mapping[str, MetricPlace] = {}
    evidence: Evidence | None = None
    unread: str | None = None
    verdict: Verdict | None = None
    rules: tuple[RuleReport, ...] = ()
    decision: DecisionReport | None = None
    switched_at: str | None = None
    error: ErrorRecord | None = None
    timings: Timings = Timings()
    calls: Calls = Calls()
    warnings: tuple[str, ...] = ()


class JournalReport(_Part, frozen=True, kw_only=True):
    """The journal when the run ended: its number of events, and the digest of the last."""

    events: int
    head_sha256: str


class Report(_Part, frozen=True, kw_only=True):
    """What one run did to each model, and what it decided by; `run_before` is the run that started before it."""

    report_version: int = REPORT_VERSION
    run_id: str
    tool: ToolRecord
    started_at: str
    finished_at: str
    actor: str
    ci_actor: CiActor | None
    ci_job: str | None
    run_before: str | None
    command: str
    service: str
    exit_code: int
    stopped: str | None
    summary: Mapping[Outcome, int]
    manifest: ManifestReport
    plan_sha256: str | None
    models: Sequence[ModelReport]
    journal: JournalReport


def _items(part: Struct) -> Iterator[tuple[str, Any]]:
    return zip(part.__struct_fields__, astuple(part), strict=True)

"""What can be written into the journal: one immutable event a fact.

An `Event` is the envelope (who, when, which run, which place in the chain); a fact is what happened. Facts carry no
secret: neither a key nor a signed URL fits into any field. Times are RFC 3339 in UTC with microseconds; SHA-256 values
are lower-case hex; durations are seconds; metric values are decimal texts.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from runner.journal.forms import DecisionId, FileName, JobId, ModelName, Sha256
from runner.journal.outcomes import Outcome
from runner.policy.evaluation import Evaluation

if TYPE_CHECKING:
    from runner.policy.evaluation import RecordedInputs
else:
    RecordedInputs = Mapping[str, Any]  # as a TypedDict it would lose the keys that it does not name when it is read

ADOPTED = "the adopted model"  # what people read where a rollback has no job to come from
EMULATOR = "emulator"  # the name of the emulator where a service's host is expected


class _Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Base of all facts; the class's tag is the event's kind."""


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data file as it was read; `rows` is None before the check has counted them.

    `empty_columns` are the names of the columns that no row has a value in, `scales` the median size of the numbers of
    a column, `label_shares` how large a part of the rows has each label of the target.

    `version` is what the place of a remote file calls this content of it, for people; `content_id` is the SHA-256 of
    what names that content on every machine (address, ETag or version, size), so that it need not be read again.
    """

    source: str
    sha256: Sha256
    bytes: int
    rows: int | None = None
    empty_columns: tuple[str, ...] = ()
    scales: Mapping[str, float] = {}
    label_shares: Mapping[str, float] = {}
    version: str | None = None
    content_id: Sha256 | None = None


class UploadRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent for a dataset."""

    filename: str
    sha256: Sha256
    bytes: int


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error as the report shows it."""

    kind: str
    message: str
    hint: str


class ApprovalSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a person's word was read: a file of the approvals folder, and what git says of it.

    `approver` is the name in the file, which anybody can write. `committed` says whether the commit of the manifest's
    checkout holds exactly these bytes, None where git refused to read the repository; `commit` is the one that last
    changed the file, with its author and what git made of its signature; `signer` is whose a good one is. They are None
    where git proves no such commit.
    """

    file: str
    sha256: Sha256
    approver: str
    committed: bool | None
    commit: str | None = None
    author: str | None = None
    signature: Literal["good", "bad", "none", "unknown"] | None = None
    signer: str | None = None


class ToolRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The program that ran: the name and version of its distribution, and the version of Python."""

    name: str
    version: str
    python: str


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A manifest file as it was read."""

    path: str
    sha256: Sha256


class CommitRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The commit of a checkout; `dirty` says that files differed from it, `remote` is None without one."""

    commit: str
    dirty: bool
    remote: str | None


class ManifestRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest files of a run, the commit they come from, and the new names of models by their old ones."""

    files: tuple[ManifestFile, ...]
    sha256: Sha256
    git: CommitRecord | None
    moved: Mapping[str, str]


class CiActor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who started a pipeline, as the environment variable `source` says, which anybody can set."""

    name: str
    source: str


# Of a page: nothing that a browser could take for more than an address, and no name or password in it.
CI_JOB = r"\Ahttps?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]+)*\Z"


GROUP = r"\A[A-Za-z0-9][A-Za-z0-9._:-]*\Z"  # it is shown in commands


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The command whose run it is, its flags, and where the state is if that is not the usual place.

    `quarantine_s` is the manifest's in seconds, `shard` this machine's share of the partitions, `to` the job that a
    rollback was told to go back to.
    """

    command: str = "run"
    select: tuple[str, ...] = ()
    force: bool = False
    no_switch: bool = False
    emulator: bool = False
    allow_service_change: bool = False
    quarantine_s: float | None = None
    plan_sha256: Sha256 | None = None
    shard: str | None = None
    to: str | None = None
    state: str | None = None
    partition: str | None = None


class RunStarted(_Fact, frozen=True, kw_only=True, tag="run_started"):
    """A run began. `service` tells the emulator's history from the real one's; `paths` are its manifest arguments.

    `actor` is the user of the operating system and the host, `ci_job` the page of the pipeline's job. `group` is what
    the runs of several machines have in common that are reported as one. `seen_events` says how many events the
    partitions had that follow this one (`runner.journal.partitions.witnessed`).
    """

    tool: ToolRecord
    actor: str
    ci_actor: CiActor | None = None
    ci_job: Annotated[str, msgspec.Meta(pattern=CI_JOB, max_length=1000)] | None = None
    group: Annotated[str, msgspec.Meta(pattern=GROUP, max_length=100)] | None = None
    service: str
    paths: tuple[str, ...]
    manifest: ManifestRecord
    options: RunOptions
    seen_events: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] = ()

    @property
    def command(self) -> str:
        """Return the command that made it: `run`, or that of a person's decision such as `approve`."""
        return self.options.command

    @property
    def is_emulator(self) -> bool:
        """Return whether the run worked on the emulator."""
        return self.service == EMULATOR


class RunFinished(_Fact, frozen=True, kw_only=True, tag="run_finished"):
    """A run ended; `stopped` is None, the name of a signal, or `lost` when a later run found it without an end."""

    exit_code: int
    stopped: str | None = None


class ReportWritten(_Fact, frozen=True, kw_only=True, tag="report_written"):
    """The run's files were rendered; `files` maps each name in the run folder to its SHA-256.

    `checkpoint` is the SHA-256 of the checkpoint up to the event before, None where none was written.
    """

    files: Mapping[FileName, Sha256]
    checkpoint: Sha256 | None = None


class PrunedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored result that is removed; `path` is that of the event that stored it, and no other is acted on."""

    path: str
    sha256: Sha256
    bytes: int
    retrain_job_id: JobId


class ResultsPruned(_Fact, frozen=True, kw_only=True, tag="results_pruned"):
    """Stored results are removed from now on: written before the first of them is, by a run or a command of its own.

    `why` says which rule they fell under.
    """

    files: tuple[PrunedFile, ...]
    by: str
    why: str


class NameMove(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that is called `new` from now on."""

    old: ModelName
    new: ModelName


class ModelsMoved(_Fact, frozen=True, kw_only=True, tag="models_moved"):
    """Models got other names, all at once: their jobs, decisions and guards are those of the new names now.

    It belongs to a run, and is about that run's service. Two names may be swapped.
    """

    moves: tuple[NameMove, ...]


class ServiceMoved(_Fact, frozen=True, kw_only=True, tag="service_moved"):
    """A model that was trained on another service lives on this run's one; nothing of it is known there yet."""

    from_service: str


class LossAccepted(_Fact, frozen=True, kw_only=True, tag="loss_accepted"):
    """A person accepts that events of this journal are gone for good: what was started in them is not known.

    `missing` says what shows it, one sentence each. Nothing is trained or switched for a model before a person decided
    about it.
    """

    missing: tuple[str, ...]
    by: str
    reason: str


class StateMoved(_Fact, frozen=True, kw_only=True, tag="state_moved"):
    """The state is at another address from now on: the last event of this journal; nothing more is written here."""

    to: str
    by: str


DecisionAction = Literal["approve", "reject", "rollback", "resolve", "adopt"]


class RefusalRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a decision was not carried out, as the command itself would have said it, with its exit code."""

    exit_code: int
    message: str
    hint: str


class DecisionTaken(_Fact, frozen=True, kw_only=True, tag="decision_taken"):
    """A run took a person's decision out of the inbox, which they had left there while a run held the state.

    It is written with the facts that carry the decision out, in one transaction and under a guard: it counts once.
    `refused` is there where it did not hold any more; then nothing else was written.
    """

    decision_id: DecisionId
    action: DecisionAction
    about: ModelName
    by: str
    ci_actor: CiActor | None
    reason: str
    left_at: str
    refused: RefusalRecord | None

    @property
    def guard(self) -> str:
        """Return the guard under which it is written: it cannot be there twice."""
        return f"decision:{self.decision_id}"


class KnownContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was read of a file that is not on the machine; `content_id` is that of a `FileRecord`."""

    content_id: Sha256
    sha256: Sha256
    bytes: int


class ModelPlanned(_Fact, frozen=True, kw_only=True, tag="model_planned"):
    """What the run means to do to a model, and why.

    `contents` are those of its files that the plan read and that bring nothing new: written again where they are.
    """

    action: str
    stages: tuple[str, ...]
    reason: str
    policy: str
    policy_sha256: Sha256
    dataset_sha256: Sha256 | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    contents: tuple[KnownContent, ...] = ()


class DataChecked(_Fact, frozen=True, kw_only=True, tag="data_checked"):
    """The data passed its check and is packed.

    `labels` are the target's classes when they are known; `numbers` are the values of a numeric target, as they are
    written, when they are so few that they may be classes. `target_kind` says what the target's values are.
    """

    train: FileRecord
    eval: FileRecord | None
    dataset_sha256: Sha256
    columns: tuple[str, ...]
    labels: tuple[str, ...] | None
    numbers: tuple[str, ...] | None = None
    target_kind: Literal["number", "text"] | None = None
    upload: UploadRecord
    warnings: tuple[str, ...]
    check_s: float
    package_s: float


class JobCreated(_Fact, frozen=True, kw_only=True, tag="job_created"):
    """The service issued a job id and an upload URL; nothing was sent yet.

    `status_before_upload` is the status read before the upload: `not_found` when the service knows no such job yet,
    None when it could not be read. After an upload with an unknown result another status proves that it started.
    """

    retrain_job_id: JobId
    url_expires_at: str
    status_before_upload: str | None


class UploadBegun(_Fact, frozen=True, kw_only=True, tag="upload_begun"):
    """The data of this job is checked while it is sent, all but its end, which waits for `UploadIntended`.

    Until then nothing is known of the data but its size, and nothing starts where a body without its end starts
    nothing. A job that has still started was trained on data that nobody knows.
    """

    retrain_job_id: JobId
    bytes: int


class UploadIntended(_Fact, frozen=True, kw_only=True, tag="upload_intended"):
    """The one PUT for this job may be sent, or its end, from now on. The event's guard makes this unique forever."""

    retrain_job_id: JobId
    dataset_sha256: Sha256
    attempt: int


class UploadSucceeded(_Fact, frozen=True, kw_only=True, tag="upload_succeeded"):
    """The upload arrived: by the store's 2xx, or because the job's status proves it."""

    retrain_job_id: JobId
    proof: Literal["store", "status", "operator"]
    upload_s: float | None = None


class UploadRejected(_Fact, frozen=True, kw_only=True, tag="upload_rejected"):
    """The upload certainly had no effect."""

    retrain_job_id: JobId
    why: Literal["refused", "never_sent", "cut_short"]
    message: str


class UploadUnknown(_Fact, frozen=True, kw_only=True, tag="upload_unknown"):
    """Nobody knows yet whether the upload arrived."""

    retrain_job_id: JobId
    message: str


class JobAbandoned(_Fact, frozen=True, kw_only=True, tag="job_abandoned"):
    """The job never started: its URL has expired and the quarantine for late requests is over, or a person said so."""

    retrain_job_id: JobId
    by: Literal["quarantine", "operator"]


class StatusChanged(_Fact, frozen=True, kw_only=True, tag="status_changed"):
    """The job's status word changed, or a doubtful one outlasted the quarantine; then it is written again."""

    retrain_job_id: JobId
    status: str


class TrainingFinished(_Fact, frozen=True, kw_only=True, tag="training_finished"):
    """The service finished the training; `model_id` where it told."""

    retrain_job_id: JobId
    model_id: int | None


class TrainingFailed(_Fact, frozen=True, kw_only=True, tag="training_failed"):
    """The training failed or its job was deleted; the attempt is spent."""

    retrain_job_id: JobId
    status: str
    message: str


class ResultDownloaded(_Fact, frozen=True, kw_only=True, tag="result_downloaded"):
    """The result file is at `path`, relative to the state folder."""

    retrain_job_id: JobId
    path: str
    sha256: Sha256
    bytes: int


class CandidateEvaluated(_Fact, frozen=True, kw_only=True, tag="candidate_evaluated"):
    """The decision about a candidate, with everything it was computed from.

    `inputs` are what `runner.policy.decide` reads and writes; `candidate_sha256` binds job, result,
    policy and `bound` together and is what an approval refers to. `bound` has a digest for each part of the manifest
    that says what the model is; journals of earlier versions have none.
    """

    retrain_job_id: JobId
    result_sha256: Sha256
    policy: str
    policy_sha256: Sha256
    candidate_sha256: Sha256
    inputs: RecordedInputs
    evaluation: Evaluation
    bound: Mapping[str, str] | None = None


class ApprovalRecorded(_Fact, frozen=True, kw_only=True, tag="approval_recorded"):
    """A person approved or rejected a candidate: by command, or in a file, then `source` tells which.

    `forced` tells that the candidate was approved although it is older than the incumbent or was rolled back from.
    """

    retrain_job_id: JobId
    candidate_sha256: Sha256
    action: Literal["approve", "reject"]
    by: str
    reason: str
    source: ApprovalSource | None = None
    forced: bool = False


class RollbackDecided(_Fact, frozen=True, kw_only=True, tag="rollback_decided"):
    """A person decided to switch back from the incumbent to a job that has served before.

    `from_job_id` is None if the incumbent was adopted and no job of this project. `unverified` says what nobody has
    made sure of, one plain phrase each.
    """

    retrain_job_id: JobId
    from_job_id: JobId | None
    by: str
    reason: str
    unverified: tuple[str, ...]


class IncumbentAdopted(_Fact, frozen=True, kw_only=True, tag="incumbent_adopted"):
    """A person stated what is in service: by `retrain adopt`, or in the manifest. From now on no job of ours is.

    `metrics` are decimal texts by name; `eval_sha256` is the file they were measured on and `result_sha256` the result
    file they were read from, where one was given. `model_id` is the service's number of the model that the model's
    classifier serves at that moment, where the list could be read. `statement_sha256` is the digest of what was stated:
    a statement of the manifest counts once.
    """

    metrics: Mapping[str, str]
    eval_sha256: Sha256 | None
    result_sha256: Sha256 | None
    source: Literal["command", "manifest"]
    statement_sha256: Sha256
    by: str
    reason: str
    model_id: int | None = None


class ServingObserved(_Fact, frozen=True, kw_only=True, tag="serving_observed"):
    """What the service's list of classifiers says of the model in service, beside what the journal knows.

    Written when it says something else than before. `model_id` is what the model's own classifier serves, where the
    manifest names that classifier.
    """

    drift: Literal["in_sync", "changed_outside", "cannot_be_told"]
    reason: str
    model_id: int | None = None


class SwitchIntended(_Fact, frozen=True, kw_only=True, tag="switch_intended"):
    """The one PUT that switches may be sent from now on; `decision_sha256` is the event of the decision behind it.

    `listed_before` are the numbers of the models that the service's list had in service just before, as far as they can
    be this model's own: one that was not among them proves this switch by being listed later, and one that is no longer
    listed was replaced, by this switch or by somebody else. None where the list could not be read or is too long.
    """

    retrain_job_id: JobId
    decision_sha256: Sha256
    attempt: int
    listed_before: tuple[int, ...] | None = None


class SwitchSucceeded(_Fact, frozen=True, kw_only=True, tag="switch_succeeded"):
    """The candidate serves now."""

    retrain_job_id: JobId
    proof: Literal["answer", "read_back", "operator"]


class SwitchRejected(_Fact, frozen=True, kw_only=True, tag="switch_rejected"):
    """The switch certainly had no effect; `by_service` tells that the service refused it, not that it never arrived."""

    retrain_job_id: JobId
    message: str
    by_service: bool = False


class SwitchUnknown(_Fact, frozen=True, kw_only=True, tag="switch_unknown"):
    """Nobody knows yet whether the switch was applied."""

    retrain_job_id: JobId
    message: str


class Resolved(_Fact, frozen=True, kw_only=True, tag="resolved"):
    """A person said what happened to a request or a training that the service cannot tell; the fact of it follows."""

    retrain_job_id: JobId
    state: Literal["started", "not-started", "switched", "not-switched", "abandoned"]
    by: str
    reason: str


class ModelFinished(_Fact, frozen=True, kw_only=True, tag="model_finished"):
    """What happened to a model in this run. `timings` are seconds by stage, `calls` counts by call.

    `still_held` is true for the outcome `held` of a candidate that an earlier run has reported as held.
    """

    outcome: Outcome
    reason: str
    retrain_job_id: JobId | None
    error: ErrorRecord | None
    timings: Mapping[str, float]
    calls: Mapping[str, int]
    warnings: tuple[str, ...]
    still_held: bool = False


JobFact = (
    UploadBegun
    | UploadIntended
    | UploadSucceeded
    | UploadRejected
    | UploadUnknown
    | JobAbandoned
    | StatusChanged
    | TrainingFinished
    | TrainingFailed
    | ResultDownloaded
    | CandidateEvaluated
    | ApprovalRecorded
    | RollbackDecided
    | SwitchIntended
    | SwitchSucceeded
    | SwitchRejected
    | SwitchUnknown
    | Resolved
)
IncumbentFact = IncumbentAdopted | ServingObserved
Fact = (
    RunStarted
    | RunFinished
    | ReportWritten
    | ResultsPruned
    | ModelsMoved
    | ServiceMoved
    | LossAccepted
    | StateMoved
    | DecisionTaken
    | ModelPlanned
    | DataChecked
    | JobCreated
    | JobFact
    | IncumbentFact
    | ModelFinished
)


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact in its place: `seq` counts from 1, `prev` is the SHA-256 of the event before it.

    `guard` is unique over the whole journal: a second event with the same guard cannot be written, by anybody.
    """

    seq: int
    at: str
    run_id: str
    model: str | None
    guard: str | None
    prev: str
    fact: Fact


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A fact on its way into the journal, before it has a place."""

    at: str
    run_id: str
    model: str | None
    fact: Fact
    guard: str | None = None

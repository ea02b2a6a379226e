"""From data to a started training: the one effect that cannot be repeated.

The order is the promise: the data's digest and the job id are durable, with a guard that exists once, before the first
byte is sent, or before the last ones where the data is checked while it is sent; there is one PUT; what it did is
recorded only with proof; where there is none, the job's status is read until it is known, and nobody guesses.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.check import HandOver
from runner.datasets.metadata import CheckedFile, Prepared
from runner.datasets.prepare import check_data, pack
from runner.datasets.resolve import ResolvedFile, resolve
from runner.errors import Kind, ModelError
from runner.execute.commands import Pool, StoppedError, Work, Workflow, call, record, stage, take_slot
from runner.execute.model_identity import refuse_other_model
from runner.execute.model_run import ModelOutcome, ModelRun, Replan, StageEnd, failed, failed_with
from runner.execute.one_pass import OnePass
from runner.execute.progress_events import StageStarted
from runner.execute.retry import get_key, read, send
from runner.execute.settle_upload import job_status, settle_upload, started_without_end
from runner.execute.upload_evidence import (
    ClockReading,
    UploadEnd,
    compare_clocks,
    proves_start,
    refuse_expired,
    url_end,
    word_of,
)
from runner.http.upload_body import SentFile, UploadWatch
from runner.journal.events import (
    DataChecked,
    FileRecord,
    JobCreated,
    UploadBegun,
    UploadIntended,
    UploadRecord,
    UploadRejected,
    UploadSucceeded,
    UploadUnknown,
)
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.lib.timestamps import stamp
from runner.plan.incumbent import reference
from runner.plan.model_plan import PlanStage
from runner.providers.base import Done, Effect, IssuedJob, NeverSent, Rejected, Status
from runner.providers.registry import facts_of

_SHORT = 1024 * 1024  # bytes of an upload that takes moments


def check(run: ModelRun) -> Workflow[StageEnd]:
    """Check, digest and package the data; what fails is never uploaded. New data is checked while it is sent."""
    if run.plan.dataset_sha256 is None:
        return None
    run.say("checking the data")
    prepare = _preparation(run)
    prepared = yield from stage(lambda: prepare(None))
    run.timings["check_s"] += prepared.check_s
    run.timings["package_s"] += prepared.package_s
    _take_in(run, prepared)
    yield from record(_checked(prepared))
    return None


def _preparation(run: ModelRun) -> Callable[[HandOver | None], Prepared]:
    """Return what checks, digests and packages the data, to be called in another thread than the coordinator's."""
    dataset, checks = run.context.manifest.datasets[run.model.dataset], run.model.checks
    compared, expected = reference(run.progress), run.plan.dataset_sha256
    spool, readings = run.context.spool, run.context.readings
    folders = facts_of(run.context.manifest.service.provider).archive

    def prepare(hand_over: HandOver | None) -> Prepared:
        found = check_data(
            dataset, checks, reference=compared, expected_sha256=expected, readings=readings, hand_over=hand_over
        )
        return pack(found, spool, folders)

    return prepare


def _take_in(run: ModelRun, prepared: Prepared) -> None:
    run.prepared = prepared
    for text in prepared.warnings:
        run.warn(text)


def upload(run: ModelRun) -> Workflow[StageEnd]:
    """Take a job and send the data to it, holding one of the upload slots; what happened to it needs none."""
    key = yield from get_key(run)
    yield from refuse_other_model(run, key)
    if run.plan.dataset_sha256 is None:
        with (yield from take_slot()):
            end = yield from _upload_while_checking(run, key)
        if end is None or isinstance(end, ModelOutcome | Replan):
            return end
        effect = end
    else:
        with (yield from take_slot(short=run.get_prepared().upload.content.bytes <= _SHORT)):
            effect = yield from _upload(run, key)
    with run.timed("upload_s"):
        return (yield from _after_put(run, run.job.retrain_job_id, effect))


def _upload(run: ModelRun, key: Secret) -> Workflow[Effect]:
    prepared = run.get_prepared()
    filename = prepared.upload.filename
    job, end, created = yield from _new_job(run, key, filename)
    intended, guard = _intent(run, job, prepared)
    yield from record(created, intended, guard=guard)
    run.say(f"uploading {prepared.upload.content.bytes:,} bytes to job {job.retrain_job_id}")
    before = created.status_before_upload
    with run.timed("upload_s"):
        effect = yield from _send(run, job, end, lambda: _may_repeat(run, key, job.retrain_job_id, before))
    if isinstance(effect, Rejected) and effect.reason == "signature" and end.passed(run.context.clock):
        return replace(effect, reason="expired_url", permanent=False)
    return effect


def _new_job(run: ModelRun, key: Secret, filename: str) -> Workflow[tuple[IssuedJob, UploadEnd, JobCreated]]:
    """Take a job, and return it with the end of its upload and what is to be recorded of it."""
    taken = yield from read(run, "upload_url", lambda: _take_job(run, key, filename))
    run.count("status")
    end = _upload_end(run, taken)
    created = JobCreated(
        retrain_job_id=taken.job.retrain_job_id,
        url_expires_at=stamp(end.expires),
        status_before_upload=word_of(taken.before),
    )
    return taken.job, end, created


def _intent(run: ModelRun, job: IssuedJob, prepared: Prepared) -> tuple[UploadIntended, str]:
    """Return the intent to upload the data, and the guard that makes it unique."""
    number = run.progress.intents.count(prepared.sha256) + 1
    intended = UploadIntended(retrain_job_id=job.retrain_job_id, dataset_sha256=prepared.sha256, attempt=number)
    return intended, f"upload:{run.context.service}:{run.progress.identity}:{prepared.sha256}:{number}"


def _upload_while_checking(run: ModelRun, key: Secret) -> Workflow[Effect | StageEnd]:
    """Send new data while it is checked and digested, and its end when both are done and the intent is recorded."""
    context, dataset = run.context, run.context.manifest.datasets[run.model.dataset]
    file, size = yield from stage(lambda: _one_file(resolve(dataset, context.readings.access).train))
    job, end, created = yield from _new_job(run, key, file.name)
    yield from record(created, UploadBegun(retrain_job_id=job.retrain_job_id, bytes=size))
    run.say(f"checking {size:,} bytes while they are sent to job {job.retrain_job_id}")
    run.count("put")
    one_pass = OnePass(file.source, size, may_end=context.still_locked, sent=run.meter(size), start=context.start)
    prepare = _preparation(run)

    def send(sent: SentFile, watch: UploadWatch) -> Effect:
        return _put(run, job.upload_url, end, sent, None, watch)

    with one_pass, run.timed("upload_s"):
        try:
            found = yield from stage(lambda: one_pass.check(send, prepare), effect=True)
        except ModelError as error:
            return (yield from _cut_short(run, key, one_pass, failed(error)))
        if isinstance(found, NeverSent):
            return found
        if not isinstance(found, Prepared):
            return (yield from _cut_short(run, key, one_pass, Replan(reason=_told(found))))
        if run.progress.intents.count(found.sha256) or found.upload.filename != file.name:
            again = "The data that was sent turned out not to be new"
            return (yield from _cut_short(run, key, one_pass, Replan(reason=again)))
        _take_in(run, found)
        intended, guard = _intent(run, job, found)
        yield from record(_checked(found), intended, guard=guard)
        effect: Effect = yield Work(pool=Pool.STAGE, function=one_pass.finish, effect=True, completes=True)
        if isinstance(effect, Rejected) or one_pass.refused_to_repeat:
            return (yield from _read_first(run, key, effect))
        return effect


def _one_file(file: ResolvedFile) -> tuple[ResolvedFile, int]:
    (part,) = file.parts
    return file, part.size()


def _told(effect: Effect) -> str:
    """Return in a sentence why a store answered before it had the whole file."""
    return effect.message if not isinstance(effect, Done) else "The store ended the upload before it had the whole file"


def _cut_short(run: ModelRun, key: Secret, one_pass: OnePass, end: ModelOutcome | Replan) -> Workflow[StageEnd]:
    """Close the connection without the end of the data, and end so where the job's status shows no start after that."""
    job = run.job
    yield from stage(one_pass.close, effect=True)
    run.count("status")
    answer, _ = yield from call(lambda: job_status(run, key, job.retrain_job_id))
    if answer is None:
        return (yield from settle_upload(run))
    if proves_start(run, answer, job.status_before_upload):
        return started_without_end(run)
    yield from record(UploadRejected(retrain_job_id=job.retrain_job_id, why="cut_short", message=end.reason))
    return end


def _read_first(run: ModelRun, key: Secret, effect: Effect) -> Workflow[Effect | Replan]:
    """Plan the model again, with data that is read before it is sent, where the job's status shows no start."""
    job = run.job
    run.count("status")
    answer, _ = yield from call(lambda: job_status(run, key, job.retrain_job_id))
    if answer is None or proves_start(run, answer, job.status_before_upload):
        return effect
    yield from record(UploadRejected(retrain_job_id=job.retrain_job_id, why="refused", message=_told(effect)))
    return Replan(reason=_told(effect))


class _Taken(Struct, frozen=True, kw_only=True):
    """A new job, its status before its upload, and when it was asked for; `monotonic` in seconds."""

    job: IssuedJob
    before: Status | str | None
    reading: ClockReading
    monotonic: float


def _take_job(run: ModelRun, key: Secret, filename: str) -> _Taken:
    """Take a job and ask its status before its upload, in one piece of work while others wait for the slot."""
    clock = run.context.clock
    wall, monotonic = clock.now(), clock.monotonic()
    job = run.context.provider.take_job(key, filename)
    reading = ClockReading(date=job.date, before=wall, after=clock.now())
    before, _ = job_status(run, key, job.retrain_job_id)
    return _Taken(job=job, before=before, reading=reading, monotonic=monotonic)


def _upload_end(run: ModelRun, taken: _Taken) -> UploadEnd:
    """Return until when the upload may begin.

    Raises:
        ModelError: the clocks do not allow an upload.
    """
    reading = taken.reading
    compare_clocks(run, reading)
    end = UploadEnd(
        expires=url_end(run, taken.job.expires_at, reading),
        latest=reading.latest,
        wall=reading.before,
        monotonic=taken.monotonic,
    )
    refuse_expired(end, reading)
    return end


def _may_repeat(run: ModelRun, key: Secret, retrain_job_id: str, before: str | None) -> bool:
    """Return whether the status was read and shows no start: who redirected or refused may have taken the data."""
    answer, _ = job_status(run, key, retrain_job_id)
    return answer is not None and not proves_start(run, answer, before)


def _send(run: ModelRun, job: IssuedJob, end: UploadEnd, may_repeat: Callable[[], bool]) -> Workflow[Effect]:
    """Send the one PUT that the store carries out."""
    file = run.get_prepared().upload
    sent = run.meter(file.content.bytes)
    watch = UploadWatch(sent=sent, may_end=run.context.still_locked, may_repeat=may_repeat)

    def put() -> Effect:
        return _put(run, job.upload_url, end, file.file, file.content, watch)

    try:
        return (yield from send(run, "put", Pool.STAGE, put))
    except StoppedError:
        yield from record(_never_sent(job.retrain_job_id, "stopped before anything was sent"))
        raise


def _never_sent(retrain_job_id: str, message: str) -> UploadRejected:
    return UploadRejected(retrain_job_id=retrain_job_id, why="never_sent", message=message)


def _put(  # noqa: PLR0913, PLR0917 -- what one request is made of
    run: ModelRun, url: Secret, end: UploadEnd, file: SentFile, content: Checksum | None, watch: UploadWatch
) -> Effect:
    """Send the file, unless this process slept past the URL's expiry: others may have taken over by now."""
    if end.passed(run.context.clock):
        return Rejected(
            message="The upload URL expired before the upload began.",
            hint="A new job is taken.",
            kind=Kind.SERVICE,
            permanent=False,
            reason="expired_url",
        )
    return run.context.provider.upload(url, file, content=content, watch=watch)


def _after_put(run: ModelRun, retrain_job_id: str, effect: Effect) -> Workflow[StageEnd]:
    if isinstance(effect, Done):
        yield from record(UploadSucceeded(retrain_job_id=retrain_job_id, proof="store"))
        run.say("uploaded")
        return None
    if isinstance(effect, NeverSent):
        yield from record(_never_sent(retrain_job_id, effect.message))
        return failed_with(Kind.NETWORK, effect.message, f"{effect.hint} Then run again; nothing was started.")
    if isinstance(effect, Rejected):
        if (yield from _started_all_the_same(run, effect)):
            return None
        yield from record(UploadRejected(retrain_job_id=retrain_job_id, why="refused", message=effect.message))
        if effect.reason == "expired_url":
            return Replan(reason=effect.message)
        return failed_with(effect.kind, effect.message, f"{effect.hint.rstrip('.')}. Nothing was started.")
    yield from record(UploadUnknown(retrain_job_id=retrain_job_id, message=effect.message))
    run.warn(f"the upload's result is unclear: {effect.message}")
    run.tell(StageStarted(stage=PlanStage.SETTLE_UPLOAD))
    return (yield from settle_upload(run))


def _started_all_the_same(run: ModelRun, refused: Rejected) -> Workflow[bool]:
    """Ask for the status after a refusal, and record the start that it proves.

    Who refused may be in between, and a store may take what was cut short because the file changed.
    """
    key, job = (yield from get_key(run)), run.job
    run.count("status")
    answer, _ = yield from call(lambda: job_status(run, key, job.retrain_job_id))
    if not proves_start(run, answer, job.status_before_upload):
        return False
    run.warn(f"the upload was refused, but its job has started: {refused.message}")
    yield from record(UploadSucceeded(retrain_job_id=job.retrain_job_id, proof="status"))
    return True


def _checked(prepared: Prepared) -> DataChecked:
    file = prepared.upload
    return DataChecked(
        train=_file_record(prepared.train),
        eval=_file_record(prepared.eval) if prepared.eval else None,
        dataset_sha256=prepared.sha256,
        columns=prepared.shape.columns,
        labels=prepared.shape.labels,
        numbers=prepared.shape.numbers,
        target_kind=prepared.shape.target_kind,
        upload=UploadRecord(filename=file.filename, sha256=file.content.sha256, bytes=file.content.bytes),
        warnings=prepared.warnings,
        check_s=prepared.check_s,
        package_s=prepared.package_s,
    )


def _file_record(file: CheckedFile) -> FileRecord:
    return FileRecord(
        source=file.source,
        sha256=file.sha256,
        bytes=file.bytes,
        rows=file.rows,
        empty_columns=file.empty_columns,
        scales=file.scales,
        label_shares=file.label_shares,
        version=file.version,
        content_id=file.content_id,
    )

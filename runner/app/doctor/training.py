"""`retrain doctor --train`: one training on purpose, by a run like any other, and what it shows of the service."""

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct
from msgspec.structs import replace

from emulator.cassette_profile import cassette_profile
from emulator.profile import Call, Profile, Rule
from runner import __version__
from runner.app.doctor.key_questions import NO_JOB
from runner.app.planning.scope import read_scope
from runner.app.queries.inspect import InspectRequest, inspect
from runner.app.review.inbox_desk import InboxDesk
from runner.app.run.run import RunRequest, run
from runner.app.run.run_end import RunResult
from runner.app.state.open_state import open_state
from runner.app.state.partitions import partition_of
from runner.app.state.read_state import Warn, read_progress
from runner.errors import RetrainError
from runner.execute.progress_events import Listener
from runner.execute.training_ends import finished_line, sounds_finished
from runner.journal.folder import CASSETTE, PROFILE
from runner.journal.retrain_job import IN_FLIGHT
from runner.lib.atomic_files import write_whole
from runner.lib.cassette import Answered, Cassette, record, write_cassette
from runner.lib.timestamps import stamp
from runner.manifest.model import Manifest
from runner.plan.model_plan import Choice
from runner.providers.kept_answers import KeptAnswer, MakeKept
from runner.reports.diagnosis import Lessons, last_status, lessons
from runner.reports.inspection import Inspected, choices
from runner.reports.model import ModelReport

_URL = re.compile(r'"(?:https?:)?/[^"\s]*"')
_PLACEHOLDERS = {"upload_url": '"${upload_url}"', "status": '"${download_url}"'}
_LISTS = ("models", "classifiers")  # they name what else the account has
_LARGEST_MEMBER = 1 << 20  # bytes of a result's member that is kept
_MOST_MEMBERS = 100


class TrainRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain doctor --train`; with `switch` the candidate's policy may switch to it.

    `before` is what the service said to the questions before the training.
    """

    choice: Choice
    model: str
    switch: bool
    before: Sequence[KeptAnswer] = ()


class Answers:
    """Keeps in memory what the service says; safe from any thread."""

    place: str | None = None  # of a file: there is none

    def __init__(self) -> None:
        self.kept: list[KeptAnswer] = []

    def keep(self, call: str, make: MakeKept, *, understood: bool) -> None:  # noqa: ARG002 -- it keeps all
        """Take the answer."""
        self.kept.append(make())


class Trained(Struct, frozen=True, kw_only=True):
    """What happened to the run, what it showed, and the files that keep it."""

    result: RunResult
    lessons: Lessons
    files: tuple[Path, ...]


def train(request: TrainRequest, listener: Listener, warn: Warn) -> Trained:
    """Train the model once, through the journal as any run does, and return what was learnt.

    A job of the model that is under way is continued, so that a second call pays for no second training. Nothing is
    switched unless it is asked for.

    Raises:
        as `run`.
    """
    choice = replace(
        request.choice,
        select=(request.model,),
        force=not _is_under_way(request.choice, request.model),
        no_switch=not request.switch,
    )
    manifest = read_scope(choice).manifest
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        recording = Path(folder) / "answers.jsonl"
        result = run(
            RunRequest(
                choice=choice,
                state=choice.state,
                listener=listener,
                warn=warn,
                inbox=InboxDesk.of_run,
                allow_held=True,
                recording=recording,
            )
        )
        kept = list(_read(recording))
    model = result.report.models[0]
    inspected = _inspected(model, choice)
    cassette = _cassette([*request.before, *kept], model, _shareable(model, choice, inspected))
    write_cassette(result.folder / CASSETTE, cassette)
    write_whole(result.folder / PROFILE, _profile_text(cassette_profile(cassette)))
    paste = _lines(manifest, model, cassette, inspected)
    return Trained(
        result=result,
        lessons=lessons(cassette.exchanges, model, manifest, switch=request.switch, paste=paste),
        files=(result.folder / PROFILE, result.folder / CASSETTE),
    )


def _is_under_way(choice: Choice, name: str) -> bool:
    scope = read_scope(choice)
    job = read_progress(choice.state).model(scope.service.name, name).current
    return job is not None and job.stage in IN_FLIGHT


def _read(recording: Path) -> Iterator[KeptAnswer]:
    if recording.exists():
        for line in recording.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=KeptAnswer)


def _cassette(kept: Sequence[KeptAnswer], model: ModelReport, result: bytes | None) -> Cassette:
    """Return what the service said, the job's id and its URLs replaced, with the shareable part of its result."""
    answers = [
        Answered(
            call="unknown_job" if answer.path.endswith(NO_JOB) else answer.call,
            at=datetime.fromisoformat(answer.at).timestamp(),
            status=answer.status or 0,
            headers=answer.headers,
            body=_body(answer),
        )
        for answer in kept
    ]
    if result is not None:
        finished = max((answer.at for answer in answers if answer.call == "status"), default=0.0)
        answers.append(Answered(call="download", at=finished, status=200, headers={}, body=result))
    answers.sort(key=lambda answer: answer.at)
    known = {model.retrain_job_id: "${retrain_job_id}"} if model.retrain_job_id else {}
    made_by, recorded_at = f"retrain-runner {__version__}", stamp(datetime.now(UTC))
    return record(answers, known=known, made_by=made_by, recorded_at=recorded_at)


def _body(answer: KeptAnswer) -> bytes:
    """Return the body of an answer; of a list that could be read it is enough that it could."""
    if answer.call in _LISTS and answer.status == 200:
        return b""
    placeholder = _PLACEHOLDERS.get(answer.call)
    return (answer.body if placeholder is None else _URL.sub(lambda _: placeholder, answer.body)).encode()


def _inspected(model: ModelReport, choice: Choice) -> Inspected | None:
    if model.result is None:
        return None
    try:
        return inspect(InspectRequest(subject=model.name, state=choice.state, manifest=tuple(choice.paths)))
    except RetrainError:
        return None


def _shareable(model: ModelReport, choice: Choice, inspected: Inspected | None) -> bytes | None:
    """Return the result without rows of anybody's data: only members that have metrics keep their content."""
    if inspected is None or model.result is None:
        return None
    telling = {spot.file or "" for spot in inspected.inspection.spots}
    with open_state(partition_of(choice.state, model.name)).blobs.open(model.result.path) as stream:
        content = stream.read()
    if not zipfile.is_zipfile(io.BytesIO(content)) or "" in telling:
        return content if telling else None
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(buffer, "w") as other:
            for member in archive.infolist()[:_MOST_MEMBERS]:
                keep = member.filename in telling and member.file_size <= _LARGEST_MEMBER
                other.writestr(member.filename, archive.read(member) if keep else b"")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError):
        return None
    return buffer.getvalue()


def _lines(manifest: Manifest, model: ModelReport, cassette: Cassette, inspected: Inspected | None) -> tuple[str, ...]:
    """Return lines for the manifest: a status that sounds like the end, and what to say of the result's metrics."""
    lines: list[str] = []
    status = last_status(cassette.exchanges)
    if model.outcome == "training" and status is not None and sounds_finished(status.lower()):
        lines += ["service:", f"  {finished_line(manifest.service.statuses, status.lower())}"]
    found = choices(inspected.inspection) if inspected is not None and not manifest.metrics else []
    searched = inspected is not None and inspected.inspection.now.searched
    if found and (searched or model.unread is not None or "unit:" in found[0].lines):
        lines += found[0].lines.splitlines()
    return tuple(lines)


def _profile_text(profile: Profile) -> bytes:
    """Return the profile as YAML, without what is as in every profile."""
    value = _without(msgspec.to_builtins(profile), msgspec.to_builtins(Profile()))
    plain = msgspec.to_builtins(Rule(call=Call.ANY))
    rules = [{"call": rule["call"], **_without(rule, plain)} for rule in msgspec.to_builtins(profile)["rules"]]
    return yaml.safe_dump({**value, "rules": rules}, allow_unicode=True, sort_keys=False).encode()


def _without(value: Mapping[str, object], plain: Mapping[str, object]) -> dict[str, object]:
    """Return a mapping without the values that are as in another one, also within mappings that both have."""
    return {
        key: _without(part, other) if isinstance(part, dict) and isinstance(other := plain.get(key), dict) else part
        for key, part in value.items()
        if key not in plain or plain[key] != part
    }

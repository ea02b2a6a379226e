"""The checkpoint: the fold of all events up to the end of a run, cut to what is still asked for, in a file.

It spares reading the whole journal. It is derived, may be lost at any time, and is believed only where the journal
vouches for it: the event after its last one is the record of the run's files, and that names its SHA-256. Whoever finds
it missing, changed, of another version or of another journal reads the whole journal instead.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from runner import __version__
from runner.errors import StateError
from runner.journal.chain import START, Link, SharedParts
from runner.journal.events import ReportWritten
from runner.journal.folder import Removal
from runner.journal.forms import Sha256
from runner.journal.model_progress import AcceptedLoss, ModelProgress, packed, unpacked
from runner.journal.progress import Progress, RunRecord, TakenDecision
from runner.journal.state_store import Blobs, EventLog
from runner.lib.atomic_files import read_up_to

Enough = Callable[[Progress], bool]  # whether a progress from a checkpoint has all that a command asks for

File = Literal["checkpoint/a", "checkpoint/b"]

LATEST = "checkpoint/latest"
FILES: tuple[File, File] = ("checkpoint/a", "checkpoint/b")  # written in turn
_FORM = f"2 {__version__}"  # another version may fold otherwise
_LARGEST_MARK = 4096  # bytes
_LARGEST = 2**30
_BLOCK = 200  # models that are decoded at once
_PIECE = 2**20  # bytes


class Mark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which file has the newest checkpoint, its SHA-256, and the event it ends with."""

    form: str
    file: File
    sha256: Sha256
    events: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    head_sha256: Sha256
    lineage: Sha256


class _Model(Struct, frozen=True, array_like=True):
    """A model without what is packed of it, or in few bytes anyway."""

    service: str
    name: str
    progress: ModelProgress


class _Bytes(Struct, frozen=True, array_like=True):
    """What the JSON of a model is without."""

    jobs: bytes
    intents: bytes
    candidates: bytes


class _Block(Struct, frozen=True, array_like=True):
    models: bytes
    of_each: list[_Bytes]


class _Rest(Struct, frozen=True, kw_only=True):
    """All but the models; the mark has the same events, head and lineage."""

    events: int
    head_sha256: str
    lineage: str
    last_at: str | None
    moved_to: str | None
    loss: AcceptedLoss | None
    begun: list[tuple[str, str, int]]
    runs: list[RunRecord]
    earlier_runs: list[str]
    named: list[tuple[str, str, list[str]]]
    removed: dict[str, Removal]
    decisions: dict[str, TakenDecision]
    undone: list[tuple[str, str, str]]


_MARK = msgspec.json.Decoder(Mark)
_REST = msgspec.json.Decoder(_Rest)
_MODELS = msgspec.json.Decoder(list[_Model])
_UNREADABLE = (msgspec.MsgspecError, LookupError, ValueError, zlib.error)
_PARTS = msgspec.msgpack.Decoder(list[memoryview])
_BLOCKS = msgspec.msgpack.Decoder(_Block)


def always(_progress: Progress) -> bool:
    """Ask for nothing that a checkpoint leaves out."""
    return True


def never(_progress: Progress) -> bool:
    """Ask for everything."""
    return False


def free_file(blobs: Blobs) -> File:
    """Return the file beside the one with the newest checkpoint."""
    newest = read_mark(blobs)
    return FILES[newest is not None and newest.file == FILES[0]]


def keep_checkpoint(blobs: Blobs, progress: Progress, file: File | None = None) -> Mark | None:
    """Store the checkpoint beside the newest one, and return what to record of it, or None if it was not stored.

    Nobody believes it before its SHA-256 is recorded and `show_checkpoint` names it. `file` is the free one, if known.
    """
    if progress.head is None or progress.lineage is None:
        return None
    file = file or free_file(blobs)
    try:
        sha256 = blobs.put(file, [msgspec.msgpack.encode(list(_parts(progress)))])
    except OSError:
        return None
    events, head_sha256 = progress.head
    return Mark(form=_FORM, file=file, sha256=sha256, events=events, head_sha256=head_sha256, lineage=progress.lineage)


def show_checkpoint(blobs: Blobs, mark: Mark | None) -> None:
    """Let readers find a checkpoint; None lets them find none."""
    try:
        blobs.put(LATEST, [b"" if mark is None else msgspec.json.encode(mark) + b"\n"])
    except OSError:
        return  # they find the one before, or none


def read_mark(blobs: Blobs) -> Mark | None:
    """Return what is written of the newest checkpoint; nothing of it is believed yet."""
    try:
        with blobs.open(LATEST) as file:
            return _MARK.decode(read_up_to(file, _LARGEST_MARK))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def file_sha256(blobs: Blobs, name: str) -> str | None:
    """Return the SHA-256 of a file of the checkpoint, or None if it cannot be read."""
    try:
        with blobs.open(name) as file:
            sha256 = hashlib.sha256()
            while piece := file.read(_PIECE):
                sha256.update(piece)
            return sha256.hexdigest()
    except OSError:
        return None


def lost_mark(log: EventLog, blobs: Blobs) -> Mark | None:
    """Return the mark of a checkpoint whose last event this very journal does not have any more; else None."""
    mark = read_mark(blobs)
    if mark is None or mark.lineage != log.extent()[1] or log.digest(mark.events) == mark.head_sha256:
        return None
    rest = _rest(blobs, mark)
    told = (rest.events, rest.head_sha256, rest.lineage) if rest is not None else None
    return mark if told == (mark.events, mark.head_sha256, mark.lineage) else None


def _rest(blobs: Blobs, mark: Mark) -> _Rest | None:
    """Return the first part of a checkpoint that is as it was written."""
    content = _content(blobs, mark)
    try:
        return None if content is None else _REST.decode(unpacked(_PARTS.decode(content)[0]))
    except _UNREADABLE:
        return None


def continued(log: EventLog, blobs: Blobs) -> tuple[Progress, Iterator[Link]]:
    """Return the progress at the newest checkpoint that the journal vouches for, and the events after it.

    Without one they are an empty progress and all events. A later event may be about a job that the checkpoint has left
    out; then adding it raises a StateError, and the whole journal is to be read.

    Raises:
        StateError: the journal cannot be read.
    """
    mark = read_mark(blobs)
    if mark is not None and mark.form == _FORM and log.digest(mark.events) == mark.head_sha256:
        tail = log.read((mark.events, mark.head_sha256))
        progress, first = _vouched(tail, blobs, mark)
        if progress is not None:
            return progress, chain(first, tail)
        tail.close()
    return Progress(), log.read()


def read_progress(log: EventLog, blobs: Blobs, enough: Enough = always) -> Progress:
    """Return the progress that the whole journal shows: from the newest checkpoint, if it has all that is asked for.

    Raises:
        StateError: the journal cannot be read, or an event in it cannot be believed.
    """
    progress, links = continued(log, blobs)
    if progress.checkpoint_at is None:
        return _all_added(progress, links)
    try:
        found = _all_added(progress, links)
    except StateError:  # the reading of all events says what is wrong, if anything is
        found = None
    return found if found is not None and enough(found) else _all_added(Progress(), log.read())


def _all_added(progress: Progress, links: Iterator[Link]) -> Progress:
    for link in links:
        progress.add(link)
    return progress


def _vouched(tail: Iterator[Link], blobs: Blobs, mark: Mark) -> tuple[Progress | None, tuple[Link, ...]]:
    """Return the progress in a checkpoint and the event that names its SHA-256; nothing is read where none does."""
    try:
        first = next(tail, None)
    except StateError:
        return None, ()
    fact = first.event.fact if first is not None else None
    if first is None or not isinstance(fact, ReportWritten) or fact.checkpoint != mark.sha256:
        return None, ()
    return stored_progress(blobs, mark), (first,)


def _parts(progress: Progress) -> Iterator[bytes]:
    events, head_sha256 = progress.head or START
    rest = _Rest(
        events=events,
        head_sha256=head_sha256,
        lineage=progress.lineage or "",
        last_at=progress.last_at,
        moved_to=progress.moved_to,
        loss=progress.loss,
        begun=[(service, name, number) for (service, name), number in progress.begun.items()],
        runs=list(progress.runs.values()),
        earlier_runs=sorted(progress.earlier_runs),
        named=[(service, name, sorted(jobs)) for (service, name), jobs in progress.named.items()],
        removed=progress.removed,
        decisions=progress.decisions,
        undone=[(run_id, name, decision_id) for (run_id, name), decision_id in progress.undone.items()],
    )
    yield packed(rest)
    models = iter(progress.models.items())
    while block := list(islice(models, _BLOCK)):
        yield msgspec.msgpack.encode(_block(block))


def _block(models: list[tuple[tuple[str, str], ModelProgress]]) -> _Block:
    told, of_each = list[_Model](), list[_Bytes]()
    for (service, name), model in models:
        small = model.packed()
        of_each.append(_Bytes(small.packed_jobs, small.intents.earlier, small.candidates))
        rest = replace(small, packed_jobs=b"", intents=replace(small.intents, earlier=b""), candidates=b"")
        told.append(_Model(service, name, rest))
    return _Block(packed(told), of_each)


def _models(part: memoryview) -> Iterator[_Model]:
    block = _BLOCKS.decode(part)
    for model, more in zip(_MODELS.decode(unpacked(block.models)), block.of_each, strict=True):
        progress = model.progress
        progress.packed_jobs, progress.intents.earlier, progress.candidates = more.jobs, more.intents, more.candidates
        yield model


def stored_progress(blobs: Blobs, mark: Mark) -> Progress | None:
    """Return the progress in a checkpoint, or None if it is not as it was written."""
    content = _content(blobs, mark)
    if content is None:
        return None
    try:
        rest, *blocks = _PARTS.decode(content)
        return _progress(mark, _REST.decode(unpacked(rest)), map(_models, blocks))
    except _UNREADABLE:
        return None


def _content(blobs: Blobs, mark: Mark) -> bytes | None:
    try:
        with blobs.open(mark.file) as file:
            content = read_up_to(file, _LARGEST)
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == mark.sha256 else None


def _progress(mark: Mark, rest: _Rest, blocks: Iterator[Iterator[_Model]]) -> Progress:
    progress, parts = Progress(), SharedParts()
    for model in chain.from_iterable(blocks):
        progress.models[model.service, model.name] = model.progress
        for job in model.progress.recent.values():
            if job.decided is not None:
                parts.share(job.decided.fact)
    progress.runs = {run.run_id: run for run in rest.runs}
    progress.removed, progress.decisions = rest.removed, rest.decisions
    progress.undone = {(run_id, name): decision_id for run_id, name, decision_id in rest.undone}
    progress.begun.update({(service, name): number for service, name, number in rest.begun})
    progress.lineage, progress.loss, progress.last_at = mark.lineage, rest.loss, rest.last_at
    progress.moved_to = rest.moved_to
    progress.head, progress.checkpoint_at = (mark.events, mark.head_sha256), mark.events
    progress.earlier_runs = frozenset(rest.earlier_runs)
    progress.named = {(service, name): frozenset(jobs) for service, name, jobs in rest.named}
    return progress

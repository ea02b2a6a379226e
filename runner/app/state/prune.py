"""Removes stored results that nothing needs any more: recorded first, by name and digest, then removed.

A kill in between leaves files that are recorded as removed; the next prune removes them.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from runner.app.provenance import new_run_id
from runner.app.state.open_state import open_state
from runner.app.state.read_state import each_reading
from runner.app.state.session import Partition, Session, session
from runner.errors import StateError
from runner.execute.evaluation import blob_sha256
from runner.execute.model_run import Recorder
from runner.execute.progress_events import Listener, unheard
from runner.journal.chain import Link
from runner.journal.checkpoint import never
from runner.journal.events import Draft, PrunedFile, ResultsPruned
from runner.journal.folder import StateFolder, StoredFile
from runner.journal.lock import current_user
from runner.journal.progress import Progress
from runner.journal.state_store import Blobs, StateStore
from runner.lib.parallel import map_in_threads
from runner.lib.timestamps import stamp
from runner.plan.eligibility import Keep, Place, needed_paths, prunable

Found = Literal["same", "other", "none"]
_LINK = errno.ELOOP  # what O_NOFOLLOW makes of a link
_FOLDERS = 2  # above a result: its model's folder, and `results`


@contextmanager
def _opened(folder: StateFolder, parts: tuple[str, ...]) -> Iterator[int]:
    """Give a handle of a folder below the state's, each step of it a real folder."""
    handle = os.open(folder.root, os.O_RDONLY | os.O_DIRECTORY)  # that one may be a link: the operator named it
    try:
        for name in parts:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def look_at(folder: StateFolder, file: PrunedFile) -> Found:
    """Return whether the recorded file is there, something else does, or nothing.

    Raises:
        OSError: it cannot be read.
    """
    *above, name = PurePosixPath(file.path).parts
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with _opened(folder, tuple(above)) as handle, open(os.open(name, flags, dir_fd=handle), "rb") as stream:  # noqa: PTH123 -- a handle, no path
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return "other"
            return "same" if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256 else "other"
    except (FileNotFoundError, NotADirectoryError):
        return "none" if not os.path.lexists(folder.root / file.path) else "other"
    except OSError as error:
        if error.errno == _LINK:
            return "other"
        raise


def remove(folder: StateFolder, file: PrunedFile) -> None:
    """Remove a file, and the folders of results that it leaves empty.

    Raises:
        OSError: it cannot be removed.
    """
    *above, name = PurePosixPath(file.path).parts
    with _opened(folder, tuple(above)) as handle:
        os.unlink(name, dir_fd=handle)
    for _ in range(_FOLDERS):
        inner = above.pop()
        with suppress(OSError), _opened(folder, tuple(above)) as handle:  # it holds other files
            os.rmdir(inner, dir_fd=handle)


class Results(Protocol):
    """The stored results of a state, by their paths."""

    @property
    def threads(self) -> int:
        """Return how many files are looked at or removed side by side."""

    def shown(self, path: str) -> str:
        """Return how messages name a result."""

    def there(self, files: Sequence[PrunedFile]) -> list[PrunedFile]:
        """Return those at whose path anything exists; raises OSError if that is unknown."""

    def look_at(self, file: PrunedFile) -> Found:
        """Return whether the recorded file is there, something else is, or nothing; raises OSError as `there`."""

    def remove(self, file: PrunedFile) -> None:
        """Remove a file; raises OSError where it cannot be."""


class FolderResults(Struct, frozen=True):
    """Results in a state folder, reached without following a link."""

    folder: StateFolder
    threads: int = 1

    def shown(self, path: str) -> str:
        """Return the path of the file."""
        return str(self.folder.root / path)

    def there(self, files: Sequence[PrunedFile]) -> list[PrunedFile]:
        """Look for each."""
        return [file for file in files if (self.folder.root / file.path).exists()]

    def look_at(self, file: PrunedFile) -> Found:
        """Read it."""
        return look_at(self.folder, file)

    def remove(self, file: PrunedFile) -> None:
        """Remove it, and the folders that it leaves empty."""
        remove(self.folder, file)


class StoredResults(Struct, frozen=True):
    """Results in an object store or a database."""

    blobs: Blobs
    threads: int = 8

    def shown(self, path: str) -> str:
        """Return the address of the file."""
        return self.blobs.shown(path)

    def there(self, files: Sequence[PrunedFile]) -> list[PrunedFile]:
        """List all files of runs once."""
        names = set(self.blobs.names("runs")) if files else set()
        return [file for file in files if file.path in names]

    def look_at(self, file: PrunedFile) -> Found:
        """Read it."""
        try:
            return "same" if blob_sha256(self.blobs, file.path) == file.sha256 else "other"
        except FileNotFoundError:
            return "none"

    def remove(self, file: PrunedFile) -> None:
        """Remove it."""
        self.blobs.remove(file.path)


def results_of(state: StateStore) -> Results:
    """Return the stored results of a state."""
    return StoredResults(state.blobs) if state.folder is None else FolderResults(state.folder)


_FILES_OF_AN_EVENT = 500


class Pruning(Struct, frozen=True, kw_only=True):
    """What is or would be removed, what earlier prunes recorded and left there, and why other files are left alone.

    `partition` is the address of the one it is about, where the state has several.
    """

    partition: str | None = None
    files: tuple[PrunedFile, ...] = ()
    left_over: tuple[PrunedFile, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Return the size of all that is removed."""
        return sum(file.bytes for file in (*self.files, *self.left_over))

    @property
    def count(self) -> int:
        """Return the number of files that are removed."""
        return len(self.files) + len(self.left_over)


class PruneRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain prune --results`.

    `agreed` is what a person was shown, or None if nothing was shown.
    """

    keep: Keep
    state: str
    lock_timeout: timedelta = timedelta(0)
    listener: Listener = unheard
    agreed: Sequence[Pruning] | None = None


def propose_prune(request: PruneRequest) -> list[Pruning]:
    """Return what would be removed of each partition that has a run, by the names alone; no lock is needed.

    Raises:
        UsageError: there is no journal.
        StateError: it is foreign or damaged, or the files cannot be listed.
    """
    return [_proposed(place, links, request) for place, links in each_reading(request.state)]


def _proposed(place: StateStore, links: Iterable[Link], request: PruneRequest) -> Pruning:
    progress, results = Progress(links), results_of(place)
    chosen = [_file(result) for result in prunable(progress, request.keep, datetime.now(UTC))]
    with _listed(results):
        return Pruning(
            partition=_partition(place, request),
            files=tuple(results.there(chosen)),
            left_over=_left_over(results, progress),
        )


def _partition(place: StateStore, request: PruneRequest) -> str | None:
    return None if place.address == open_state(request.state).address else place.address


@contextmanager
def _listed(results: Results) -> Iterator[None]:
    """Make a StateError of trouble with a listing; one with a single file leaves that file alone."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The files in {results.shown('runs')} cannot be listed: {error.strerror or error}.",
            hint="Nothing was removed. Check the network and the credentials, then run the command again.",
        ) from error


def prune(request: PruneRequest, partitions: Iterable[str | None] = (None,)) -> list[Pruning]:
    """Record what is removed of these partitions, and remove it; nothing is before all of them are held.

    Raises:
        LockedError: a run holds one of them.
        StateError: one cannot be read or written.
    """
    run_id, why = new_run_id(datetime.now(UTC)), f"{request.keep} (retrain prune)"
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(
                session(
                    request.state,
                    lock_timeout=request.lock_timeout,
                    listener=request.listener,
                    enough=never,
                    partition=Partition(address=part or request.state, run_id=run_id),
                )
            )
            for part in partitions
        ]
        return [
            replace(
                _carry_out(results_of(opened.state), opened.recorder, _wanted(opened, request), why),
                partition=_partition(opened.state, request),
            )
            for opened in sessions
        ]


def _wanted(opened: Session, request: PruneRequest) -> list[StoredFile]:
    chosen, here = prunable(opened.progress, request.keep, opened.clock.now()), _partition(opened.state, request)
    if request.agreed is None:
        return chosen
    agreed = {file.path for shown in request.agreed if shown.partition == here for file in shown.files}
    return [file for file in chosen if file.fact.path in agreed]


def prune_after_run(results: Results, recorder: Recorder, age: timedelta, models: Collection[Place]) -> Pruning:
    """Do the same at the end of a run, with the results of the run's models that are older than `limits.keep`.

    Raises:
        StateError: the journal cannot be written.
    """
    keep = Keep(age=age)
    chosen = prunable(recorder.progress, keep, recorder.clock.now(), models=models)
    return _carry_out(results, recorder, chosen, f"{keep} (limits.keep)")


def _carry_out(results: Results, recorder: Recorder, chosen: Iterable[StoredFile], why: str) -> Pruning:
    with _listed(results):
        left_over = _left_over(results, recorder.progress)
    wanted = [_file(stored) for stored in chosen]
    files, refused = list[PrunedFile](), list[str]()
    for file, trouble in zip(wanted, _troubles(results, wanted), strict=True):
        if trouble is None:
            files.append(file)
        else:
            refused.append(f"{results.shown(file.path)} {trouble}")
    _record(recorder, files, why)
    going = (*left_over, *files)
    refused += filter(None, map_in_threads(lambda file: _removed(results, file), going, results.threads))
    return Pruning(files=tuple(files), left_over=left_over, refused=tuple(refused))


def _file(stored: StoredFile) -> PrunedFile:
    fact = stored.fact
    return PrunedFile(path=fact.path, sha256=fact.sha256, bytes=fact.bytes, retrain_job_id=fact.retrain_job_id)


def _left_over(results: Results, progress: Progress) -> tuple[PrunedFile, ...]:
    """Return what is recorded as removed, was stored by a run, and is still the recorded file."""
    needed, recorded = needed_paths(progress), list[PrunedFile]()
    for path, removal in progress.removed.items():
        stored = progress.results.get(path)
        if path not in needed and stored is not None and stored.fact.sha256 == removal.file.sha256:
            recorded.append(removal.file)
    found = results.there(recorded)
    return tuple(file for file, trouble in zip(found, _troubles(results, found), strict=True) if trouble is None)


def _troubles(results: Results, files: Sequence[PrunedFile]) -> list[str | None]:
    """Return why files are left alone: what is not there, or is another, must stay to be found by `verify`."""
    return map_in_threads(lambda file: _trouble(results, file), files, results.threads)


def _trouble(results: Results, file: PrunedFile) -> str | None:
    try:
        found = results.look_at(file)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return {"same": None, "none": "is gone", "other": "is not the file that the journal recorded"}[found]


def _record(recorder: Recorder, files: Sequence[PrunedFile], why: str) -> None:
    at, by = stamp(recorder.clock.now()), current_user()
    parts = [tuple(files[first : first + _FILES_OF_AN_EVENT]) for first in range(0, len(files), _FILES_OF_AN_EVENT)]
    facts = [ResultsPruned(files=part, by=by, why=why) for part in parts]
    if facts:
        recorder.append([Draft(at=at, run_id=recorder.run_id, model=None, fact=fact) for fact in facts])


def _removed(results: Results, file: PrunedFile) -> str | None:
    """Remove a file, and return why it could not be."""
    try:
        results.remove(file)
    except OSError as error:
        return f"{results.shown(file.path)} cannot be removed: {error.strerror or error}"
    return None


def refusal(refused: Sequence[str], option: str) -> StateError:
    """Return the error that tells which files were left alone; `option` names the state in commands."""
    more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    return StateError(
        f"{refused[0]}{more}, so it was not removed.",
        hint=f"`retrain verify{option}` shows what does not hold; the next prune removes what can be.",
    )

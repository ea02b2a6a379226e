"""Where a journal ends, noted beside it and outside of the state folder, so that an older journal is recognised.

A note is written after each commit, so it never knows more than the journal did: where it does, events are missing. A
kill between commit and note leaves it one commit behind, which the next start makes good. It is one sector, written in
place: neither a rename nor a sync is needed, as a note that a power cut took back is only older.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from runner.errors import StateError
from runner.journal.chain import GENESIS, Link
from runner.journal.events import EMULATOR, LossAccepted, RunStarted
from runner.journal.folder import StateFolder
from runner.lib.atomic_files import FILE_MODE, make_folder, sync_folder

_BYTES = 512  # one sector of a disk: a power cut leaves the old note or the new one
_LONGEST = 64  # characters of a run id that are noted; a made-up journal may have any
_LONGEST_TIME = 40


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a journal ended: `sha256` of event number `events`, which run `run_id` wrote at `at`; its first event.

    A journal without events has 0, the digest of nothing, and no lineage.
    """

    events: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    lineage: str = ""
    run_id: str = ""
    at: str = ""


EMPTY = Head(events=0, sha256=GENESIS)
_DECODER = msgspec.json.Decoder(Head)


class HeadFile:
    """One note of a journal's end. Notes are written through one open file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def read(self) -> Head | None:
        """Return the note, or None if there is none yet: a full disk or a kill leaves the first one empty.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a note.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            _require_regular(handle)
            content = os.pread(handle, _BYTES + 1, 0)
            return _DECODER.decode(content) if content else None
        finally:
            os.close(handle)

    def write(self, head: Head) -> None:
        """Note an end; raises OSError where it cannot be written."""
        if self._handle is None:
            self._handle = _opened(self.path)
        os.pwrite(self._handle, _note(head), 0)

    def settle(self, head: Head) -> None:
        """Note an end durably; raises OSError where it cannot be written."""
        self.write(head)
        if self._handle is not None:
            os.fsync(self._handle)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _opened(path: Path) -> int:
    """Open a note for writing, and only where it is a file of its own: through a link another file would be written."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, FILE_MODE)
    try:
        _require_regular(handle)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _require_regular(handle: int) -> None:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(errno.EINVAL, "it is not a regular file without other links")


def _note(head: Head) -> bytes:
    return msgspec.json.encode(head).ljust(_BYTES - 1) + b"\n"


class Heads:
    """The notes of one state's journal: beside it, and for its user outside of the state folder.

    What only the emulator did is noted beside the journal alone, so that a rehearsal on a copy of a state does not make
    the state itself the older one.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._beside = HeadFile(folder.head)
        self._outside: HeadFile | None = None
        self._emulator = True

    def settle(self, head: Head) -> None:
        """Begin to note: the note beside the journal is where the journal is.

        Raises:
            StateError: it cannot be written.
        """
        try:
            if self._beside.read() != head:
                self._beside.settle(head)
        except (OSError, ValueError) as error:
            raise StateError(
                f"{self._folder.head} cannot be written: {getattr(error, 'strerror', None) or error}.",
                hint="Check the disk's space and the file's permissions, then run the command again.",
            ) from error

    def note(self, head: Head, links: Sequence[Link]) -> None:
        """Note the end after a commit. Where that fails, the notes are older than the journal, which is not a harm."""
        for link in links:
            fact = link.event.fact
            if isinstance(fact, RunStarted):
                self._emulator = fact.service == EMULATOR
            elif isinstance(fact, LossAccepted):
                self._emulator = False  # what was noted before would tell of the loss forever
        with suppress(OSError):
            self._beside.write(head)
        if not self._emulator:
            self._note_outside(head)

    def _note_outside(self, head: Head) -> None:
        if self._outside is None:
            place = outside(head.lineage)
            if place is None:
                return
            with suppress(OSError):
                make_folder(place.parent)
            self._outside = HeadFile(place)
        with suppress(OSError):
            self._outside.write(head)

    def close(self) -> None:
        """Close the files."""
        self._beside.close()
        if self._outside is not None:
            self._outside.close()


def outside(lineage: str) -> Path | None:
    """Return the path of the user's own note of a journal, or None if the environment names no place for it."""
    named, home = os.environ.get("XDG_STATE_HOME", ""), os.environ.get("HOME", "")
    root = Path(named) if Path(named).is_absolute() else Path(home) / ".local" / "state"
    return root / "retrain" / "heads" / lineage if root.is_absolute() and lineage else None


def require_writable(lineage: str) -> None:
    """Raise a StateError where the user's own note of a journal is there and cannot be written."""
    place = outside(lineage)
    if place is None or not os.path.lexists(place):
        return
    try:
        os.close(_opened(place))
    except OSError as error:
        raise StateError(
            f"{place} cannot be written: {error.strerror}. It may tell of the loss again at every start.",
            hint="Correct its permissions or remove it, then run the command again.",
        ) from error


def head_of(last: Link | None, lineage: str) -> Head:
    """Return the note about a journal whose last event this is."""
    if last is None:
        return EMPTY
    event = last.event
    run_id, at = _short(event.run_id, _LONGEST), _short(event.at, _LONGEST_TIME)
    return Head(events=event.seq, sha256=last.sha256, lineage=lineage, run_id=run_id, at=at)


def _short(text: str, longest: int) -> str:
    """Return the text where a note has room for it, else nothing."""
    return text if len(text) <= longest and text.isascii() and text.isprintable() else ""

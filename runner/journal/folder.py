"""The state folder: what is where, and whether a journal may be begun in it."""

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from runner.errors import StateError, UsageError
from runner.journal.events import Event, PrunedFile, ResultDownloaded, ResultsPruned
from runner.journal.forms import is_run_id
from runner.journal.partitions import FOLDER, LARGEST_FORMAT, Format, divided, part_name, read_format
from runner.lib.atomic_files import (
    make_folder,
    open_file,
    read_up_to,
    real_files,
    real_folder,
    real_folders,
    remove_flat,
)
from runner.lib.timestamps import moment

ANSWERS = "answers.jsonl"  # what the service said, in a run's folder; it proves nothing and is in no record
PROFILE, CASSETTE = "profile.yaml", "cassette.zip"  # the same as others can play it, after `retrain doctor --train`
UNRECORDED = (ANSWERS, PROFILE, CASSETTE)
RUN_FILES = ("report.json", "report.md", "report.html", "journal.jsonl", "attestation.dsse.json", *UNRECORDED)
CHECKPOINT_FILES = ("latest", "a", "b")  # in the folder of the checkpoint
BESIDE_JOURNAL = ("-journal", "-wal", "-shm")  # what SQLite puts beside a database
_DOWNLOAD = "result.download"
_UPLOAD = re.compile(r"upload-[0-9a-z_]{8}")  # a folder below a run's part of the spool
_INBOX = re.compile(  # a decision that waits, the claim on it, or what a killed command left beside one of them
    r"\.?[0-9]{8}T[0-9]{6}Z-[0-9a-f]{32}\.(json|claim)(\.retrain-[0-9a-z_]{8})?"
)
_HALF = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}")  # what a killed writer leaves beside the file `name`


def require_real(folders: Collection[Path], files: Collection[Path]) -> None:
    """Refuse what is there under these names and is not a folder or a file of its own.

    Raises:
        StateError: it is a link, or something else; the message names it.
    """
    for path, fits in (*((folder, stat.S_ISDIR) for folder in folders), *((file, stat.S_ISREG) for file in files)):
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if not fits(mode):
            wanted = "folder" if fits is stat.S_ISDIR else "file"
            raise StateError(
                f"{path} is {_kind(mode)}, not a {wanted} of the state.",
                hint="Nothing was read or written there. Remove it if it is not yours, or give another --state.",
            )


def is_half(name: str, files: Collection[str]) -> bool:
    """Return whether a killed writer leaves a file of this name beside one of these files."""
    found = _HALF.fullmatch(name)
    return found is not None and found["name"] in files


def is_inbox_name(name: str) -> bool:
    """Return whether a file of this name belongs in the inbox."""
    return _INBOX.fullmatch(name) is not None


def is_partial_download(name: str) -> bool:
    """Return whether a file of this name is a result that was not downloaded whole."""
    return name == _DOWNLOAD or is_half(name, (_DOWNLOAD,))


def is_upload_folder(name: str) -> bool:
    """Return whether what is packed for one upload is in a folder of this name."""
    return _UPLOAD.fullmatch(name) is not None


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "a special file"


class StoredFile(Struct, frozen=True, kw_only=True):
    """A result as it was stored: when, by which run, for which model under its name at that time.

    Its path is where that run stores that model's result: an event with another one is refused.
    """

    fact: ResultDownloaded
    at: datetime
    run_id: str
    service: str
    model: str


class Removal(Struct, frozen=True, kw_only=True):
    """The record that a result is removed: the number of its event, and what that says."""

    seq: int
    at: datetime
    by: str
    why: str
    file: PrunedFile

    @property
    def told(self) -> str:
        """Return what happened to the file, to follow its name."""
        return f"was removed by prune on {self.at:%Y-%m-%d} (sha256 {self.file.sha256[:12]})"


def stored(event: Event, fact: ResultDownloaded, service: str) -> StoredFile:
    """Return the file that an event says was stored."""
    return StoredFile(fact=fact, at=moment(event.at), run_id=event.run_id, service=service, model=event.model or "")


def removals(event: Event, fact: ResultsPruned) -> dict[str, Removal]:
    """Return the records of an event by path."""
    at = moment(event.at)
    return {file.path: Removal(seq=event.seq, at=at, by=fact.by, why=fact.why, file=file) for file in fact.files}


def removal_of(removed: Mapping[str, Removal], result: ResultDownloaded) -> Removal | None:
    """Return the record that this very file is removed; one about other bytes at its path is none."""
    found = removed.get(result.path)
    return found if found is not None and found.file.sha256 == result.sha256 else None


FORMAT = 1  # of `format.json`
RESULTS = "results"  # in the folder of a run
_BESIDE_LATEST = ".latest."
_LONGEST_ADDRESS = 2000  # bytes


class StateFolder:
    """`.retrain/` or the folder given with `--state`; nothing is created before something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = root / "journal.sqlite3"
        self.head = root / "journal.head"
        self.format = root / "format.json"  # where there are several journals, below `parts`
        self.parts = root / FOLDER
        self.lock = root / "lock"
        self.holder = root / "lock.json"
        self.origin = root / "copy-of"  # in a copy: the address of the state that it was pulled from
        self.runs = root / "runs"
        self.lost = root / "lost"  # what runs left that an accepted loss took from the journal
        self.inbox = root / "inbox"  # what people decided while a run held the state
        self.checkpoint = root / "checkpoint"  # what is derived from the journal, and may be lost
        self.spool = root / "spool"
        self.emulator = root / "emulator"
        self.latest = self.runs / "latest"
        self.internal_errors = root / "internal-errors"

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all that is directly in the folder."""
        beside = self.journal.with_name(f"{self.journal.name}-journal")
        return frozenset(folder.name for folder in (*self._folders, *self._files, self.head, beside))

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (self.runs, self.lost, self.inbox, self.checkpoint, self.spool, self.emulator, self.internal_errors)

    @property
    def _files(self) -> tuple[Path, ...]:
        return (
            self.journal,
            self.lock,
            self.holder,
            self.origin,
        )  # how a spoilt note of the end is mended says who reads it

    @property
    def partitions(self) -> int:
        """Return the number of partitions; 1 without `format.json`. Raises as `read_format`."""
        found = self.read_format()
        return 1 if found is None else found.partitions

    def read_format(self) -> Format | None:
        """Return what `format.json` says, which only a state with partitions and each of them have.

        Raises:
            StateError: it is not one, a link, or cannot be read.
        """
        require_real((self.parts,), (self.format,))
        try:
            with open_file(self.format) as file:
                content = read_up_to(file, LARGEST_FORMAT)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StateError(
                f"{self.format} cannot be read: {error.strerror}.", hint="Correct its permissions, or what it is."
            ) from error
        return read_format(content, FORMAT, str(self.format))

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of one run's files."""
        return self.runs / run_id

    def may_begin(self) -> bool:
        """Return whether a journal may be begun here: only where no run has left anything.

        A missing journal beside the files of earlier runs, or beside the note of where it ended, would read as "nothing
        was ever started".
        """
        left = self.head.exists() or (self.runs.is_dir() and any(self.runs.iterdir()))
        return not self.journal.exists() and not left

    def require_real(self) -> None:
        """Raise a StateError when a link or something else is in the place of a file or folder of ours."""
        beside = [self.journal.with_name(f"{self.journal.name}{ending}") for ending in BESIDE_JOURNAL]
        require_real(self._folders, (*self._files, *beside))

    def require_journal(self) -> None:
        """Raise a StateError when the journal is gone but its runs are not, or the folder has several or none."""
        if self.root.exists() and not self.root.is_dir():
            raise StateError(f"{self.root} is a file, not a state folder.", hint="Give a folder with --state.")
        self.require_real()
        if (partitions := self.partitions) > 1:
            raise divided(str(self.root), partitions, str(self.parts / part_name(0)))
        if not self.journal.exists() and self.parts.is_dir() and any(self.parts.iterdir()):
            raise StateError(
                f"{self.root} has partitions, and {self.format.name}, which says how many, is gone.",
                hint=f"Restore {self.format} from a copy. Where `retrain state init` was interrupted, run it again.",
            )
        if not self.journal.exists() and not self.may_begin():
            raise StateError(
                f"{self.root} holds what earlier runs left but no journal, so nobody can tell what was started.",
                hint="Restore journal.sqlite3 from a copy, or give another folder with --state to start again; "
                "a loss can only be accepted where a journal is left.",
            )

    def copied_from(self) -> str | None:
        """Return the address of the state that this is a copy of, or None if it is not a copy.

        Raises:
            StateError: the note of it cannot be read.
        """
        try:
            with open_file(self.origin) as file:
                return read_up_to(file, _LONGEST_ADDRESS).decode(errors="replace").strip() or "another state"
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(
                f"{self.origin} cannot be read: {error.strerror}.", hint="It says whether this is a copy of a state."
            ) from error

    def become_its_own(self) -> None:
        """Be no copy of another state any more."""
        self.origin.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Create the folder, readable by its owner only.

        Raises:
            StateError: it cannot be created.
        """
        try:
            make_folder(self.root)
        except OSError as error:
            raise StateError(
                f"The state folder {self.root} cannot be created: {error.strerror}.",
                hint="Give a folder you may write to with --state or RETRAIN_STATE.",
            ) from error

    def make(self, *names: str) -> Path:
        """Return a folder below this one, made where it is missing, each part of it a folder and no link.

        Raises:
            StateError: it cannot be made.
        """
        try:
            return real_folder(self.root, *names)
        except OSError as error:
            raise StateError(
                f"The folder {self.root.joinpath(*names)} cannot be made: {error.strerror}.",
                hint="Make room, correct the permissions, or remove what is in its place, then run again.",
            ) from error

    def clear_leftovers(self, run_ids: Iterable[str]) -> None:
        """Remove what killed writers left beside their files, also in these runs' folders. The lock must be held.

        Only files that this program makes are removed, by their names, and nothing behind a link.
        """
        found = [path for path in real_files(self.root) if is_half(path.name, (self.holder.name, self.lock.name))]
        found += (path for path in real_files(self.checkpoint) if is_half(path.name, CHECKPOINT_FILES))
        found += self.runs.glob(f"{_BESIDE_LATEST}*")
        for run_id in run_ids:
            folder = self.run_folder(run_id)
            found += (path for path in real_files(folder) if is_half(path.name, RUN_FILES))
            for results in real_folders(folder / RESULTS):
                found += (path for path in real_files(results) if is_partial_download(path.name))
        for path in found:
            with suppress(OSError):  # what cannot be removed is in nobody's way
                path.unlink()

    def clear_spool(self, run_id: str | None = None) -> None:
        """Remove what a run packed for its uploads, or what every run did; a run that slept keeps its own part."""
        for part in real_folders(self.spool):
            if is_run_id(part.name) and run_id in (None, part.name):
                for upload in real_folders(part):
                    if is_upload_folder(upload.name):
                        remove_flat(upload)
                with suppress(OSError):  # it holds what is not ours
                    part.rmdir()
        with suppress(OSError):
            self.spool.rmdir()

    def clear_copies(self, run_id: str) -> None:
        """Remove what other runs downloaded here, where the state itself has it: results, and what the service said."""
        for run in real_folders(self.runs):
            if is_run_id(run.name) and run.name != run_id:
                for results in real_folders(run / RESULTS):
                    remove_flat(results)
                for left in (path for path in real_files(run) if path.name == ANSWERS):
                    left.unlink(missing_ok=True)
                for folder in (run / RESULTS, run):
                    with suppress(OSError):  # it is not there, or holds what a person asked for
                        folder.rmdir()

    def point_latest(self, run_id: str) -> None:
        """Make `runs/latest` point at the run's folder, in one step."""
        beside = self.runs / f"{_BESIDE_LATEST}{os.getpid()}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(run_id)
        beside.replace(self.latest)


def state_folder(url: str) -> StateFolder:
    """Return the state folder of a `--state` value: a path or a `file://` URL.

    Raises:
        UsageError: another kind of URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return StateFolder(Path(unquote(parts.path)))
    if "://" in url:
        raise UsageError(
            f"A state at {parts.scheme}:// is not available yet.", hint="Give a folder, for example --state .retrain."
        )
    return StateFolder(Path(url))

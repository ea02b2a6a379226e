"""What is stored beside the journal: files of a run by name and digest, and what a state folder may hold."""

import re
import stat
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from runner.errors import StateError
from runner.journal.events import Event, PrunedFile, ResultDownloaded, ResultsPruned
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

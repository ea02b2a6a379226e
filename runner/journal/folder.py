"""The state folder: what lies where, and whether a journal may be begun in it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runner.durable import make_folder
from runner.errors import StateError, UsageError

DEFAULT = ".retrain"
_BESIDE_LATEST = ".latest."


class StateFolder:
    """`.retrain/` or the folder given with `--state`; nothing is created before something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = root / "journal.sqlite3"
        self.head = root / "journal.head"
        self.lock = root / "lock"
        self.holder = root / "lock.json"
        self.runs = root / "runs"
        self.lost = root / "lost"  # what runs left that an accepted loss took from the journal
        self.spool = root / "spool"
        self.emulator = root / "emulator"
        self.internal_errors = root / "internal-errors"

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of one run's files."""
        return self.runs / run_id

    def may_begin(self) -> bool:
        """Tell whether a journal may be begun here: only where no run has left anything.

        A missing journal beside the files of earlier runs, or beside the note of where it ended, would read as "nothing
        was ever started".
        """
        left = self.head.exists() or (self.runs.is_dir() and any(self.runs.iterdir()))
        return not self.journal.exists() and not left

    def require_journal(self) -> None:
        """Raise a StateError when the journal is gone but its runs are not, or the folder is none."""
        if self.root.exists() and not self.root.is_dir():
            raise StateError(f"{self.root} is a file, not a state folder.", hint="Give a folder with --state.")
        if not self.journal.exists() and not self.may_begin():
            raise StateError(
                f"{self.root} holds what earlier runs left but no journal, so nobody can tell what was started.",
                hint="Restore journal.sqlite3 from a copy, or give another folder with --state to begin anew.",
            )

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

    def clear_leftovers(self, run_ids: Iterable[str]) -> None:
        """Remove what killed writers left beside their files, also in these runs' folders. The lock must be held."""
        found = [*self.root.glob(f".{self.holder.name}.*"), *self.runs.glob(f"{_BESIDE_LATEST}*")]
        for run_id in run_ids:
            folder = self.run_folder(run_id)
            found += [*folder.rglob(".*"), *folder.rglob("*.download")]
        for path in found:
            with suppress(OSError):  # what cannot be removed is in nobody's way
                path.unlink()

    def point_latest(self, run_id: str) -> None:
        """Make `runs/latest` point at the run's folder, in one step."""
        beside = self.runs / f"{_BESIDE_LATEST}{os.getpid()}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(run_id)
        beside.replace(self.runs / "latest")


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

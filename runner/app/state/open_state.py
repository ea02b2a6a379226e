"""Chooses where the state is kept, by the scheme of its address. This is the only place that knows all stores."""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from runner.errors import StateError
from runner.http.objects.address import SCHEMES as BUCKETS
from runner.journal.folder import StateFolder, state_folder
from runner.journal.folder_store import FolderStore
from runner.journal.postgres_address import SCHEMES as DATABASES
from runner.journal.postgres_address import is_postgres_address
from runner.journal.state_store import StateStore
from runner.lib.paths import numbered_user, owner_of


def _folder(address: str) -> FolderStore:
    return FolderStore(state_folder(address))


def _elsewhere(address: str) -> StateStore:
    return _store(address, os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME"))


@lru_cache(maxsize=256)
def _store(address: str, *_cache: str | None) -> StateStore:
    """Return the store: a command asks for it several times, and what it says of itself is fetched once."""
    if is_postgres_address(address):
        from runner.journal.postgres_store import PostgresStore  # noqa: PLC0415 -- only states there need it

        return PostgresStore(address)
    from runner.journal.object_store import ObjectStore  # noqa: PLC0415 -- only states there need it

    return ObjectStore(address)


STORES: dict[str, Callable[[str], StateStore]] = {  # by scheme
    "file": _folder,
    **dict.fromkeys((*BUCKETS, *DATABASES), _elsewhere),
}


def open_state(address: str) -> StateStore:
    """Return the store of a `--state` value; an address without a known scheme is a folder's path.

    Raises:
        UsageError: the kind of store is unknown.
    """
    scheme = address.partition("://")[0].lower() if "://" in address else "file"
    return STORES.get(scheme, _folder)(address)


def in_bucket(address: str) -> bool:
    """Return whether the state is in an object store, where each step is a request that takes long."""
    return address.partition("://")[0].lower() in BUCKETS


def local_state(address: str) -> StateFolder | None:
    """Return the folder of a `--state` value, or None if the state is elsewhere.

    Raises:
        UsageError: the kind of store is unknown.
    """
    return open_state(address).folder


# Whose a state folder is: one that git tracks, that another user owns or that others may write is not believed.
# Whoever writes the journal says what was trained and what is in service. What came with a checkout was written by
# whoever could commit there.

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ACCEPT = "To use it as it is, give --trust-state or set RETRAIN_TRUST_STATE=1."


def require_trusted(state: str, *, accepted: bool) -> None:
    """Refuse a state that somebody else may have written, unless the operator accepts it.

    Raises:
        StateError: git tracks a file of it, another user owns it, or others may write it.
    """
    folder = local_state(state)
    if folder is None:
        return  # who may write it is what its own credentials say
    if not os.path.lexists(folder.root):
        return
    if accepted:
        _require_readable(folder)
        return
    if folder.root.is_symlink():
        raise StateError(
            f"The state folder {folder.root} is a link.",
            hint=f"Give the folder itself: --state {shlex.quote(os.path.realpath(folder.root))}. {_ACCEPT}",
        )
    for path in _judged(folder):
        _require_own(path, folder.root)
    _require_untracked(folder)
    for number in range(folder.partitions if folder.partitions > 1 else 0):
        require_trusted(open_state(state).part(number), accepted=False)


def _require_readable(folder: StateFolder) -> None:
    owner = owner_of(folder.journal) or owner_of(folder.root)
    if owner is not None:
        raise StateError(
            f"The state {folder.root} cannot be read by {numbered_user(os.geteuid())}: {owner}.",
            hint="Run the command as that user, or let this user read and write the folder.",
        )


def _judged(folder: StateFolder) -> Iterator[Path]:
    yield from (folder.root, folder.format, folder.parts, folder.journal, folder.lock)


def _require_own(path: Path, root: Path) -> None:
    try:
        found = path.lstat()
    except OSError:
        return  # there is none, or whoever opens it says why not
    name = shlex.quote(str(root))
    if found.st_uid != os.geteuid():
        raise StateError(
            f"{path} belongs to {numbered_user(found.st_uid)}, and this command runs as {numbered_user(os.geteuid())}.",
            hint=f"Run it as that user, or make the state yours: `chown -R {os.geteuid()} {name}`. {_ACCEPT}",
        )
    if found.st_mode & _OTHERS_WRITE:
        raise StateError(
            f"Others may write {path} (mode {stat.S_IMODE(found.st_mode):04o}).",
            hint=f"Run `chmod -R go-w {name}`, and `retrain verify --state {name}` after it. {_ACCEPT}",
        )


def _require_untracked(folder: StateFolder) -> None:
    place = folder.root.absolute()
    if not any(os.path.lexists(parent / ".git") for parent in (place, *place.resolve().parents)):
        return
    from runner.lib.git import GitError, tracks  # noqa: PLC0415 -- 5 ms that are only needed in a checkout

    try:
        tracked = tracks(folder.root / name for name in sorted({*folder.names, folder.format.name}))
    except GitError:
        return  # git cannot say; then the owner and the mode have to do
    if tracked:
        name = shlex.quote(str(folder.root.absolute()))
        raise StateError(
            f"Git tracks files of the state folder {folder.root}: whoever could commit there may have written them.",
            hint=f"Give another folder with --state; if it is yours, run `git -C {name} rm -r --cached .`. {_ACCEPT}",
        )

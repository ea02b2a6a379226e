"""Chooses where the state is kept, by the scheme of its address. This is the only place that knows all stores."""

import os
from collections.abc import Callable
from functools import lru_cache

from runner.http.objects.address import SCHEMES as BUCKETS
from runner.journal.folder import StateFolder, state_folder
from runner.journal.folder_store import FolderStore
from runner.journal.postgres_address import SCHEMES as DATABASES
from runner.journal.postgres_address import is_postgres_address
from runner.journal.state_store import StateStore


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
        UsageError: there is no such kind of store.
    """
    scheme = address.partition("://")[0].lower() if "://" in address else "file"
    return STORES.get(scheme, _folder)(address)


def local_state(address: str) -> StateFolder | None:
    """Return the folder of a `--state` value; None where the state is elsewhere.

    Raises:
        UsageError: there is no such kind of store.
    """
    return open_state(address).folder

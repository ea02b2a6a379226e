"""Chooses where the state is kept, by the scheme of its address. This is the only place that knows all stores."""

from collections.abc import Callable
from urllib.parse import urlsplit

from runner.journal.folder import state_folder
from runner.journal.folder_store import FolderStore
from runner.journal.state_store import StateStore


def _folder(address: str) -> FolderStore:
    return FolderStore(state_folder(address))


STORES: dict[str, Callable[[str], StateStore]] = {"file": _folder}  # by scheme


def open_state(address: str) -> StateStore:
    """Return the store of a `--state` value; an address without a known scheme is a folder's path.

    Raises:
        UsageError: there is no such kind of store.
    """
    scheme = urlsplit(address).scheme if "://" in address else "file"
    return STORES.get(scheme, _folder)(address)

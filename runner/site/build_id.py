"""What the pages are made by, as a digest: pages of another edition are made anew."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from runner import __version__

_ROOMS = ("site", "reports")
_ENDINGS = (".py", ".j2", ".css", ".js")


@cache
def edition() -> str:
    """Return a digest of the version and of the code, templates and styles of the rooms that make pages."""
    digest = hashlib.sha256(__version__.encode())
    for room in _ROOMS:
        _add(digest, files("runner").joinpath(room))
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", folder: Traversable) -> None:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            _add(digest, one)
        elif one.name.endswith(_ENDINGS):
            digest.update(hashlib.sha256(one.read_bytes()).digest())

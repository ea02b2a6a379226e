"""Paths of the site's pages, safe whatever the names in the journal are; and by which version they were made."""

import hashlib
import re
import unicodedata
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct

from runner import __version__

INDEX = "index.html"
RUNS = "runs/index.html"
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,79}(\.[0-9A-Za-z-]{1,79})?")  # the form of a run's id
_OTHER = re.compile(r"[\W_]+")
_LONGEST = 40
_DIGITS = 12  # of a digest: two names of one project do not meet


class Place(Struct, frozen=True, kw_only=True):
    """A page: its path below the site's folder, and the relative path from it back to that folder."""

    path: str
    root: str


def model_place(service: str, name: str) -> Place:
    """Return the place of a model's page; the same name on another service is another model."""
    return Place(path=f"models/{_slug(name, chr(0).join([service, name]))}/{INDEX}", root="../../")


def run_path(run_id: str) -> str:
    """Return the path of a run's page."""
    folder = run_id if _PLAIN.fullmatch(run_id) else _slug(run_id, run_id)
    return f"runs/{folder}/{INDEX}"


def asset_path(content: bytes, ending: str) -> str:
    """Return the path of a file whose name tells its content, so that a browser may keep it forever."""
    return f"assets/site.{hashlib.sha256(content).hexdigest()[:_DIGITS]}.{ending}"


def _slug(text: str, whole: str) -> str:
    """Return the letters of any script, digits and hyphens of a text, with a digest that tells it from others."""
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    readable = _OTHER.sub("-", unicodedata.normalize("NFKC", text).lower())[:_LONGEST].strip("-")
    return f"{readable}-{digest}" if readable else digest


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
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_dir():
            _add(digest, path)
        elif path.name.endswith(_ENDINGS):
            digest.update(hashlib.sha256(path.read_bytes()).digest())

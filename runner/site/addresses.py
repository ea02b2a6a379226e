"""Where each page of the site stands: paths below its folder that are safe whatever the names in the journal are."""

import hashlib
import re

from msgspec import Struct

INDEX = "index.html"
RUNS = "runs/index.html"
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,79}(\.[0-9A-Za-z-]{1,79})?")  # the form of a run's id
_OTHER = re.compile(r"[^0-9a-z]+")
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
    """Return the path of a file whose name tells its content, so that a browser may keep it for ever."""
    return f"assets/site.{hashlib.sha256(content).hexdigest()[:_DIGITS]}.{ending}"


def _slug(text: str, whole: str) -> str:
    """Return lower-case letters, digits and hyphens that remind of a text, with a digest that tells it from others."""
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    words = _OTHER.sub("-", text.lower())[:_LONGEST].strip("-")
    return f"{words}-{digest}" if words else digest

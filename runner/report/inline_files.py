"""The style and the script of the pages, and what lets a browser take them and nothing else."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from msgspec import Struct


class InlineFile(Struct, frozen=True, kw_only=True):
    """Text that stands within a page; `source` is the expression for it in a Content-Security-Policy."""

    text: str
    source: str


@cache
def inline_file(name: str) -> InlineFile:
    """Return a file of the templates folder; nothing in it may end the element that it stands in."""
    text = files("runner.report").joinpath("templates", name).read_text("utf-8")
    sha256 = hashlib.sha256(text.encode()).digest()
    return InlineFile(text=text, source=f"'sha256-{base64.b64encode(sha256).decode()}'")

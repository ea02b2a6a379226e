"""The style and the script of the pages, and what lets a browser take them and nothing else."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

from runner.journal.outcomes import NEEDS_PERSON, OUTCOMES

_SIGNS: Mapping[str, str] = {"passed": "✓", "inconclusive": "?"} | {name: one.sign for name, one in OUTCOMES.items()}


class InlineFile(Struct, frozen=True, kw_only=True):
    """Text that stands within a page; `source` is the expression for it in a Content-Security-Policy."""

    text: str
    source: str


@cache
def inline_file(name: str) -> InlineFile:
    """Return a file of the templates folder, with what its pages take from the table of outcomes.

    Nothing in it may end the element that it stands in.
    """
    text = files("runner.reports").joinpath("templates", name).read_text("utf-8")
    if name in _OF_OUTCOMES:
        text = f"{_OF_OUTCOMES[name]()}{text}"
    sha256 = hashlib.sha256(text.encode()).digest()
    return InlineFile(text=text, source=f"'sha256-{base64.b64encode(sha256).decode()}'")


def sign(name: str) -> str:
    """Return the sign of an outcome, or of a rule's verdict."""
    return _SIGNS[name]


def _outcome_style() -> str:
    """Return the colours of each outcome: of its badge and its button, and of its part in a bar."""
    return "".join(
        f".badge.{outcome}, .toggle.{outcome} {{ color: var(--{one.tone}); background: var(--{one.tone}-back); }}\n"
        f".shares .{outcome}, .strip .{outcome} {{ fill: var(--{one.fill}); }}\n"
        for outcome, one in OUTCOMES.items()
    )


def _outcome_script() -> str:
    return f"const needsPerson = {json.dumps(NEEDS_PERSON)};\n"


_OF_OUTCOMES: Mapping[str, Callable[[], str]] = {"report.css": _outcome_style, "report.js": _outcome_script}

"""Text from outside that would do something where it is shown, and the signs by which one sees that it could."""

import base64
import hashlib
import re

MESSAGE = (
    "\x1b[31mred\x1b]0;title\x07 \x9b2J ::error file=x::gone <script>alert(1)</script> <img src=x onerror=alert(2)> "
    "](javascript:alert(3)) |cell| `code` **bold** @octocat \u202eesrever\u2066 =cmd|' /C calc'!A1 \u200bhidden"
)
LINE = f"first\r\n::error::second\n# heading\n{MESSAGE}"

# Controls but for the line's end, and what turns or hides the text around it.
_ACTIVE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_COMMAND = re.compile(r"^\s*(::[a-z-]+|##\[)", re.MULTILINE)
_TAG = re.compile(r"<\s*(script|img|iframe|svg|object)\b(?![^<]*\bdata-chart)", re.IGNORECASE)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_MARKUP = re.compile(r"(?<!\\)(<script|<img|\]\(javascript:|@octocat(?!<!-- -->)\b(?<!\\))")


def on_a_terminal(text: str) -> list[str]:
    """Return what a terminal or a CI service would obey in a text."""
    return [*map(repr, _ACTIVE.findall(text)), *_COMMAND.findall(text)]


def in_html(text: str) -> list[str]:
    """Return what a browser would obey in a page, but for the scripts whose digests its content policy names."""
    foreign = _SCRIPT.sub(lambda found: "" if _digest(found[1]) in text else found[0], text)
    return [*map(repr, _ACTIVE.findall(text)), *_TAG.findall(foreign.replace("<svg", ""))]


def _digest(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def in_markdown(text: str) -> list[str]:
    """Return what a Markdown reader would obey."""
    return [*map(repr, _ACTIVE.findall(text)), *_MARKUP.findall(text)]

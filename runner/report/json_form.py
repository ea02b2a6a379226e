"""JSON as people and terminals get it: readable, with every character that could steer a terminal as its escape."""

import re
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Characters that steer a terminal or turn its text around; in JSON their escapes mean the same.
_UNSEEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def render_json(value: Any) -> bytes:
    """Return a JSON value as indented UTF-8, keys in their own order and decimals written as they are."""
    rendered = msgspec.json.format(_ENCODER.encode(value), indent=2).decode()
    return f"{_harmless(rendered)}\n".encode()


def json_line(value: Any) -> str:
    """Return a JSON value on one line, else as `render_json` has it."""
    return _harmless(_ENCODER.encode(value).decode())


def _harmless(rendered: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", rendered)

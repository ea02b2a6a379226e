"""A journal's head: how many events it has and the digest of the last. Kept elsewhere, it proves that nothing changed.

A head is written as `SHA256@EVENTS`, as the line `EVENTS SHA256`, or as JSON with `events` and `head_sha256`, alone or
under `journal` as every report has it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

_WORD = re.compile(r"([0-9a-f]{64})(?:@([1-9][0-9]{0,14}))?")
_LINE = re.compile(r"([1-9][0-9]{0,14})[ \t]+([0-9a-f]{64})")


class Head(Struct, frozen=True, kw_only=True):
    """The lower-case hex SHA-256 of an event, and its number where that is known."""

    sha256: str
    events: int | None = None

    def __str__(self) -> str:
        return self.sha256 if self.events is None else f"{self.sha256}@{self.events}"


def parse_head(word: str) -> Head | None:
    """Return the head in `SHA256` or `SHA256@EVENTS`, None for any other text."""
    match = _WORD.fullmatch(word)
    return Head(sha256=match[1], events=int(match[2]) if match[2] else None) if match else None


def read_head(content: bytes) -> Head | None:
    """Return the head in a file: a line as `retrain audit head` prints it, a word, a report; None for anything else."""
    try:
        text = content.decode().strip()
        line = _LINE.fullmatch(text)
        if line:
            return Head(sha256=line[2], events=int(line[1]))
        return parse_head(text) or _from_document(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _from_document(document: Any) -> Head | None:
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("journal"), dict):
        document = document["journal"]
    events, sha256 = document.get("events"), document.get("head_sha256")
    if not isinstance(sha256, str) or not isinstance(events, int) or isinstance(events, bool):
        return None
    return parse_head(f"{sha256}@{events}")


def places_of(heads: Iterable[Head], digests: Iterable[str]) -> dict[Head, int]:
    """Return the numbers of the events that are these heads, given each event's SHA-256; some may be none of them."""
    wanted: defaultdict[str, list[Head]] = defaultdict(list)
    for head in heads:
        wanted[head.sha256].append(head)
    found: dict[Head, int] = {}
    for seq, sha256 in enumerate(digests, start=1):
        for head in wanted.get(sha256, ()):
            if head.events in (None, seq):
                found.setdefault(head, seq)
    return found

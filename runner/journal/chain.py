"""The hash chain: each event's bytes name the SHA-256 of the event before it.

Bytes are RFC 8785, so the digest of an event does not depend on who wrote it. A chain alone shows a changed event; that
the tail was not cut shows only when the head is also kept elsewhere (every report carries it).
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from runner.canonical import canonical_bytes
from runner.errors import StateError
from runner.journal.events import Draft, Event
from runner.journal.shared import SharedParts

GENESIS = "0" * 64
_DECODER = msgspec.json.Decoder(Event)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its stored bytes and their SHA-256 in lower-case hex."""

    event: Event
    body: bytes
    sha256: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a store gives it back, not yet believed; a damaged store may give any type."""

    seq: int
    body: bytes
    sha256: str
    guard: str | None


def link(draft: Draft, *, seq: int, prev: str) -> Link:
    """Give a draft its place in the chain. Lone surrogates, which have no UTF-8 form, are written as their escapes."""
    event = Event(
        seq=seq, at=draft.at, run_id=draft.run_id, model=draft.model, guard=draft.guard, prev=prev, fact=draft.fact
    )
    value = msgspec.to_builtins(event)
    try:
        body = canonical_bytes(value)
    except ValueError:
        body = canonical_bytes(_escaped(value))
        event = _decode(body, seq)
    return Link(event=event, body=body, sha256=hashlib.sha256(body).hexdigest())


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list | tuple) else value


def read_chain(rows: Iterable[Row]) -> Iterator[Link]:
    """Yield the events of the stored rows in order.

    Raises:
        StateError: an event does not decode, is out of order, does not follow the one before it, or is not what its
            digest and guard say. The message names its place.
    """
    prev, parts = GENESIS, SharedParts()
    for seq, row in enumerate(rows, start=1):
        sha256 = _digest(row.body, seq)
        event = _decode(row.body, seq)
        if sha256 != row.sha256 or event.guard != row.guard:
            raise broken(seq, "its bytes are not the ones its digest was made from")
        if event.seq != seq or row.seq != seq or event.prev != prev:
            raise broken(seq, "it does not follow the event before it")
        prev = sha256
        yield Link(event=parts.shared(event), body=row.body, sha256=sha256)


def read_lines(lines: Iterable[bytes]) -> Iterator[Link]:
    """Yield the events of a whole journal written as lines, each its bytes and a line's end.

    Raises:
        StateError: as `read_chain`; or the last line has no end.
    """
    return read_chain(_line_row(line, seq) for seq, line in enumerate(lines, start=1))


def _line_row(line: bytes, seq: int) -> Row:
    body = line.removesuffix(b"\n")
    if body == line:
        raise broken(seq, "its line has no end")
    return Row(seq=seq, body=body, sha256=_digest(body, seq), guard=_decode(body, seq).guard)


def _digest(body: object, seq: int) -> str:
    if not isinstance(body, bytes):
        raise broken(seq, "it is not an event this version can read")
    return hashlib.sha256(body).hexdigest()


def _decode(body: bytes, seq: int) -> Event:
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise broken(seq, "it is not an event this version can read") from None


def broken(seq: int, why: str) -> StateError:
    """Return the error that names the first event that cannot be believed."""
    return StateError(
        f"The journal was changed or damaged at event {seq}: {why}.",
        hint="Restore the state folder from a copy made before that, and keep the damaged one for the audit.",
    )

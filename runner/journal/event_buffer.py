"""Events that are gone through more than once, kept as their packed bytes: a sixth of the journal's own size."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from runner.journal.chain import Link, SharedParts
from runner.journal.events import Event

_BLOCK = 1000  # events; more are packed no smaller
_FASTEST = 1
_EVENT = msgspec.json.Decoder(Event)
_BODIES = msgspec.msgpack.Decoder(list[bytes])


class EventBuffer:
    """Links in their order, as they were given; each going through them unpacks and decodes them again.

    What an event decodes to takes ten times the memory of its bytes, so of a large journal that is never kept whole.
    """

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self._blocks: list[bytes] = []
        self._open: list[bytes] = []
        self.head_sha256 = ""  # of the last event
        for link in links:
            self.append(link)

    def append(self, link: Link) -> None:
        """Keep the next link."""
        self.head_sha256 = link.sha256
        self._open.append(link.body)
        if len(self._open) == _BLOCK:
            self._blocks.append(zlib.compress(msgspec.msgpack.encode(self._open), _FASTEST))
            self._open = []

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._open)

    def __iter__(self) -> Iterator[Link]:
        parts = SharedParts()
        for body in self.bodies():
            event = parts.shared(_EVENT.decode(body))
            yield Link(event=event, body=body, sha256=hashlib.sha256(body).hexdigest())

    def events(self) -> Iterator[Event]:
        """Yield each event."""
        return map(_EVENT.decode, self.bodies())

    def bodies(self) -> Iterator[bytes]:
        """Yield each event's stored bytes."""
        for block in self._blocks:
            yield from _BODIES.decode(zlib.decompress(block))
        yield from self._open

    def digests(self) -> Iterator[str]:
        """Yield the SHA-256 of each event."""
        return (hashlib.sha256(body).hexdigest() for body in self.bodies())

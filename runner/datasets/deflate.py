"""DEFLATE on several cores, with python-isal when the extra `[fast]` is installed, else with zlib.

Each block is compressed on its own, primed with the 32 KiB before it, and ends on a whole byte; the pieces in order are
one ordinary DEFLATE stream (RFC 1951). The bytes do not depend on the number of threads.
"""

import importlib
import os
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from types import ModuleType

_WINDOW = 32 << 10  # bytes a DEFLATE stream may refer back to
_LEVEL = 1
_RAW = -15  # neither a zlib header nor a checksum: a zip member has its own
_MEMORY = 8  # zlib's default


def _engine() -> ModuleType:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def crc32(text: bytes, before: int) -> int:
    """Return the CRC-32 of the bytes after bytes whose CRC-32 is `before`; 0 at the start."""
    value: int = _engine().crc32(text, before)
    return value


def threads() -> int:
    """Return how many blocks are worth compressing at once."""
    return min(4, len(os.sched_getaffinity(0)))


class Deflater:
    """One raw DEFLATE stream; takes blocks and gives pieces, in order, at most two blocks a thread behind."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: deque[Future[bytes]] = deque()
        self._window = b""

    def add(self, block: bytes) -> Iterator[bytes]:
        """Compress another block and yield what has become ready."""
        self._waiting.append(self._pool.submit(_piece, block, self._window))
        self._window = block[-_WINDOW:]
        while len(self._waiting) > 2 * threads():
            yield self._waiting.popleft().result()

    def finish(self) -> Iterator[bytes]:
        """Yield the rest of the stream."""
        while self._waiting:
            yield self._waiting.popleft().result()
        yield zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW).flush()


def _piece(block: bytes, window: bytes) -> bytes:
    engine = _engine()
    stream = engine.compressobj(_LEVEL, engine.DEFLATED, _RAW, _MEMORY, engine.Z_DEFAULT_STRATEGY, window)
    piece: bytes = stream.compress(block) + stream.flush(engine.Z_SYNC_FLUSH)
    return piece

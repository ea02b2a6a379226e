"""Connections that are used again, each by one exchange at a time, whose answers name what was asked after."""

import threading
import time
from collections import defaultdict
from typing import Generic, Protocol, TypeVar

_MOST = 16  # for one origin; as many exchanges as go on at once
_LONGEST_IDLE_S = 30.0  # routers and balancers forget idle connections after minutes, some without a word


class Line(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of the connection."""


L = TypeVar("L", bound=Line)
Origin = tuple[str, str, int | None]  # scheme, host and port


class ConnectionPool(Generic[L]):
    """Keeps lines by what they lead to; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[Origin, list[tuple[float, L]]] = defaultdict(list)
        self._closed = False

    def take(self, origin: Origin) -> L | None:
        """Return the line that was used last, or None; those that have been idle for too long are closed."""
        with self._lock:
            idle = self._idle[origin]
            newest = idle.pop() if idle else None
            if newest is None or time.monotonic() - newest[0] <= _LONGEST_IDLE_S:
                return newest and newest[1]
            old = [newest, *idle]  # used before it, each of them
            idle.clear()
        for _, line in old:
            line.close()
        return None

    def put(self, origin: Origin, line: L) -> None:
        """Keep a line whose exchange has come to its end; one too many is closed."""
        with self._lock:
            idle = self._idle[origin]
            if not self._closed and len(idle) < _MOST:
                idle.append((time.monotonic(), line))
                return
        line.close()

    def close(self) -> None:
        """Close the lines kept, and those put here from now on."""
        with self._lock:
            self._closed = True
            lines = [line for idle in self._idle.values() for _, line in idle]
            self._idle.clear()
        for line in lines:
            line.close()

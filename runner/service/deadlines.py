"""How long one operation may take: per step, and in all.

A socket's own timeout starts anew with every byte, so a server that drips bytes is never timed out by it. Here each
wait on a socket is also cut to what is left of the operation's total.
"""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Limits in seconds; `slowest` in bytes per second.

    `connect` bounds the connection and the TLS handshake each, `silence` one wait for the other side, `call` a whole
    call without a file. A transfer has `call` plus its size at the `slowest` rate, at most `longest`.
    """

    connect: float = 10.0
    silence: float = 60.0
    call: float = 60.0
    slowest: float = 64 * 1024
    longest: float = 6 * 60 * 60

    def transfer(self, size: int) -> float:
        """Return the total for an operation that moves `size` bytes, in seconds."""
        return min(self.call + size / self.slowest, self.longest)


DEFAULT_DEADLINES = Deadlines()


class Countdown:
    """The time left for one operation, on the monotonic clock."""

    def __init__(self, *, silence: float, total: float) -> None:
        self._silence = silence
        self._end = time.monotonic() + total

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end

    def restart(self, total: float) -> None:
        """Give the rest of the operation `total` seconds from now."""
        self._end = time.monotonic() + total

    def patience(self) -> float:
        """Return how long the next wait may take, in seconds.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self._silence, left)

"""How long one operation may take: per step, and in all.

A socket's own timeout starts again with every byte, so a server that drips bytes is never timed out by it. Here each
wait on a socket is also cut to what is left of the operation's total.
"""

import time

from msgspec import Struct


class Deadlines(Struct, frozen=True, kw_only=True):
    """Limits in seconds; `slowest` in bytes per second.

    `connect` bounds the connection and the TLS handshake each, `silence` one wait for the other side, `call` a whole
    call without a file. A file has no total of its own: each of its bytes that moved earns the time it takes at the
    `slowest` rate, but never is more than `call` left, and all ends after `longest`. So a drip ends `call` seconds
    after it began, whatever its announced size, and a slow line is left alone.
    """

    connect: float = 10.0
    silence: float = 60.0
    call: float = 60.0
    slowest: float = 16 * 1024  # a quarter of a line of 512 kbit/s
    longest: float = 6 * 60 * 60


DEFAULT_DEADLINES = Deadlines()


class Countdown:
    """The time left for one operation, on the monotonic clock.

    `heard` says whether a byte of an answer has come.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._end = time.monotonic() + deadlines.call
        self._latest = time.monotonic() + deadlines.longest
        self._takes_file = False
        self.heard = False

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end

    def expect_file(self) -> None:
        """Let what is received from now on earn time; before, it is the head of an answer, which has no size."""
        self._takes_file = True

    def sent(self, size: int) -> None:
        """Earn time for `size` bytes that were handed to the connection.

        What is handed over late earns nothing: a process that slept continues sending what another run has given up.
        """
        now = time.monotonic()
        if now >= self._end:
            return
        limits = self._deadlines
        earned = min(self._end + size / limits.slowest, now + limits.call)
        self._end = min(earned, self._latest)

    def received(self, size: int) -> None:
        """Note that `size` bytes came; they earn time, if they are a file's."""
        self.heard = self.heard or size > 0
        if self._takes_file:
            self.sent(size)

    def patience(self) -> float:
        """Return how long the next wait may take, in seconds.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(self._deadlines.silence, left)

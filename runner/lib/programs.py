"""A program whose output is read: without a shell, without input, killed where it prints too much or takes too long."""

import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.lib.child_environment import command_environment

_BLOCK = 64 * 1024  # bytes


class CommandTimeoutError(Exception):
    """The program did not end in its time, and was killed."""


class TooMuchOutputError(Exception):
    """The program printed more than it may, and was killed."""


def run_command(
    argv: Sequence[str], folder: Path, *, seconds: float, most: int, take: Callable[[bytes], object]
) -> int:
    """Start a program, hand what it prints to `take`, and return its exit code.

    It sees a person's session and what the operator lets it see. What it says of errors goes nowhere: it may hold a
    secret.

    Raises:
        OSError: it cannot be started.
        CommandTimeoutError: it did not end within the seconds.
        TooMuchOutputError: it printed more than `most` bytes.
    """
    end = time.monotonic() + seconds
    with subprocess.Popen(  # noqa: S603 - the manifest's owner names the command; there is no shell
        argv,
        cwd=folder,
        env=command_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as process:
        try:
            _take_output(process, end, most, take)
            process.wait(timeout=max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            raise CommandTimeoutError from None
        finally:
            process.kill()  # does nothing to one that has ended
    return process.returncode


def _take_output(process: subprocess.Popen[bytes], end: float, most: int, take: Callable[[bytes], object]) -> None:
    """Hand over what the process prints until it closes its output."""
    taken = 0
    with selectors.DefaultSelector() as selector:
        pipe = process.stdout
        if pipe is None:
            raise LookupError("the command was started without a pipe")
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(end - time.monotonic(), 0)):
            piece = pipe.read(_BLOCK)
            if not piece:
                return
            taken += len(piece)
            if taken > most:
                raise TooMuchOutputError
            take(piece)
    raise CommandTimeoutError

"""A program whose output is read: without a shell or input, with an allow-list of the environment, within bounds."""

import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# What programs that are started from here see of the environment: an allow-list, so that no key is handed on unasked.
# This is the one place that reads the whole environment.

# What programs need to find each other, their files and their words; nothing of it is a secret.
_ALL = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "SYSTEMROOT"),
    *("LD_LIBRARY_PATH", "DYLD_*", "XDG_*"),
)
_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "VIRTUAL_ENV")
# Where a password manager finds its agent, its store and the person who unlocks it.
_SESSION = (
    *("SSH_AUTH_SOCK", "GPG_TTY", "GNUPGHOME", "PASSWORD_STORE_DIR", "TERM"),
    *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"),
)
COMMAND_VARIABLES = "RETRAIN_COMMAND_ENV"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def child_environment(*names: str) -> dict[str, str]:
    """Return what every program may see, and the variables of these names; `LC_*` means all that begin so.

    Entries of PATH that depend on the current folder are left out: a checkout could put a program there.
    """
    wanted = (*_ALL, *names)
    whole = frozenset(wanted)
    beginnings = tuple(name.removesuffix("*") for name in wanted if name.endswith("*"))
    found = {name: text for name, text in os.environ.items() if name in whole or name.startswith(beginnings)}
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {**found, "PATH": os.pathsep.join(place for place in places if Path(place).is_absolute())}


def python_environment() -> dict[str, str]:
    """Return the environment of a process of this program: it finds the same modules, and no key of any kind."""
    return child_environment(*_PYTHON) | {"PYTHONUTF8": "1"}


def command_environment() -> dict[str, str]:
    """Return the environment of a command that prints a secret.

    Beside a person's session it holds what the operator names in `RETRAIN_COMMAND_ENV`, as in `VAULT_ADDR AWS_*`.
    """
    return child_environment(*_SESSION, *_named())


def _named() -> Iterator[str]:
    """Yield the names of the variable that have the form of one; a `*` alone would name all and is none."""
    yield from filter(_NAME.fullmatch, re.split(r"[,\s]+", os.environ.get(COMMAND_VARIABLES, "")))


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

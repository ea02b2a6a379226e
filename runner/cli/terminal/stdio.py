"""The standard streams as the program wants them: open, with an encoding that takes any text. Imports nothing heavy."""

import os
import sys
from collections.abc import Mapping
from typing import TextIO

_PLAIN_LOCALES = frozenset({"", "C", "POSIX"})


def locale_name(environment: Mapping[str, str]) -> str:
    """Return the locale for characters, empty where none is set."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next((name for name in names if name), "")


def has_own_encoding(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether somebody wished for the stream's encoding: PYTHONIOENCODING, or a terminal's locale.

    The locale C wishes for nothing; cron has it everywhere.
    """
    if environment.get("PYTHONIOENCODING"):
        return True
    return is_terminal(stream) and locale_name(environment) not in _PLAIN_LOCALES


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is open and leads to a terminal."""
    try:
        return stream.isatty()
    except ValueError:  # it was closed
        return False


def prepare_streams() -> None:
    """Open the null device where a stream is closed, and declare UTF-8, whatever the locale says.

    A closed stream's number would go to the next file that is opened, such as the lock; what a library or a child
    process then writes to its standard error would land in it. A terminal in a locale with another encoding keeps that,
    and so does a stream whose encoding PYTHONIOENCODING names; what it cannot take is escaped.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            encoding = stream.encoding if has_own_encoding(stream) else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def flush(stream: TextIO) -> bool:
    """Return whether a stream took all that was written to it."""
    try:
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _occupy(number: int) -> None:
    handle = os.open(os.devnull, os.O_RDWR)
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)
    os.set_inheritable(number, True)  # as a shell's `>/dev/null` would be

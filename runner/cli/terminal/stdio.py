"""The three standard streams as the program wants them: open, and able to take any text."""

import os
import sys
from typing import TextIO

from runner.cli.terminal.encoding import has_own_encoding


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
    """Tell whether a stream took all that was written to it."""
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

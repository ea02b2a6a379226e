"""The three standard streams as the program wants them: open, and UTF-8 whatever the locale says."""

import os
import sys


def prepare_streams() -> None:
    """Open the null device where a stream is closed, and declare UTF-8.

    A closed stream's number would go to the next file that is opened, such as the lock; what a library or a child
    process then writes to its standard error would land in it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _occupy(number: int) -> None:
    handle = os.open(os.devnull, os.O_RDWR)
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)
    os.set_inheritable(number, True)  # as a shell's `>/dev/null` would be

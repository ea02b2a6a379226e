"""Which encoding a standard stream is to have. Read at each start, so nothing heavy is imported here."""

import os
from collections.abc import Mapping
from typing import TextIO

_PLAIN_LOCALES = frozenset({"", "C", "POSIX"})


def locale_name(environment: Mapping[str, str]) -> str:
    """Return the locale for characters, empty where none is set."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    return next((name for name in names if name), "")


def has_own_encoding(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether somebody wished for the stream's encoding: PYTHONIOENCODING, or a terminal's locale.

    The locale C wishes for nothing; cron has it everywhere.
    """
    if environment.get("PYTHONIOENCODING"):
        return True
    return is_terminal(stream) and locale_name(environment) not in _PLAIN_LOCALES


def is_terminal(stream: TextIO) -> bool:
    """Tell whether the stream is open and leads to a terminal."""
    try:
        return stream.isatty()
    except ValueError:  # it was closed
        return False

"""What a standard stream can show: colours, symbols beyond ASCII, how many columns and lines."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

_PLAIN_LOCALES = frozenset({"", "C", "POSIX"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`columns` and `rows` are those of the terminal; `columns` is None where the stream is a file or a pipe.

    `live` tells that lines already written may be written anew.
    """

    colour: bool = False
    symbols: bool = False
    columns: int | None = None
    rows: int = 24
    live: bool = False


def wants_plain(environment: Mapping[str, str]) -> bool:
    """Tell whether NO_COLOR has any value but the empty one (no-color.org)."""
    return bool(environment.get("NO_COLOR"))


def look_of(stream: TextIO, *, plain: bool, environment: Mapping[str, str] = os.environ) -> Look:
    """Return what the stream can show; `plain` forbids colours. FORCE_COLOR wishes them for files and pipes too."""
    plain = plain or wants_plain(environment)
    forced = environment.get("FORCE_COLOR", "0") not in ("", "0") and not plain
    if not _is_terminal(stream):
        return Look(colour=forced)
    able = environment.get("TERM", "dumb") != "dumb"
    columns, rows = shutil.get_terminal_size()
    return Look(
        colour=forced or (able and not plain),
        symbols=_is_unicode(stream, environment),
        columns=columns,
        rows=rows,
        live=able and not environment.get("CI"),
    )


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
    return _is_terminal(stream) and locale_name(environment) not in _PLAIN_LOCALES


def _is_unicode(stream: TextIO, environment: Mapping[str, str]) -> bool:
    if not has_own_encoding(stream, environment):
        return False
    return (stream.encoding or "").replace("-", "").lower().startswith("utf")


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it was closed
        return False

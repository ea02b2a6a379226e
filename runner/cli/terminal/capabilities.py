"""What a standard stream can show: colours, symbols beyond ASCII, how many columns and lines."""

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

from runner.cli.terminal.encoding import has_own_encoding, is_terminal


class TerminalCapabilities(NamedTuple):
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


def look_of(stream: TextIO, *, plain: bool, environment: Mapping[str, str] = os.environ) -> TerminalCapabilities:
    """Return what the stream can show; `plain` forbids colours. FORCE_COLOR wishes them for files and pipes too."""
    plain = plain or wants_plain(environment)
    forced = environment.get("FORCE_COLOR", "0") not in ("", "0") and not plain
    if not is_terminal(stream):
        return TerminalCapabilities(colour=forced)
    able = environment.get("TERM", "dumb") != "dumb"
    import shutil  # noqa: PLC0415 -- it brings all compressors, and only a terminal has a size

    columns, rows = shutil.get_terminal_size()
    return TerminalCapabilities(
        colour=forced or (able and not plain),
        symbols=_is_unicode(stream, environment),
        columns=columns,
        rows=rows,
        live=able and not environment.get("CI"),
    )


def _is_unicode(stream: TextIO, environment: Mapping[str, str]) -> bool:
    if not has_own_encoding(stream, environment):
        return False
    return (stream.encoding or "").replace("-", "").lower().startswith("utf")

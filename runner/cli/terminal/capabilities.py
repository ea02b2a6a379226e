"""What a standard stream can show: colours, symbols, columns and lines."""

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

from msgspec import Struct

from runner.cli.terminal.stdio import has_own_encoding, is_terminal
from runner.journal.outcomes import OUTCOMES, Outcome


class TerminalCapabilities(NamedTuple):
    """`columns` and `rows` are those of the terminal; `columns` is None if the stream is a file or a pipe.

    `live` tells that lines already written may be written again.
    """

    colour: bool = False
    symbols: bool = False
    columns: int | None = None
    rows: int = 24
    live: bool = False


def wants_plain(environment: Mapping[str, str]) -> bool:
    """Return whether NO_COLOR has any value but the empty one (no-color.org)."""
    return bool(environment.get("NO_COLOR"))


def terminal_of(stream: TextIO, *, plain: bool, environment: Mapping[str, str] = os.environ) -> TerminalCapabilities:
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


class Symbol(Struct, frozen=True, kw_only=True):
    """A symbol, its replacement in ASCII, and a colour by its ANSI name."""

    symbol: str
    ascii: str
    colour: str

    def shown(self, terminal: TerminalCapabilities) -> str:
        """Return the symbol that the stream can show."""
        return self.symbol if terminal.symbols else self.ascii


TROUBLE = Symbol(symbol="!", ascii="!", colour="yellow")
_TURNS = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_BARS = ("⣀⣄⣤⣦⣶⣷⣿", ".#")  # from empty to full


def outcome_sign(outcome: Outcome) -> Symbol:
    """Return the sign of an outcome, narrow in East Asian fonts too; words are beside it."""
    traits = OUTCOMES[outcome]
    return Symbol(symbol=traits.sign, ascii=traits.ascii, colour=traits.colour)


def turning(seconds: float, terminal: TerminalCapabilities) -> str:
    """Return the sign of work that continues, another one each tenth of a second."""
    turns = _TURNS[0 if terminal.symbols else 1]
    return turns[int(seconds * 10) % len(turns)]


def bar(share: float, width: int, terminal: TerminalCapabilities) -> str:
    """Return a bar of `width` columns, of which the share is full."""
    steps = _BARS[0 if terminal.symbols else 1]
    full, part = divmod(int(min(max(share, 0.0), 1.0) * width * (len(steps) - 1)), len(steps) - 1)
    return (steps[-1] * full + steps[part] * (width > full)).ljust(width, steps[0])

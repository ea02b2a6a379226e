"""The signs of a terminal: those of outcomes with their colours, of work that goes on, and bars."""

from msgspec import Struct

from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.journal.outcomes import OUTCOMES, Outcome


class Symbol(Struct, frozen=True, kw_only=True):
    """A symbol, what stands for it in ASCII, and a colour by its ANSI name."""

    symbol: str
    ascii: str
    colour: str

    def shown(self, look: TerminalCapabilities) -> str:
        """Return the symbol that the stream can show."""
        return self.symbol if look.symbols else self.ascii


TROUBLE = Symbol(symbol="!", ascii="!", colour="yellow")
_TURNS = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_BARS = ("⣀⣄⣤⣦⣶⣷⣿", ".#")  # from empty to full


def outcome_sign(outcome: Outcome) -> Symbol:
    """Return the sign of an outcome, narrow in East Asian fonts too; words stand beside it."""
    traits = OUTCOMES[outcome]
    return Symbol(symbol=traits.sign, ascii=traits.ascii, colour=traits.colour)


def turning(seconds: float, look: TerminalCapabilities) -> str:
    """Return the sign of work that goes on, another one each tenth of a second."""
    turns = _TURNS[0 if look.symbols else 1]
    return turns[int(seconds * 10) % len(turns)]


def bar(share: float, width: int, look: TerminalCapabilities) -> str:
    """Return a bar of `width` columns, of which the share is full."""
    steps = _BARS[0 if look.symbols else 1]
    full, part = divmod(int(min(max(share, 0.0), 1.0) * width * (len(steps) - 1)), len(steps) - 1)
    return (steps[-1] * full + steps[part] * (width > full)).ljust(width, steps[0])

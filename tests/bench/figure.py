"""One row of the table of `make bench`: a figure, its peer, its target, and the verdict that follows from them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["met", "missed", "not measured", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The values of all rounds, in one unit."""

    values: tuple[float, ...]
    unit: str = ""

    @property
    def median(self) -> float:
        """Return the middle value."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Write the median and, when there were several rounds, the lowest and the highest value."""
        text = (
            f"{number(self.median)}{self.unit}" if self.unit == "x" else f"{number(self.median)} {self.unit}".rstrip()
        )
        if len(self.values) == 1:
            return text
        return f"{text} ({number(min(self.values))} to {number(max(self.values))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A limit that a figure must keep; `text` is how the table names it."""

    side: Literal["at least", "at most"]
    limit: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure as the table shows it. `value` is what the target speaks of: the ratio, or the figure itself."""

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    value: float = math.nan
    target: Target | None = None
    trouble: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return whether the target is met; a value that is not a number never meets one."""
        if self.trouble:
            return "not measured"
        if self.target is None:
            return ""
        if self.target.side == "at least":
            return "met" if self.value >= self.target.limit else "missed"
        return "met" if self.value <= self.target.limit else "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one line of the bench found: rows of the common table, and Markdown of its own below a heading."""

    rows: tuple[Row, ...] = ()
    heading: str = ""
    text: str = ""


def sample(values: Sequence[float], unit: str = "") -> Sample:
    """Return the values of all rounds as one sample."""
    return Sample(values=tuple(values), unit=unit)


def ratio(above: Sequence[float], below: Sequence[float]) -> Sample:
    """Divide round by round, so that what slows a whole round down cancels out."""
    return Sample(values=tuple(one / other for one, other in zip(above, below, strict=True)), unit="x")


def number(value: float) -> str:
    """Write a number with three digits that count."""
    if not math.isfinite(value):
        return "no number"
    if value == 0:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{digits}f}"


def at_least(limit: float, text: str) -> Target:
    """Return the target that a value reaches this limit."""
    return Target(side="at least", limit=limit, text=text)


def at_most(limit: float, text: str) -> Target:
    """Return the target that a value stays within this limit."""
    return Target(side="at most", limit=limit, text=text)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return how cost grows between the last two sizes: 1 is linear, 2 quadratic; not a number with fewer than two."""
    if len(sizes) < 2 or min(*costs[-2:], *sizes[-2:]) <= 0 or sizes[-1] == sizes[-2]:
        return math.nan
    return math.log(costs[-1] / costs[-2]) / math.log(sizes[-1] / sizes[-2])

"""One line of the table that `make torture` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a suite tried: how many points, how many broke a promise, and what to say beside it."""

    name: str
    points: int
    violations: int
    detail: str = ""

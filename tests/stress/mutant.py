"""What a mutant is: one text of one file of the runner replaced by another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One text of one file replaced by another; the old text is there exactly once."""

    name: str
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Change):
    """A change that breaks a promise, and the test that says so."""

    caught_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent(Change):
    """A change that breaks nothing, and why."""

    reason: str

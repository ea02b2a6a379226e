"""Faults the emulator plays on purpose: which request they hit, and what they do to it."""

import threading
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Call(StrEnum):
    """The calls a rule can name; `any` is every one of them."""

    UPLOAD_URL = "upload_url"
    PUT = "put"
    STATUS = "status"
    DOWNLOAD = "download"
    SWITCH = "switch"
    ANY = "any"


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS_500 = "status_500"
    STATUS_503 = "status_503"
    STATUS_429 = "status_429"
    RESET_BEFORE = "reset_before"
    LOST_ANSWER = "lost_answer"
    HALF_BODY = "half_body"
    SLOW = "slow"
    LATE = "late"
    HTML_200 = "html_200"
    EXPIRED_URL = "expired_url"
    TRAINING_FAILS = "training_fails"
    TRAINING_SLOW = "training_slow"


TIMED = frozenset({FaultKind.SLOW, FaultKind.LATE, FaultKind.TRAINING_SLOW})
"""Kinds that need `seconds`."""

ONLY_FOR = {
    FaultKind.EXPIRED_URL: frozenset({Call.UPLOAD_URL, Call.STATUS, Call.ANY}),
    FaultKind.TRAINING_FAILS: frozenset({Call.PUT, Call.ANY}),
    FaultKind.TRAINING_SLOW: frozenset({Call.PUT, Call.ANY}),
}
"""Kinds that make sense for some calls alone; a rule for `any` call hits just those."""

_EVERY_CALL = frozenset(Call)


class Rule(Struct, frozen=True, kw_only=True):
    """One line of a faults file. Requests that match `call` and `model` (None: any) are counted from 1.

    The rule fires for the counts in `nth`, for every `every`-th, or for all after the first `after`; with none of the
    three it fires always. `seconds` belongs to the timed kinds.
    """

    call: Call
    kind: FaultKind
    model: str | None = None
    nth: tuple[int, ...] | None = None
    every: int | None = None
    after: int | None = None
    seconds: float = 0.0

    def matches(self, call: str, model: str | None) -> bool:
        """Tell whether a request is counted by this rule."""
        if call not in ONLY_FOR.get(self.kind, _EVERY_CALL) or self.call not in (call, Call.ANY):
            return False
        return self.model is None or self.model == model

    def fires(self, count: int) -> bool:
        """Tell whether the `count`-th counted request is hit."""
        if self.nth is not None:
            return count in self.nth
        if self.every is not None:
            return count % self.every == 0
        return self.after is None or count > self.after


class Faults:
    """The rules and their counts. Every matching rule counts; the first that fires is played."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._counts = [0] * len(self._rules)
        self._lock = threading.Lock()

    def next_for(self, call: str, model: str | None) -> Rule | None:
        """Count a request and return the rule that hits it, if any."""
        hit: Rule | None = None
        with self._lock:
            for place, rule in enumerate(self._rules):
                if rule.matches(call, model):
                    self._counts[place] += 1
                    if hit is None and rule.fires(self._counts[place]):
                        hit = rule
        return hit

"""Which rules of a profile hit a request: by its count, or by the time since something happened."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from emulator.job import Job, Phase
from emulator.profile import ONLY_FOR, Call, Rule

_EVERY_CALL = frozenset(Call)


class Hit(Struct, frozen=True, kw_only=True):
    """What is played with a request: the fault or answer of one rule, and the changes of all that make some."""

    rule: Rule | None = None
    changes: tuple[Rule, ...] = ()


class _Scope(NamedTuple):
    """What a rule counts by."""

    rule: int
    model: str | None
    retrain_job_id: str | None


class Rules:
    """The rules, their counts, and when each was first met. Every matching rule counts."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._counts: dict[_Scope, int] = {}
        self._first: dict[_Scope, float] = {}
        self._switched: dict[str, float] = {}
        self._started = time.time()
        self._lock = threading.Lock()

    def next_for(self, call: str, model: str | None, job: Job | None = None) -> Hit:
        """Count a request and return what hits it."""
        now = time.time()
        with self._lock:
            hits = [rule for place, rule in enumerate(self._rules) if self._fires(place, rule, call, model, job, now)]
        played = next((rule for rule in hits if not rule.changes), None)
        return Hit(rule=played, changes=tuple(rule for rule in hits if rule.changes))

    def note_switch(self, retrain_job_id: str) -> None:
        """Remember that a job was put into service."""
        with self._lock:
            self._switched[retrain_job_id] = time.time()

    def _fires(  # noqa: PLR0913, PLR0917 -- a request is known by these
        self, place: int, rule: Rule, call: str, model: str | None, job: Job | None, now: float
    ) -> bool:
        if not _matches(rule, call, model):
            return False
        of_job = job.retrain_job_id if job is not None and rule.per == "job" else None
        scope = _Scope(place, None if rule.per is None else model, of_job)
        count = self._counts[scope] = self._counts.get(scope, 0) + 1
        first = self._first.setdefault(scope, now)
        own = job if job is not None and job.model == model else None
        return _counted(rule, count) and self._in_window(rule, now, first, own)

    def _in_window(self, rule: Rule, now: float, first: float, job: Job | None) -> bool:
        if rule.since is None:
            return True
        events = {"start": self._started, "first": first, **({} if job is None else self._events(job))}
        if rule.since not in events:  # of a job that this key does not have
            return False
        passed = now - events[rule.since]
        begins = -math.inf if rule.since_seconds is None else rule.since_seconds
        return begins <= passed and (rule.until is None or passed < rule.until)

    def _events(self, job: Job) -> Mapping[str, float]:
        """Return when the events of a job were; what has not happened is infinitely far in the future."""
        ended = job.shown_phase() in (Phase.FINISHED, Phase.FAILED)
        return {
            "issued": _instant(job.issued),
            "uploaded": _instant(job.started),
            "finished": max(_instant(job.finished), job.visible_at) if ended else math.inf,
            "switched": self._switched.get(job.retrain_job_id, math.inf),
        }


def _matches(rule: Rule, call: str, model: str | None) -> bool:
    possible = _EVERY_CALL if rule.kind is None else ONLY_FOR.get(rule.kind, _EVERY_CALL)
    if call not in possible or rule.call not in (call, Call.ANY):
        return False
    return rule.model in (None, "any", model)


def _counted(rule: Rule, count: int) -> bool:
    if rule.nth is not None:
        return count in rule.nth
    if rule.every is not None:
        return count % rule.every == 0
    return rule.after is None or count > rule.after


def _instant(text: str | None) -> float:
    return math.inf if text is None else datetime.fromisoformat(text).timestamp()

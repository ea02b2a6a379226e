"""News as lines of a log: which of them are told at which verbosity, and how."""

import time
from datetime import UTC, datetime

from msgspec import Struct, field, to_builtins

from runner.execute.progress_events import (
    Decided,
    InTraining,
    Listener,
    Message,
    ModelEnded,
    Planned,
    Preparing,
    ProgressEvent,
    Recorded,
    RequestStarted,
    Retried,
    StageStarted,
    Starting,
    StatusReceived,
    Stopping,
    UploadProgress,
    Warned,
)
from runner.reports.text import inline, json_line

_FROM = {  # the least verbosity that tells of it
    Message: 0,
    InTraining: 0,
    StatusReceived: 0,
    Decided: 0,
    Warned: 0,
    UploadProgress: 0,
    ModelEnded: 0,
    Starting: 0,
    Preparing: 0,
    Stopping: 0,
    Planned: 1,
    StageStarted: 1,
    RequestStarted: 1,
    Retried: 1,
    Recorded: 2,
}
_PROGRAMS_KNOW = (Planned, StageStarted)  # what people see by other words, programs are told always
UPLOAD_LINE_S = 30.0  # between two lines of one upload
UPLOAD_EVENT_S = 1.0  # for programs


def stamp() -> str:
    """Return the time now as RFC 3339 in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def text_line(model: str | None, event: ProgressEvent, text: str | None = None) -> str:
    """Return the line for people; `text` is the event's, with whole commands."""
    name = "" if model is None else f"{inline(model)}: "
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {name}{inline(text or event.text)}"


def event_line(model: str | None, event: ProgressEvent, text: str | None = None) -> str:
    """Return the line for programs: when, which model, which event, its values, and the text a person would read."""
    values = {"at": stamp(), "model": model, "event": _event(event), **to_builtins(event)}
    return json_line({**values, "text": text or event.text})


def _event(event: ProgressEvent) -> str:
    """Return the name of its kind in small letters: `in_training`."""
    name = type(event).__name__
    return name[0].lower() + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name[1:])


class ThrottledLog(Struct, kw_only=True):
    """Hands on the events a log wants; of an upload's bytes only some, the first after `every` seconds.

    `events` tells that a program reads it.
    """

    tell: Listener
    verbosity: int
    every: float
    events: bool = False
    _last: dict[str | None, float] = field(default_factory=dict)

    def __call__(self, model: str | None, event: ProgressEvent) -> None:
        """Take in event."""
        if _FROM[type(event)] > self.verbosity and not (self.events and isinstance(event, _PROGRAMS_KNOW)):
            return
        if isinstance(event, UploadProgress) and not self._is_due(model):
            return
        self.tell(model, event)

    def _is_due(self, model: str | None) -> bool:
        now = time.monotonic()
        if now - self._last.setdefault(model, now) < self.every:
            return False
        self._last[model] = now
        return True

"""What a notification says: one message for one entry of the manifest and one run, plain text of a bounded size."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from runner.journal.outcomes import OUTCOMES, Outcome, Severity, urgency
from runner.manifest.model import Model, Notification
from runner.manifest.service import matches
from runner.reports.text import exit_meaning, in_words, inline

ALWAYS = "always"
_LONGEST_BODY = 1800  # characters; the strictest of the common services takes 2,000
_LONGEST_REASON = 400
_CUT = "..."
# Chat services call everybody, or one person, where they read one of these.
_CALL = re.compile(r"@(?=(?:everyone|here|channel|all)\b)|<(?=[@!#])", re.IGNORECASE)


class ModelEnd(Struct, frozen=True, kw_only=True):
    """What happened to one model in a run; `still_held` tells that an earlier run has said so, `next` what to do."""

    name: str
    outcome: Outcome
    reason: str
    next: str = ""
    still_held: bool = False


class RunEnd(Struct, frozen=True, kw_only=True):
    """What happened to a run; `state` is the option with which a command finds it."""

    run_id: str
    service: str
    exit_code: int
    models: Sequence[ModelEnd]
    state: str = ""


class Message(Struct, frozen=True, kw_only=True):
    """A title of one line and a body of several, in plain text; services show the `severity` as a colour or sign."""

    severity: Severity
    title: str
    body: str


def compose(entry: Notification, models: Mapping[str, Model], end: RunEnd) -> Message | None:
    """Return what the entry's recipient is told of the run; None when nothing concerns them."""
    told = [model for model in end.models if _concerns(entry, models[model.name], model)]
    if not told:
        return None
    told.sort(key=lambda mention: urgency(mention.outcome))
    lines = [f"{mention.name}: {in_words(mention.outcome)}. {_told(mention)}" for mention in told]
    closing = (
        f"Run {end.run_id} on {end.service} ended with exit code {end.exit_code} ({exit_meaning(end.exit_code)}); "
        f"`retrain report {end.run_id}{end.state}` shows it."
    )
    body = "\n".join([*_bounded(lines, _LONGEST_BODY - len(closing)), "", closing])
    return Message(
        severity=OUTCOMES[told[0].outcome].severity, title=f"retrain: {_counts(told)} (run {end.run_id})", body=body
    )


def _concerns(entry: Notification, model: Model, end: ModelEnd) -> bool:
    return (
        (ALWAYS in entry.on or (end.outcome in entry.on and not end.still_held))
        and (not entry.owners or model.owner in entry.owners)
        and (not entry.select or any(matches(model, selector) for selector in entry.select))
    )


def _counts(told: Sequence[ModelEnd]) -> str:
    outcomes = [end.outcome for end in told]
    return ", ".join(f"{outcomes.count(outcome)} {in_words(outcome)}" for outcome in dict.fromkeys(outcomes))


def _told(end: ModelEnd) -> str:
    return f"{_shortened(end.reason)} Next: {_shortened(end.next)}" if end.next else _shortened(end.reason)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + _CUT


def _bounded(lines: Sequence[str], longest: int) -> Iterator[str]:
    """Yield the lines that fit, made harmless, and how many do not."""
    left = longest - len(f"and {len(lines)} more\n")
    for index, line in enumerate(lines):
        safe = _harmless(line)
        left -= len(safe) + 1
        if left < 0:
            yield f"and {len(lines) - index} more"
            return
        yield safe


def _harmless(text: str) -> str:
    """Return one line of visible characters that calls nobody; the recipient's service escapes its own marks."""
    return _CALL.sub(lambda call: f"{call[0]} ", inline(text))

"""Messages and pings about a run: what they say, and how they are sent. A failure here never changes the run."""

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from runner.credentials import SourceError, read_secret
from runner.http.addresses import UnfitError, read_address
from runner.http.request import Broken, Deadlines, Request, ResponseHead
from runner.http.transport import Transport
from runner.journal.outcomes import OUTCOMES, Outcome, Severity, urgency
from runner.lib.secrets import Secret
from runner.manifest.model import Model, Notification, StoredKey
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


class UndeliveredError(Exception):
    """A delivery failed. `reason` is the end of a sentence, `hint` a sentence; neither holds the address."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Delivery(Struct, frozen=True, kw_only=True):
    """Something to send. `name` begins a sentence about it; `send` raises SourceError or UndeliveredError."""

    name: str
    send: Callable[[], None]


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a delivery was not made, in a sentence, and what to do about it."""

    message: str
    hint: str


def deliver(deliveries: Sequence[Delivery], *, seconds: float) -> list[Trouble]:
    """Make all deliveries at once and return what went wrong within `seconds`.

    A delivery that is not over by then is left to a thread that ends with the process.
    """
    ended: queue.SimpleQueue[tuple[int, Trouble | None]] = queue.SimpleQueue()
    for number, delivery in enumerate(deliveries):
        attempt = threading.Thread(
            target=lambda number, delivery: ended.put((number, _attempt(delivery))),
            args=(number, delivery),
            daemon=True,
        )
        attempt.start()
    found = _collect(ended, len(deliveries), seconds)
    late = Trouble(message=f"was not over within {seconds:g} seconds", hint="Check whether its address answers.")
    troubles = ((delivery, found.get(number, late)) for number, delivery in enumerate(deliveries))
    return [
        Trouble(message=f"{delivery.name} {trouble.message}.", hint=trouble.hint)
        for delivery, trouble in troubles
        if trouble is not None
    ]


def _collect(
    ended: "queue.SimpleQueue[tuple[int, Trouble | None]]", count: int, seconds: float
) -> dict[int, Trouble | None]:
    found: dict[int, Trouble | None] = {}
    end = time.monotonic() + seconds
    while len(found) < count:
        try:
            number, trouble = ended.get(timeout=max(end - time.monotonic(), 0))
        except queue.Empty:
            break
        found[number] = trouble
    return found


def _attempt(delivery: Delivery) -> Trouble | None:
    try:
        delivery.send()
    except SourceError as error:
        return Trouble(message=f"was not sent, because {error.reason}", hint=error.hint)
    except UndeliveredError as error:
        return Trouble(message=f"was not sent: {error.reason}", hint=error.hint)
    except Exception as error:  # noqa: BLE001 -- foreign code with a foreign service; its message may hold the address
        return Trouble(message=f"was not sent: it met the error {type(error).__name__}", hint="Check its address.")
    return None


START = "start"
_DEADLINES = Deadlines(connect=4, silence=4, call=4)


def send_ping(source: StoredKey, path: str) -> None:
    """Ask for the URL the source holds with `/word` at the end of its path.

    Raises:
        SourceError: there is no URL.
        UndeliveredError: it is not a http or https URL, or nobody answers there with a 2xx.
    """
    url = read_secret(source).reveal()
    base, mark, query = url.partition("?")
    request = Request(method="GET", url=Secret(f"{base.rstrip('/')}/{path}{mark}{query}"))
    answer = Transport(deadlines=_DEADLINES).exchange(request, _status)
    if isinstance(answer, Broken):
        raise UndeliveredError(f"{answer.host or 'its URL'} {answer.cause}", "Check its URL.")
    if not 200 <= answer < 300:
        raise UndeliveredError(f"its service answered with {answer}", "Check its URL.")


def require_url(source: StoredKey) -> None:
    """Raise where nothing can be pinged at the URL the source holds, as far as that shows without a request.

    Raises:
        SourceError: there is no URL.
        UndeliveredError: it is not a http or https URL.
    """
    try:
        read_address(read_secret(source).reveal())
    except UnfitError as error:
        raise UndeliveredError(f"its URL {error}", "Store an http or https URL there.") from None


def _status(head: ResponseHead, _blocks: Iterator[bytes]) -> int:
    return head.status


def send_message(source: StoredKey, message: Message) -> None:
    """Send one message to the address the source holds.

    Raises:
        SourceError: there is no address.
        UndeliveredError: apprise is not installed, does not know the address, or the service did not take the message.
    """
    apprise, service = _service(source)
    form, kind = apprise.NotifyFormat.TEXT, apprise.NotifyType(message.severity)
    if not service.notify(title=message.title, body=message.body, body_format=form, notify_type=kind):
        raise UndeliveredError("the service did not take it", "Check whether its address is still valid.")


def require_address(source: StoredKey) -> None:
    """Raise where no message can be sent to the address the source holds, as far as that shows without sending one.

    Raises:
        SourceError: there is no address.
        UndeliveredError: apprise is not installed, or does not know the address.
    """
    _service(source)


def _service(source: StoredKey) -> tuple[Any, Any]:
    """Return apprise, and the service at the address."""
    try:
        import apprise  # noqa: PLC0415 -- an extra, needed only here, and slow to import
    except ImportError:
        raise UndeliveredError(
            "the package apprise is not installed",
            "Install the extra `notify`: `pip install '.[notify]'` in a checkout of retrain-runner.",
        ) from None
    _mute_foreign_logs()
    address = read_secret(source)
    # No files, no further threads, no templates in a text from outside, and no address handed on to another host.
    asset = apprise.AppriseAsset(
        app_id="retrain", async_mode=False, storage_mode="memory", allow_templates=False, http_redirects=False
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(address.reveal()):
        raise UndeliveredError("apprise does not know its address", "Write it as apprise's list of services shows.")
    return apprise, service


def _mute_foreign_logs() -> None:
    """Let only our own records through from here on: apprise and what it calls log whole addresses, in any thread."""
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None and _is_ours not in handler.filters:
            handler.addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.startswith("runner.")

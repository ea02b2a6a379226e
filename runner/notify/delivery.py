"""Deliveries side by side within one time limit. What goes wrong is told, without a secret, and stops nothing."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from runner.credentials import SourceError


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
            target=lambda number, one: ended.put((number, _attempt(one))),
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

"""Deliveries do not wait for each other, end in time, and tell their trouble without a secret."""

import threading
import time

from runner.credentials import SourceError
from runner.notify import Delivery, UndeliveredError, deliver

CANARY = "CANARYaddress"


def test_trouble_is_told_in_the_order_of_the_deliveries_and_without_a_foreign_errors_text() -> None:
    def foreign() -> None:
        raise ValueError(f"https://{CANARY}")

    def absent() -> None:
        raise SourceError("the environment variable HOOK is not set", "Set HOOK.")

    def refused() -> None:
        time.sleep(0.05)
        raise UndeliveredError("the service did not take it", "Check it.")

    sends = {"A": refused, "B": absent, "C": foreign, "D": lambda: None}
    troubles = deliver([Delivery(name=name, send=send) for name, send in sends.items()], seconds=10)
    assert [trouble.message for trouble in troubles] == [
        "A was not sent: the service did not take it.",
        "B was not sent, because the environment variable HOOK is not set.",
        "C was not sent: it met the error ValueError.",
    ]
    assert [trouble.hint for trouble in troubles] == ["Check it.", "Set HOOK.", "Check its address."]
    assert CANARY not in str(troubles)


def test_a_delivery_that_hangs_delays_no_other_and_is_left_behind() -> None:
    release, made = threading.Event(), threading.Event()
    began = time.monotonic()
    troubles = deliver(
        [Delivery(name="A", send=lambda: void(release.wait(30))), Delivery(name="B", send=made.set)], seconds=0.3
    )
    assert time.monotonic() - began < 5
    assert made.is_set()
    assert [trouble.message for trouble in troubles] == ["A was not over within 0.3 seconds."]
    release.set()


def test_nothing_to_deliver_takes_no_time() -> None:
    began = time.monotonic()
    assert deliver([], seconds=10) == []
    assert time.monotonic() - began < 9


def void(_value: object) -> None:
    """Let a call are where nothing may be returned."""

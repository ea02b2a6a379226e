"""The small readers: signed URLs' expiry, Retry-After, addresses, lines of text, countdowns."""

import time
from datetime import UTC, datetime

import pytest

from runner.service.addresses import Address, UnfitError, read_address
from runner.service.deadlines import Countdown, Deadlines
from runner.service.documents import NotJsonError, one_line, read_json
from runner.service.expiry import expiry
from runner.service.retry_after import retry_after

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20260102T114500Z&X-Amz-Expires=900&X-Amz-Signature=s",
        "x-amz-expires=900&x-amz-date=20260102T114500Z",
        "X-Goog-Date=20260102T110000Z&X-Goog-Expires=3600",
        "AWSAccessKeyId=A&Expires=1767355200&Signature=s",
        "GoogleAccessId=a&Expires=1767355200",
        "sv=2024&se=2026-01-02T12%3A00%3A00Z&sig=s",
        "se=2026-01-02T12:00Z",
        "se=2026-01-02T13:00:00%2B01:00",
        "se=2026-01-02T12:00:00",
    ],
)
def test_the_known_forms_of_a_signed_url_tell_when_it_expires(query: str) -> None:
    found = expiry(f"https://store.example/a?{query}")
    assert found == NOON
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "query",
    [
        "",
        "X-Amz-Expires=900",
        "X-Amz-Date=20260102T114500Z",
        "X-Amz-Date=20260102T114500Z&X-Amz-Expires=-1",
        "X-Amz-Date=20260102T114500Z&X-Amz-Expires=soon",
        "X-Amz-Date=today&X-Amz-Expires=900",
        "X-Amz-Date=99991231T235959Z&X-Amz-Expires=999999999999",
        "Expires=never",
        "Expires=999999999999",
        "Expires=99999999999999999999",
        "se=tomorrow",
    ],
)
def test_a_url_that_does_not_tell_is_none_and_never_an_error(query: str) -> None:
    assert expiry(f"https://store.example/a?{query}") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("301", 300.0),
        ("9" * 5000, 300.0),
        ("-1", None),
        ("1.5", None),
        ("Fri, 02 Jan 2026 12:00:30 GMT", 30.0),
        ("Friday, 02-Jan-26 12:00:30 GMT", 30.0),
        ("Fri, 02 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2027 12:00:00 GMT", 300.0),
        ("Fri, 02 Jan 2026 12:00:30 -0000", 30.0),
        ("Fri, 99 Jan 2026 12:00:30 GMT", None),
        ("tomorrow", None),
    ],
)
def test_retry_after_is_0_to_300_seconds_or_unknown(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=NOON) == seconds


def test_an_address_keeps_its_target_byte_for_byte() -> None:
    assert read_address("HTTPS://Store.Example:8443/a/../b%2f?x=%e3#".rstrip("#")) == Address(
        scheme="https", host="store.example", port=8443, target="/a/../b%2f?x=%e3"
    )
    assert read_address("http://[::1]:80/?") == Address(scheme="http", host="::1", port=80, target="/?")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store.example/a",
        "//store.example/a",
        "ftp://store.example/a",
        "https:///a",
        "https://store.example",
        "https://store.example?a",
        "https://store.example/a#b",
        "https://u@store.example/a",
        "https://store.example:port/a",
        "https://store.example:99999/a",
        "https://store.example:0/a",
        "https://[::1/a",
        "https://store.example/a b",
        "https://store.example/a\r\nX: 1",
        "https://store.example/é",
    ],
)
def test_what_cannot_go_to_the_wire_as_it_stands_is_unfit(url: str) -> None:
    with pytest.raises(UnfitError) as caught:
        read_address(url)
    assert not url or url not in str(caught.value)


def test_one_line_drops_controls_and_cuts() -> None:
    assert one_line(" a\x00b\tc\u2028d\ue000e ") == "a b c d e"
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 199 + "…"
    assert one_line("\x00" * 10_000_000) == ""


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1,"a":1}', b"NaN", b"[-Infinity]", b"[" * 10**6])
def test_anything_but_strict_json_is_our_own_error(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        read_json(body)


def test_a_transfer_has_time_for_its_size_up_to_the_longest() -> None:
    deadlines = Deadlines()
    assert deadlines.transfer(0) == 60
    assert deadlines.transfer(64 * 1024 * 10) == 70
    assert deadlines.transfer(10**15) == 6 * 3600


def test_a_countdown_cuts_each_wait_to_what_is_left_and_then_ends() -> None:
    assert Countdown(silence=5, total=60).patience() == 5
    assert 0 < Countdown(silence=60, total=5).patience() <= 5
    over = Countdown(silence=60, total=0)
    time.sleep(0.001)
    assert over.over
    with pytest.raises(TimeoutError):
        over.patience()
    over.restart(5)
    assert not over.over

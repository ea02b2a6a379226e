"""The small readers: signed URLs' expiry, Retry-After, addresses, lines of text, countdowns."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from runner.http.addresses import Address, UnfitError, read_address
from runner.http.headers import retry_after
from runner.http.request import Countdown, Deadlines, cause
from runner.http.responses import Answer, NotJsonError, one_line, read_json
from runner.providers.prediction_one.errors import explain_status
from runner.providers.prediction_one.response_reading import expiry

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
        "se=0001-01-01",
        "se=9999-12-31T23:59:59Z",
        "X-Amz-Date=00010101T000000Z&X-Amz-Expires=900",
        "Expires=0",
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


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1,"a":1}', b"[" * 10**6])
def test_anything_but_strict_json_is_our_own_error(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        read_json(body)


def test_a_number_that_json_lacks_is_text_as_a_field_that_nobody_needs_may_have_it() -> None:
    assert read_json(b'{"loss": NaN, "best": [-Infinity], "status": "running"}') == {
        "loss": "NaN",
        "best": ["-Infinity"],
        "status": "running",
    }


@pytest.mark.parametrize("foreign", ["Hostname mismatch, certificate is not valid for 'a'.", "self-signed certificate"])
def test_the_cause_of_a_bad_certificate_is_the_end_of_one_sentence(foreign: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_message = foreign
    words = cause(error, Countdown(Deadlines()))
    assert words == f"shows a certificate that is not trusted: {foreign.rstrip('.')}"


@pytest.mark.parametrize(("said", "told"), [("Too busy.", "Too busy."), ("why?", "why?."), ("a …", "a …."), ("", "")])
def test_what_a_service_says_becomes_one_sentence_of_ours(said: str, told: str) -> None:
    answer = Answer(host="api.test", status=500, date=None, after=None, body=said.encode(), flaw=None)
    assert explain_status(answer).message == (f"api.test answered 500: {told}" if said else "api.test answered 500.")


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass without waiting for it."""
    now = [0.0]
    monkeypatch.setattr("runner.http.request.time", SimpleNamespace(monotonic=lambda: now[0]))

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_a_countdown_cuts_each_wait_to_what_is_left_and_then_ends(passing: Callable[[float], None]) -> None:
    countdown = Countdown(Deadlines(silence=20, call=60))
    assert countdown.patience() == 20
    passing(55)
    assert countdown.patience() == 5
    passing(5)
    assert countdown.over
    with pytest.raises(TimeoutError):
        countdown.patience()


def minutes_of(passing: Callable[[float], None], *, size: int, every: float, wanted: int) -> float:
    """Let `size` bytes come every so many seconds until `wanted` came or the countdown ends; return the minutes."""
    countdown = Countdown(Deadlines())
    countdown.expect_file()
    seconds, came = 0.0, 0
    while came < wanted and not countdown.over:
        passing(every)
        seconds += every
        came += size
        countdown.received(size)
    return seconds / 60


def test_a_byte_every_two_fifths_of_a_second_ends_after_a_minute(passing: Callable[[float], None]) -> None:
    assert 1 <= minutes_of(passing, size=1, every=0.4, wanted=1 << 30) < 1.1


def test_a_gibibyte_over_a_line_of_half_a_megabit_or_more_is_not_ended_before_six_hours(
    passing: Callable[[float], None],
) -> None:
    assert minutes_of(passing, size=64_000, every=1, wanted=1 << 30) == pytest.approx((1 << 30) / 64_000 / 60, rel=0.01)
    assert minutes_of(passing, size=20_000, every=1, wanted=1 << 30) == pytest.approx(6 * 60, rel=0.01)


def test_time_is_not_saved_up_by_what_came_fast(passing: Callable[[float], None]) -> None:
    countdown = Countdown(Deadlines())
    countdown.expect_file()
    countdown.received(1 << 30)
    passing(61)
    assert countdown.over


@pytest.mark.parametrize("host", ["%", "a%zz", "%61%0d%0a", "a%00b", "a\\b", "-", "*", "a|b", "a" * 254, "xn--"])
def test_a_host_that_cannot_be_one_is_refused(host: str) -> None:
    with pytest.raises(UnfitError, match="names no valid host"):
        read_address(f"https://{host}/x")


@pytest.mark.parametrize("host", ["store.example.", "a_b", "192.0.2.1", "[::1]", "[fe80::1%25eth0]", "xn--r8jz45g"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert read_address(f"https://{host}/x").host == host.strip("[]")

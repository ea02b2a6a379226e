"""Messages and pings against a receiver on this machine, over real sockets."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from runner.credentials import SourceError
from runner.manifest.model import EnvKey
from runner.notify import Message, UndeliveredError, send_message, send_ping
from tests.fakes.loopback_port import Answer
from tests.fakes.receiver import Receiver

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it

CANARY = "CANARYaddress"
SOURCE = EnvKey(name="WHERE")
MESSAGE = Message(severity="failure", title="retrain: 1 failed", body="a & <b>: {{ c }} *failed*. Why.\n\nRun 1.")


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Give the handlers back what `send_message` filters out for the rest of a process."""
    handlers = [*logging.getLogger().handlers, logging.lastResort]
    before = [(handler, list(handler.filters)) for handler in handlers if handler is not None]
    yield
    for handler, filters in before:
        handler.filters = filters


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def chat(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Let the source lead to the receiver in apprise's form."""
    monkeypatch.setenv("WHERE", f"{receiver.chat_url}/{CANARY}")
    return receiver


@pytest.fixture
def switch(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Let the source lead to the receiver as a dead-man switch."""
    monkeypatch.setenv("WHERE", f"{receiver.url}/{CANARY}/?token=a%2fb")
    return receiver


def test_a_message_arrives_once_with_title_body_and_tone_as_they_are(chat: Receiver) -> None:
    send_message(SOURCE, MESSAGE)
    assert len(chat.got) == 1
    sent = json.loads(chat.got[0].body)
    assert (sent["title"], sent["message"], sent["type"]) == (MESSAGE.title, MESSAGE.body, "failure")


@pytest.mark.parametrize("status", [302, 400, 404, 500, None])
def test_a_service_that_does_not_take_the_message_is_trouble_without_its_address(
    chat: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], status: int | None
) -> None:
    chat.answer = Answer(status=status, headers=(("Location", f"{chat.url}/elsewhere"),))
    logging.getLogger().addHandler(handler := logging.StreamHandler(sys.stderr))
    try:
        with caplog.at_level(1), pytest.raises(UndeliveredError) as caught:
            send_message(SOURCE, MESSAGE)
    finally:
        logging.getLogger().removeHandler(handler)
    assert [request.target for request in chat.got] == [f"/{CANARY}"], "it is sent once, and to no other place"
    assert CANARY not in f"{caught.value} {caught.value.hint} {capfd.readouterr()} {caplog.text}"


def test_an_address_apprise_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", f"no-such-service://{CANARY}")
    with pytest.raises(UndeliveredError, match="does not know its address"):
        send_message(SOURCE, MESSAGE)


def test_an_absent_address_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHERE", raising=False)
    with pytest.raises(SourceError, match="WHERE is not set"):
        send_message(SOURCE, MESSAGE)
    with pytest.raises(SourceError, match="WHERE is not set"):
        send_ping(SOURCE, "0")


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, chat: Receiver) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UndeliveredError) as caught:
        send_message(SOURCE, MESSAGE)
    assert ".[notify]" in caught.value.hint
    assert chat.got == []


def test_a_ping_adds_its_word_to_the_path_and_leaves_the_query_alone(switch: Receiver) -> None:
    send_ping(SOURCE, "start")
    send_ping(SOURCE, "143")
    assert [(one.method, one.target) for one in switch.got] == [
        ("GET", f"/{CANARY}/start?token=a%2fb"),
        ("GET", f"/{CANARY}/143?token=a%2fb"),
    ]


@pytest.mark.parametrize("status", [302, 404, 500, None])
def test_a_ping_that_is_not_taken_is_trouble_and_not_repeated(switch: Receiver, status: int | None) -> None:
    switch.answer = Answer(status=status, headers=(("Location", f"{switch.url}/elsewhere"),))
    with pytest.raises(UndeliveredError) as caught:
        send_ping(SOURCE, "0")
    assert len(switch.got) == 1
    assert CANARY not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "url", [CANARY, f"ftp://host/{CANARY}", f"http://user:{CANARY}@host/x", f"http://host/#{CANARY}"]
)
def test_a_ping_to_what_is_not_a_web_address_is_trouble(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WHERE", url)
    with pytest.raises(UndeliveredError) as caught:
        send_ping(SOURCE, "0")
    assert CANARY not in f"{caught.value} {caught.value.hint}"

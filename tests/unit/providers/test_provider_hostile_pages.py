"""Error pages whose every part begins something that never ends are read in linear time."""

import time

import pytest

from runner.http.responses import one_line
from runner.lib.secrets import Redactor, Secret
from runner.providers.prediction_one.responses import documented, said, store_code

_SIZE = 64 * 1024  # as far as an error's body is looked at
_MOST_WORK = 0.5  # seconds of a core; it takes a hundredth
_PIECES = ("<head", "<style>", "<script x", "<head></head", "</head ", "http://", "<Code>", "<a", "<", "[{", "\x00")


@pytest.mark.parametrize("piece", _PIECES)
def test_a_page_of_beginnings_is_read_in_linear_time(piece: str) -> None:
    text = piece * (_SIZE // len(piece))
    page = text.encode()
    began = time.thread_time()
    said(page)
    documented(page)
    store_code(page)
    assert time.thread_time() - began < _MOST_WORK


@pytest.mark.parametrize("piece", ["http://", "https://a", "http", "http…", "httphttp…"])
def test_secrets_are_looked_for_in_linear_time(piece: str) -> None:
    redactor = Redactor()
    redactor.learn(Secret("https://store.test/a?X-Amz-Signature=0123456789abcdef0123456789"))
    began = time.thread_time()
    redactor.redact(f"{piece * (_SIZE // len(piece))}…")
    assert time.thread_time() - began < 2 * _MOST_WORK


def test_what_a_reader_does_not_see_is_left_out_and_what_has_no_end_stays() -> None:
    page = b"<HEAD><title>x</title></head ><p>no</p><script>1</script><style>a</STYLE>way<script>2"
    assert said(page) == "no way 2"


def test_a_text_that_is_cut_says_so_though_little_of_it_can_be_seen() -> None:
    assert one_line("\x00" * 3990 + "CANARY-key-0123456789") == "CANARY-key…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see http://a/b?c=d e", "see http://a/b?*** e"),
        ("http://a/b#c?d", "http://a/b#c?***"),
        ("http://a/b?", "http://a/b?"),
        ("<a href='HTTPS://a/b?c'>", "<a href='HTTPS://a/b?***'>"),
    ],
)
def test_the_query_of_any_url_is_hidden(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown

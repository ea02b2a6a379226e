"""No text that the client hands back holds a secret, in whatever form the service repeats it."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple

from runner.lib.checksums import Checksum
from runner.lib.secrets import Redactor, Secret
from runner.providers.base import Done, ServiceError
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.redaction import discreet_effect
from tests.fakes.local_files import local

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
KEY = "Key-Canary-4711"
SIGNATURE = "Signature-Canary-0123456789"
FORMS = {
    "plain": KEY,
    "escaped": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "in lower case": KEY.lower(),
    "as a URL": f"http://store.test/x?sig={SIGNATURE}",
    "cut off": "x" * 190 + KEY,
}


def text_of(call: Callable[[Client], Any], client: Client) -> str:
    """Return all texts of what a call hands back or raises."""
    try:
        given = call(client)
    except ServiceError as error:
        return f"{error.message} {error.hint} {error!r} {error.__cause__} {error.args}"
    return " ".join(str(value) for value in astuple(given))


CALLS: dict[str, Callable[[Client], Any]] = {
    "upload_url": lambda client: client.take_job(Secret(KEY), "train.csv"),
    "status": lambda client: client.status(Secret(KEY), "job-1"),
    "switch": lambda client: client.switch(Secret(KEY), "job-1"),
    "api_key": lambda client: client.fetch_api_key(Secret(KEY), 7),
    "classifiers": lambda client: client.classifiers(Secret(KEY)),
}


@pytest.mark.parametrize(
    "form",
    [
        KEY.upper(),
        KEY.swapcase(),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        KEY.encode().hex(":"),
        "".join(f"%{byte:02X}" for byte in KEY.encode()),
        *(base64.b64encode(before + KEY.encode() + b":more").decode() for before in (b"", b"u", b"us", b"user:")),
        *(base64.urlsafe_b64encode(b"\xff" * count + KEY.encode()).decode() for count in range(4)),
    ],
)
def test_a_key_is_known_in_every_encoding_that_is_cheap_to_know(form: str) -> None:
    redactor = Redactor()
    redactor.learn(Secret(KEY))
    shown = redactor.redact(f"\u0130 before {form} after \u0130")
    assert shown.startswith("\u0130 before ")
    assert shown.endswith(" after \u0130")
    left = shown.removeprefix("\u0130 before ").removesuffix(" after \u0130")
    assert "***" in left
    assert len(left.replace("***", "")) <= len(form) - len(KEY)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_an_error_that_repeats_the_key_does_not_show_it(
    serve: Serve, make_client: MakeClient, name: str, form: str
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(400, f'{{"message": "no {FORMS[form]}"}}')

    server = serve(behave)
    text = text_of(CALLS[name], make_client(server.url))
    assert "400" in text
    assert "canary" not in text.lower()


@pytest.mark.parametrize("word", ["status", "message"])
@pytest.mark.parametrize("form", FORMS)
def test_a_status_that_repeats_the_key_does_not_show_it(
    serve: Serve, make_client: MakeClient, word: str, form: str
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        text = f'"{word}": "{FORMS[form]}"'
        peer.answer(200, f"{{{text}}}" if word == "status" else f'{{"status": "going", {text}}}')

    server = serve(behave)
    text = text_of(CALLS["status"], make_client(server.url))
    assert "going" in text
    assert "canary" not in text.lower()


def test_a_retrain_job_named_by_the_key_is_refused(serve: Serve, make_client: MakeClient) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200, {"retrain_job_id": f"job-{KEY}", "upload_url": "http://127.0.0.1:9/x"})

    text = text_of(CALLS["upload_url"], make_client(serve(behave).url))
    assert "by a secret" in text
    assert "canary" not in text.lower()


def test_the_end_date_of_a_key_is_not_the_key(serve: Serve, make_client: MakeClient) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200, {"api_key": "new-canary-key", "end_date": "until new-canary-key"})

    assert "canary" not in text_of(CALLS["api_key"], make_client(serve(behave).url)).lower()


@pytest.mark.parametrize("status", [200, 400, 403, 404, 503])
def test_a_store_that_names_its_error_by_the_signature_does_not_show_it(
    serve: Serve, make_client: MakeClient, tmp_path: Path, status: int
) -> None:
    code = SIGNATURE.replace("-", "")

    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(
            status, f"<Error><Code>{code}</Code></Error>", Content_Encoding="x" if status == 200 else "identity"
        )

    server, file = serve(behave), tmp_path / "train.csv"
    file.write_bytes(b"x")
    url, client = Secret(f"{server.url}/x?sig={code}"), make_client()
    sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    shown = text_of(
        lambda client: client.upload(url, local(file), content=Checksum(bytes=1, sha256=sha256)),
        client,
    )
    shown += text_of(lambda client: client.download(url, tmp_path / "result", limit=10), client)
    assert "canary" not in shown.lower()


def test_what_proved_an_effect_is_told_without_a_secret() -> None:
    redactor = Redactor()
    redactor.learn(Secret(KEY))
    assert discreet_effect(Done(detail=f"by {KEY}"), redactor) == Done(detail="by ***")

"""Error bodies: the documented messages are found in every shape a body may have."""

import json
from collections.abc import Callable

import pytest

from runner.errors import Kind
from runner.providers.base import Code
from runner.providers.prediction_one.responses import DOCUMENTED, documented, said, store_code

SHAPES: dict[str, Callable[[str], object]] = {
    "flat": lambda text: {"code": "4001000204", "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": text},
    "code as number": lambda text: {"code": 4001000204, "error": "PREDA_EXTERNAL_BAD_REQUEST", "message": text},
    "short code": lambda text: {"code": 400100204, "message": text},
    "error is the message": lambda text: {"error": text},
    "nested": lambda text: {"error": {"code": 1, "message": text}},
    "list": lambda text: {"errors": [{"code": "1", "message": text}]},
    "list on top": lambda text: [{"message": text}],
    "detail": lambda text: {"detail": text, "message": "Bad Request"},
    "xml": lambda text: f"<?xml version='1.0'?><Error><Message>{text}</Message></Error>",
    "html": lambda text: f"<html><body><p>\n {text}\n</p></body></html>",
    "text": lambda text: text,
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as documented": str,
    "no full stop": lambda text: text.rstrip("."),
    "upper case": str.upper,
    "spaces around": lambda text: f"  {text} \r\n",
    "underscores": lambda text: text.replace(" ", "_"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_documented_message_is_found_in_each_shape_and_spelling(shape: str, spelling: str) -> None:
    for row in DOCUMENTED:
        content = SHAPES[shape](SPELLINGS[spelling](row.text))
        body = content if isinstance(content, str) else json.dumps(content)
        assert documented(body.encode()) is row
        assert documented(b"\xef\xbb\xbf" + body.encode()) is row


def test_the_table_has_every_message_of_the_contract_once() -> None:
    """The ten messages of the error table; each row has its own code, message and hint."""
    assert {row.text for row in DOCUMENTED} == {
        "invalid_api_key.",
        "Inactive_credential.",
        "Not_found_credential.",
        "This user may be deleted.",
        "This model may be deleted.",
        "This job may be deleted.",
        "Not found retrain job.",
        "Not found classifier.",
        "Retrain job is not finished.",
        "Not found configuration_file.",
    }
    assert {row.code for row in DOCUMENTED} == set(Code) - {Code.EXPIRED_URL, Code.PART_ELSEWHERE}
    assert len({row.message for row in DOCUMENTED}) == len({row.hint for row in DOCUMENTED}) == len(DOCUMENTED)
    keys = {row.code for row in DOCUMENTED if row.kind is Kind.CREDENTIALS}
    assert keys == {Code.INVALID_KEY, Code.INACTIVE_KEY, Code.NOT_FOUND_KEY}
    assert all(row.message.endswith(".") and row.hint.endswith(".") for row in DOCUMENTED)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"\xff\xfe", b'{"code": "4001000204"}', b'{"message": "Retrain job is not"}', b"[" * 9999],
)
def test_nothing_else_is_taken_for_documented(body: bytes) -> None:
    assert documented(body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Forbidden"}', "Forbidden"),
        (b'{"error": {"detail": "Too\\n  many"}}', "Too many"),
        (b'{"error": "Bad Request", "message": "outer", "inner": {"message": "inner"}}', "outer"),
        (b"<html><head><title>t</title><style>p {}</style></head><p>Gateway <b>down</b></p></html>", "Gateway down"),
        (b"plain \x00\x1b[0m text \xff", "plain [0m text \ufffd"),
        ("\u202ereversed".encode(), "reversed"),
        (b'{"x": 1}', ""),
        (b"", ""),
    ],
)
def test_what_a_refusal_says_is_one_line_without_control_characters(body: bytes, words: str) -> None:
    assert said(body) == words


def test_what_a_refusal_says_is_short() -> None:
    assert len(said(b"word " * 10_000)) == 200


def test_only_the_code_of_a_stores_error_is_read() -> None:
    assert store_code(b"<Error><Code> AccessDenied </Code><Message>secret</Message></Error>") == "AccessDenied"
    assert store_code(b"<Error><Code>https://x/?sig=1</Code></Error>") is None
    assert store_code(b"") is None

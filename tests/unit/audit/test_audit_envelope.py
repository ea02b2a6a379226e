"""Signatures: by the DSSE specification, and read and made by another implementation of it."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined] # its package does not list what it gives

from runner.audit.envelope import (
    PAYLOAD_TYPE,
    InvalidSignature,
    MalformedError,
    PublicKey,
    SigningKey,
    UntrustedSignature,
    ValidSignature,
    check_signatures,
    envelope_bytes,
    new_key,
    pre_authentication,
    read_envelope,
    signed,
)

PAYLOAD = '{"_type":"https://in-toto.io/Statement/v1","name":"売上"}'.encode()


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return new_key()


@pytest.fixture(scope="module")
def other() -> SigningKey:
    return new_key()


def foreign_key(key: SigningKey) -> SSlibKey:
    made: SSlibKey = SSlibKey.from_crypto(load_pem_public_key(key.public.pem()), keyid=key.key_id)
    return made


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    """The example of the DSSE protocol, version 1."""
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_another_implementation_verifies_our_envelope(key: SigningKey) -> None:
    document = json.loads(envelope_bytes(signed(PAYLOAD, key)))
    envelope = ForeignEnvelope.from_dict(document)
    assert envelope.payload == PAYLOAD
    assert list(envelope.verify([foreign_key(key)], 1)) == [key.key_id]


def test_another_implementation_refuses_our_envelope_around_another_payload(key: SigningKey) -> None:
    document = json.loads(envelope_bytes(signed(PAYLOAD, key)))
    document["payload"] = base64.b64encode(PAYLOAD + b" ").decode()
    with pytest.raises(VerificationError):
        ForeignEnvelope.from_dict(document).verify([foreign_key(key)], 1)


def test_an_envelope_of_another_implementation_is_verified() -> None:
    signer = CryptoSigner.generate_ed25519()
    envelope = ForeignEnvelope(PAYLOAD, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    trusted = PublicKey(raw=bytes.fromhex(signer.public_key.keyval["public"]))
    ours = read_envelope(json.dumps(envelope.to_dict()).encode())
    assert ours.content == PAYLOAD
    assert check_signatures(ours, {trusted.key_id: trusted}) == [ValidSignature(key_id=trusted.key_id)]


def test_signatures_of_several_keys_stand_side_by_side_and_the_same_key_signs_once(
    key: SigningKey, other: SigningKey
) -> None:
    first = signed(PAYLOAD, key)
    both = signed(PAYLOAD, other, before=first.signatures)
    assert signed(PAYLOAD, key, before=both.signatures) == both
    trusted = {one.key_id: one.public for one in (key, other)}
    assert {check.key_id for check in check_signatures(both, trusted)} == set(trusted)
    assert all(isinstance(check, ValidSignature) for check in check_signatures(both, trusted))


def test_a_signature_of_a_key_that_is_not_trusted_is_unproven(key: SigningKey, other: SigningKey) -> None:
    envelope = signed(PAYLOAD, key)
    assert check_signatures(envelope, {}) == [UntrustedSignature(key_id=key.key_id)]
    assert check_signatures(envelope, {other.key_id: other.public}) == [UntrustedSignature(key_id=key.key_id)]


@pytest.mark.parametrize("field", ["payload", "sig"])
def test_a_changed_byte_makes_a_trusted_keys_signature_wrong(key: SigningKey, field: str) -> None:
    document = json.loads(envelope_bytes(signed(PAYLOAD, key)))
    place: dict[str, Any] = document if field == "payload" else document["signatures"][0]
    content = bytearray(base64.b64decode(place[field]))
    content[7] ^= 1
    place[field] = base64.b64encode(content).decode()
    envelope = read_envelope(json.dumps(document).encode())
    assert check_signatures(envelope, {key.key_id: key.public}) == [InvalidSignature(key_id=key.key_id)]


def test_a_key_id_is_only_a_hint_and_base64_may_be_that_of_urls(key: SigningKey) -> None:
    document = json.loads(envelope_bytes(signed(PAYLOAD, key)))
    document["signatures"][0] = {"sig": document["signatures"][0]["sig"].replace("+", "-").replace("/", "_"), "x": 1}
    envelope = read_envelope(json.dumps(document).encode())
    assert check_signatures(envelope, {key.key_id: key.public}) == [ValidSignature(key_id=key.key_id)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{" * 5000,
        b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}',
        b'{"payload":"","payloadType":"text/plain","signatures":[{"sig":""}]}',
        b'{"payload":"*","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""}]}',
        b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"a"}]}',
        '{"payload":"ä","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""}]}'.encode(),
    ],
)
def test_what_is_not_an_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError):
        read_envelope(content)


def test_an_envelope_with_a_signature_of_no_length_proves_nothing(key: SigningKey) -> None:
    empty = read_envelope(b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""}]}')
    assert check_signatures(empty, {key.key_id: key.public}) == [UntrustedSignature(key_id="")]


def test_a_signature_verifies_with_openssl_where_it_is_installed(key: SigningKey, tmp_path: Path) -> None:
    envelope = signed(PAYLOAD, key)
    (tmp_path / "message").write_bytes(pre_authentication(PAYLOAD_TYPE, PAYLOAD))
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope.signatures[0].sig))
    (tmp_path / "key").write_bytes(key.public.pem())
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "message"]
    try:
        done = subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    if b"rawin" in done.stderr:
        pytest.skip("this openssl knows no -rawin")
    assert done.returncode == 0, done.stderr

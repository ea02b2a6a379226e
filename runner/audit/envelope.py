"""The DSSE envelope around a statement: the payload, and signatures over the payload with its type.

Format: https://github.com/secure-systems-lab/dsse, protocol version 1.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from runner.audit.keys import PublicKey, SigningKey
from runner.lib.canonical_json import canonical_bytes

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST = 64 * 1024 * 1024  # bytes of an envelope; a run of ten thousand models makes about ten million


class MalformedError(ValueError):
    """The bytes are not a DSSE envelope around a statement."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature in base64; `keyid` is a hint which key made it. Fields of other programs are passed over."""

    sig: str
    keyid: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename={"payload_type": "payloadType"}):
    """An envelope as it is in a file; the payload is base64."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]

    @property
    def content(self) -> bytes:
        """Return the payload's bytes."""
        return _unquoted(self.payload)


class ValidSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A trusted key made the signature."""

    key_id: str


class UntrustedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """No trusted key is the one the signature names, so it proves nothing here."""

    key_id: str


class InvalidSignature(msgspec.Struct, frozen=True, kw_only=True):
    """The signature names a trusted key, which did not make it."""

    key_id: str


Check = ValidSignature | UntrustedSignature | InvalidSignature


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: type and payload, each behind its length, so that neither can pass as other."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def signed(payload: bytes, key: SigningKey, *, before: Sequence[Signature] = ()) -> Envelope:
    """Return the envelope with the key's signature added to those before; the same key's is replaced."""
    made = Signature(
        keyid=key.key_id, sig=base64.b64encode(key.sign(pre_authentication(PAYLOAD_TYPE, payload))).decode()
    )
    others = [signature for signature in before if signature.keyid != key.key_id]
    return Envelope(
        payload=base64.b64encode(payload).decode(),
        payload_type=PAYLOAD_TYPE,
        signatures=tuple(sorted([*others, made], key=lambda other: other.keyid)),
    )


def envelope_bytes(envelope: Envelope) -> bytes:
    """Return the envelope as RFC 8785 JSON with a line's end."""
    return canonical_bytes(msgspec.to_builtins(envelope)) + b"\n"


def read_envelope(content: bytes) -> Envelope:
    """Return the envelope in a file.

    Raises:
        MalformedError: it is none, or one around another type of payload, or without a signature.
    """
    try:
        envelope = msgspec.json.decode(content, type=Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedError("it is not a DSSE envelope") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedError("its payload is not an in-toto statement")
    if not envelope.signatures:
        raise MalformedError("it holds no signature")
    for text in (envelope.payload, *(signature.sig for signature in envelope.signatures)):
        _unquoted(text)
    return envelope


def check_signatures(envelope: Envelope, trusted: Mapping[str, PublicKey]) -> list[Check]:
    """Return what each signature is worth to someone who trusts these keys, by key id.

    A key id is only a hint, as the format says: every trusted key is tried.
    """
    message = pre_authentication(envelope.payload_type, envelope.content)
    return [_check(signature, message, trusted) for signature in envelope.signatures]


def _check(signature: Signature, message: bytes, trusted: Mapping[str, PublicKey]) -> Check:
    value = _unquoted(signature.sig)
    for key_id, key in trusted.items():
        if key.made(value, message):
            return ValidSignature(key_id=key_id)
    return (
        InvalidSignature(key_id=signature.keyid)
        if signature.keyid in trusted
        else UntrustedSignature(key_id=signature.keyid)
    )


def _unquoted(text: str) -> bytes:
    """Return the bytes of base64, in the alphabet for files or for URLs: the format allows both."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("it holds something that is not base64") from None

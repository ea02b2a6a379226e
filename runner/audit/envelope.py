"""DSSE envelopes, and the Ed25519 keys that sign and check them."""

import base64
import binascii
import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from runner.errors import UsageError
from runner.lib.canonical_json import canonical_bytes

if TYPE_CHECKING:  # from an extra, loaded when first used
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_OPENSSH_PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_PUBLIC = b"ssh-"
_PRIVATE = b"PRIVATE KEY-----"
# SubjectPublicKeyInfo of an Ed25519 key is this, then its 32 bytes: RFC 8410, section 4.
_PUBLIC_PREFIX = bytes.fromhex("302a300506032b6570032100")


class NotAKeyError(ValueError):
    """The bytes are not an Ed25519 key of the wanted kind; the text says why and shows nothing of them."""


class PublicKey(Struct, frozen=True, kw_only=True):
    """A key that checks signatures: its 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """Return the lower-case hex SHA-256 of the key's DER form."""
        return hashlib.sha256(_PUBLIC_PREFIX + self.raw).hexdigest()

    def made(self, signature: bytes, message: bytes) -> bool:
        """Return whether this key made the signature over the message."""
        invalid = _library("exceptions").InvalidSignature
        try:
            _ed25519().Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except invalid:
            return False
        return True

    def pem(self) -> bytes:
        """Return the key as PEM."""
        forms = _serialization()
        key = _ed25519().Ed25519PublicKey.from_public_bytes(self.raw)
        pem: bytes = key.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
        return pem


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that signs: its secret 32 bytes, which no representation shows."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Return the key that checks this one's signatures."""
        return PublicKey(raw=self._key().public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """Return the id of the public key."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the signature's 64 bytes; the same message gives the same ones."""
        return self._key().sign(message)

    def pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8 PEM, for a file that its owner alone can read."""
        forms = _serialization()
        return self._key().private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())

    def _key(self) -> "Ed25519PrivateKey":
        key: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed)
        return key


def new_key() -> SigningKey:
    """Return a fresh key.

    Raises:
        UsageError: the extra `sign` is not installed.
    """
    return SigningKey(seed=_ed25519().Ed25519PrivateKey.generate().private_bytes_raw())


def read_signing_key(content: bytes) -> SigningKey:
    """Return the key in a PKCS #8 or OpenSSH private key file.

    Raises:
        NotAKeyError: it is encrypted, of another kind, or no key.
        UsageError: the extra `sign` is not installed.
    """
    forms = _serialization()
    load = forms.load_ssh_private_key if content.lstrip().startswith(_OPENSSH_PRIVATE) else forms.load_pem_private_key
    key = _loaded(load, content, None)
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise NotAKeyError("it is a key of another kind")
    return SigningKey(seed=key.private_bytes_raw())


def read_public_key(content: bytes) -> PublicKey:
    """Return the key in a PEM or OpenSSH public key file.

    Raises:
        NotAKeyError: it is a private key, of another kind, or no key.
        UsageError: the extra `sign` is not installed.
    """
    if _PRIVATE in content:
        raise NotAKeyError("it is a private key; signatures are checked with the public key")
    forms = _serialization()
    load = forms.load_ssh_public_key if content.lstrip().startswith(_OPENSSH_PUBLIC) else forms.load_pem_public_key
    key = _loaded(load, content)
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise NotAKeyError("it is a key of another kind")
    return PublicKey(raw=key.public_bytes_raw())


def _loaded(load: Callable[..., object], *arguments: object) -> object:
    unsupported = _library("exceptions").UnsupportedAlgorithm
    try:
        return load(*arguments)
    except TypeError:
        raise NotAKeyError("it is encrypted") from None
    except (ValueError, unsupported):
        raise NotAKeyError("it is not in a form that can be read") from None


def _ed25519() -> ModuleType:
    return _library("hazmat.primitives.asymmetric.ed25519")


def _serialization() -> ModuleType:
    return _library("hazmat.primitives.serialization")


def _library(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"cryptography.{module}")
    except ImportError:
        raise UsageError(
            "Signatures need the package cryptography, which is not installed.",
            hint="Install the extra `sign`: `pip install '.[sign]'` in a checkout of retrain-runner.",
        ) from None


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

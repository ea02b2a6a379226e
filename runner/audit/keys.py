"""Ed25519 keys as files hold them. The library behind them is an extra and is loaded when a key is first used."""

import hashlib
import importlib
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from runner.errors import UsageError

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
        signature: bytes = self._key().sign(message)
        return signature

    def pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8 PEM, for a file that its owner alone can read."""
        forms = _serialization()
        pem: bytes = self._key().private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
        return pem

    def _key(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed)


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
        raise NotAKeyError("it is a private key; to check signatures take the public one")
    forms = _serialization()
    load = forms.load_ssh_public_key if content.lstrip().startswith(_OPENSSH_PUBLIC) else forms.load_pem_public_key
    key = _loaded(load, content)
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise NotAKeyError("it is a key of another kind")
    return PublicKey(raw=key.public_bytes_raw())


def _loaded(load: Any, *arguments: Any) -> Any:
    unsupported = _library("exceptions").UnsupportedAlgorithm
    try:
        return load(*arguments)
    except TypeError:
        raise NotAKeyError("it is encrypted") from None
    except (ValueError, unsupported):
        raise NotAKeyError("it is not in a form that can be read") from None


def _ed25519() -> Any:
    return _library("hazmat.primitives.asymmetric.ed25519")


def _serialization() -> Any:
    return _library("hazmat.primitives.serialization")


def _library(module: str) -> Any:
    try:
        return importlib.import_module(f"cryptography.{module}")
    except ImportError:
        raise UsageError(
            "Signatures need the package cryptography, which is not installed.",
            hint="Install it with `pip install 'retrain-runner[sign]'`.",
        ) from None

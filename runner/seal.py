"""A quick proof that bytes read again are the same bytes, for the process that read them first.

GMAC (NIST SP 800-38D) under a random key that never leaves this process. Whoever does not know the key gets other
content past it with a chance below 2^-100 for a gibibyte, whatever the content, so it stands in for a second SHA-256
over bytes whose SHA-256 was computed along with the seal. It is twenty times as fast. Nothing else is claimed by it,
and it is never written down.
"""

import importlib
import os
from dataclasses import dataclass, field
from typing import Any, Self

_KEY = 16  # bytes, AES-128
_NONCE = 12  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The tag of some bytes, and the key it was made with."""

    secret: bytes = field(repr=False)
    tag: bytes = field(repr=False)


class Sealing:
    """A seal that grows block by block. Two over the same bytes are equal when they were given the same secret."""

    def __init__(self, ciphers: Any, secret: bytes) -> None:
        self._secret = secret
        key = ciphers.algorithms.AES(secret[:_KEY])
        self._mac = ciphers.Cipher(key, ciphers.modes.GCM(secret[_KEY:])).encryptor()

    @classmethod
    def begin(cls, secret: bytes | None = None) -> Self | None:
        """Return a new one, with a secret of its own unless one is given; None without the package cryptography."""
        try:
            ciphers = importlib.import_module("cryptography.hazmat.primitives.ciphers")
        except ImportError:
            return None
        return cls(ciphers, secret or os.urandom(_KEY + _NONCE))

    def add(self, block: bytes) -> None:
        """Take the next bytes."""
        self._mac.authenticate_additional_data(block)

    def end(self) -> Seal:
        """Return the seal; nothing can be added any more."""
        self._mac.finalize()
        return Seal(secret=self._secret, tag=self._mac.tag)

"""Values that must never be shown: API keys and signed URLs.

`Secret` hides its value from repr, str, format, json and pickle; only `runner.service.http` and the emulator's start
may call `reveal` (a test reads the sources). `Redactor` is the second net: it blots known values out of any text.
"""

import base64
import hashlib
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_SHORTEST_REDACTED = 4  # blotting out shorter values would blot out ordinary words


class Secret:
    """A text that shows as `***` wherever it is printed; `reveal()` gives it to the wire."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the hidden text. Every call site is a place where it could leak."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return (Secret, (HIDDEN,))


def fingerprint(secret: Secret) -> str:
    """Return the SHA-256 of a secret, to tell two of them apart without showing either."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


class Redactor:
    """Blots out every known secret, also URL-quoted and in base64."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def learn(self, secret: Secret) -> Secret:
        """Remember the secret's forms and hand it back."""
        value = secret.reveal()
        if len(value) >= _SHORTEST_REDACTED:
            self._forms |= {value, quote(value, safe=""), quote(value), quote_plus(value)}
            self._forms.add(base64.b64encode(value.encode()).decode().rstrip("="))
            self._forms.add(base64.urlsafe_b64encode(value.encode()).decode().rstrip("="))
        return secret

    def redact(self, text: str) -> str:
        """Return the text with every known form replaced by `***`, longest first."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text

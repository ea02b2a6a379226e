"""Values that must never be shown: API keys and signed URLs.

`Secret` hides its value from repr, str, format, json and pickle; only `runner.service.http`, `runner.notify` and the
emulator's start may call `reveal` (a test reads the sources). `Redactor` is the second net: it blots known values out
of any text.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

HIDDEN = "***"
_CUT = "…"  # what the service's client ends a shortened text with
_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*\?)[^\s\"'<>]+", re.IGNORECASE)  # of any URL: it may be a signature
_SHORTEST_PIECE = 8  # characters of a secret before a cut that are blotted out
_SHORTEST_SIGNATURE = 20  # characters; shorter values in a signed URL are dates, names and numbers
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
    """Blots out every known secret: as it is, URL-quoted, in base64, in lower case, and a signed URL's signature alone.

    Where a text was cut (it ends its parts with an ellipsis), the stump of a secret before the cut is blotted out too.
    """

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def learn(self, secret: Secret) -> Secret:
        """Remember the secret's forms and hand it back."""
        value = secret.reveal()
        if len(value) >= _SHORTEST_REDACTED:
            for text in (value, *_long_values(value)):
                forms = {text, quote(text, safe=""), quote(text), quote_plus(text)}
                forms.add(base64.b64encode(text.encode()).decode().rstrip("="))
                forms.add(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))
                self._forms |= forms | {form.lower() for form in forms}
        return secret

    def redact(self, text: str) -> str:
        """Return the text with every known form replaced by `***`, longest first."""
        text = _QUERY.sub(rf"\1{HIDDEN}", text)
        forms = sorted(self._forms, key=len, reverse=True)
        for form in forms:
            text = text.replace(form, HIDDEN)
        *cut, last = text.split(_CUT)
        return _CUT.join([*(_without_stump(part, forms) for part in cut), last])


def _long_values(text: str) -> Iterator[str]:
    """Yield each long value in a URL's query: a signature alone is as good as its URL."""
    if "://" not in text:
        return
    for _, value in parse_qsl(urlsplit(text).query):
        if len(value) >= _SHORTEST_SIGNATURE:
            yield value


def _without_stump(text: str, forms: Sequence[str]) -> str:
    for form in forms:
        for length in range(min(len(form) - 1, len(text)), _SHORTEST_PIECE - 1, -1):
            if text.endswith(form[:length]):
                return text[:-length] + HIDDEN
    return text

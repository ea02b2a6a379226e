"""Values that must never be shown: API keys and signed URLs.

`Secret` hides its value from repr, str, format, json and pickle; only `runner.http.transport`, `runner.notify` and the
emulator's start may call `reveal` (a test reads the sources). `Redactor` is the second net: it blots known values out
of any text.
"""

import base64
import hashlib
import re
import string
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

HIDDEN = "***"
_CUT = "…"  # what the service's client ends a shortened text with
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_LOWER = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
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
    """Blots out every known secret, and a signed URL's signature alone, in any letter case.

    It is known as it is, URL-quoted, with every byte percent-encoded, in hex, and in base64, also within a longer text
    that was encoded whole. Not known are a secret cut into pieces, one encoded twice, and what is made from it.

    Where a text was cut (it ends its parts with an ellipsis), the stump of a secret before the cut is blotted out too.
    A text is gone through once, however many secrets are known: a fleet has thousands. Safe from any thread.
    """

    def __init__(self) -> None:
        self._learnt: set[str] = set()
        self._forms: defaultdict[str, set[str]] = defaultdict(set)  # by their first characters
        self._lengths: dict[str, tuple[int, ...]] = {}  # of the forms that begin so, longest first
        self._learning = threading.Lock()

    def learn(self, secret: Secret) -> Secret:
        """Remember the secret's forms and hand it back."""
        value = secret.reveal()
        if len(value) >= _SHORTEST_REDACTED and value not in self._learnt:
            with self._learning:
                for form in _forms_of(value):
                    self._add(form)
                self._learnt.add(value)
        return secret

    def _add(self, form: str) -> None:
        start = form[:_SHORTEST_REDACTED]
        self._lengths[start] = tuple(sorted({len(form), *self._lengths.get(start, ())}, reverse=True))
        self._forms[start].add(form)

    def redact(self, text: str) -> str:
        """Return the text with `***` for every known form; what overlaps is blotted out as one."""
        text = _URL.sub(_without_query, text)
        text = _without(self._spans(_lowered(text)), text)
        *cut, last = text.split(_CUT)
        return _CUT.join([*(self._without_stump(part) for part in cut), last])

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where known forms begin and end, the longest one at each place."""
        for at in range(len(text) - _SHORTEST_REDACTED + 1):
            start = text[at : at + _SHORTEST_REDACTED]
            for length in self._lengths.get(start, ()):
                if text[at : at + length] in self._forms[start]:
                    yield at, at + length
                    break

    def _without_stump(self, text: str) -> str:
        lowered = _lowered(text)
        for at in range(len(text) - _SHORTEST_PIECE + 1):
            if lowered[at : at + _SHORTEST_REDACTED] in self._lengths and self._begins_form(lowered[at:]):
                return text[:at] + HIDDEN
        return text

    def _begins_form(self, piece: str) -> bool:
        with self._learning:
            return any(form.startswith(piece) for form in self._forms[piece[:_SHORTEST_REDACTED]])


def _without_query(url: re.Match[str]) -> str:
    """Return a URL without its query, whoever's it is: it may be a signature."""
    before, mark, query = url[0].partition("?")
    return f"{before}{mark}{HIDDEN}" if query else url[0]


def _forms_of(value: str) -> Iterator[str]:
    for text in (value, *_long_values(value)):
        raw = text.encode()
        forms = {text, quote(text, safe=""), quote(text), quote_plus(text)}
        forms |= {raw.hex(), raw.hex(":"), raw.hex(" "), "".join(f"%{byte:02x}" for byte in raw)}
        forms |= {*_base64_forms(raw)}
        yield from {_lowered(form) for form in forms}


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield the bytes in base64: alone, and at each of the three places they can have in what was encoded whole."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before, shared in ((0, 0), (1, 2), (2, 3)):  # bytes before it, and characters that depend on them
            after = (0, 3, 2)[(before + len(raw)) % 3]  # characters at the end that depend on what follows
            whole = encode(bytes(before) + raw).decode()
            piece = whole[shared : len(whole) - after]
            if len(piece) >= _SHORTEST_PIECE:
                yield piece


def _lowered(text: str) -> str:
    """Return the text with ASCII in lower case, as long as it was: `str.lower` makes two characters of some."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def _without(spans: Iterable[tuple[int, int]], text: str) -> str:
    """Return the text with `***` for the spans, which are in the order of their beginnings."""
    parts, shown = [], 0
    for begin, end in spans:
        if begin >= shown:
            parts += [text[shown:begin], HIDDEN]
        shown = max(shown, end)
    return "".join([*parts, text[shown:]])


def _long_values(text: str) -> Iterator[str]:
    """Yield each long value in a URL's query: a signature alone is as good as its URL."""
    if "://" not in text:
        return
    for _, value in parse_qsl(urlsplit(text).query):
        if len(value) >= _SHORTEST_SIGNATURE:
            yield value

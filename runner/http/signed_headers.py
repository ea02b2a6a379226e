"""The headers that a signed URL asks for: what it does not name is not sent, what it names must be."""

import mimetypes
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from runner.lib.secrets import Secret

_SIGNED = ("x-amz-signedheaders", "x-goog-signedheaders")
_BY_ITSELF = frozenset({"content-length", "host"})
_TYPES = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".zip": "application/zip"}
_BINARY = "application/octet-stream"
_OF_AZURE = frozenset({"sig", "sv", "se"})  # of a shared access signature
_AZURE = {"x-ms-blob-type": "BlockBlob"}


def header_sets(url: Secret, given: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """Return the headers to send with an upload, and what to send instead where the store refuses the signature.

    `given` are those of the manifest, in lower case. A URL names the headers that it signs, but not their values: a
    content type is guessed, as long as the manifest gives none.
    """
    parts = urlsplit(url.reveal())
    query = {name.lower(): value for name, value in parse_qsl(parts.query)}
    azure = _AZURE if query.keys() >= _OF_AZURE else {}
    fixed = {**azure, **given}
    if "content-type" not in _signed(query) or "content-type" in given:
        return (fixed,)
    name = unquote(parts.path)
    ending = name[name.rfind(".") :].lower()
    guesses = dict.fromkeys((_BINARY, _TYPES.get(ending) or mimetypes.guess_type(name)[0] or _BINARY))
    return tuple({**fixed, "content-type": guess} for guess in guesses)


def unsent_headers(url: Secret, sent: Mapping[str, str]) -> tuple[str, ...]:
    """Return the headers that the URL signs and nobody sends: the store refuses it without them."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url.reveal()).query)}
    return tuple(sorted(_signed(query) - _BY_ITSELF - sent.keys()))


def _signed(query: Mapping[str, str]) -> frozenset[str]:
    names = (query[name] for name in _SIGNED if name in query)
    return frozenset(part.strip().lower() for name in names for part in name.split(";") if part.strip())

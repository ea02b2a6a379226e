"""Signed, expiring URLs in the style of an object store. Whoever holds such a URL may use it."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from runner.lib.atomic_files import write_whole

_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_NAMES = ("X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature")
_HEADERS = "X-Amz-SignedHeaders"

Verdict = Literal["valid", "missing", "forged", "expired"]


def load_signing_key(file: Path) -> bytes:
    """Return the 32 bytes that sign this data folder's URLs, made on first use."""
    if not file.exists():
        write_whole(file, secrets.token_bytes(32))
    return file.read_bytes()


class Signer:
    """Signs a method and a path for a time, and checks such signatures; its clock is `clock` seconds ahead."""

    def __init__(self, key: bytes, *, clock: float = 0.0) -> None:
        self._key = key
        self._ahead = timedelta(seconds=clock)

    def now(self) -> datetime:
        """Return the service's time."""
        return datetime.now(UTC) + self._ahead

    def query(self, method: str, path: str, *, issued: datetime, seconds: int, headers: Sequence[str] = ()) -> str:
        """Return the query string that makes `path` usable with `method` for so many seconds after `issued` (aware).

        `headers` are the names of the headers, beside `host`, that must be sent as they were signed.
        """
        date = issued.astimezone(UTC).strftime(_DATE_FORMAT)
        expires, names = str(seconds), ";".join(sorted([*headers, "host"])) if headers else ""
        values = (date, expires, self._signature(method, path, date, expires, names))
        shown = {_HEADERS: names} if names else {}
        return urlencode({**shown, **dict(zip(_NAMES, values, strict=True))})

    def check(self, method: str, path: str, query: str, *, now: datetime) -> Verdict:
        """Return whether the query allows `method` on the raw, still encoded `path` at `now` (aware)."""
        values = dict(parse_qsl(query, keep_blank_values=True))
        if not all(name in values for name in _NAMES):
            return "missing"
        date, expires, signature = (values[name] for name in _NAMES)
        names = values.get(_HEADERS, "")
        wanted = self._signature(method, path, date, expires, names)
        if len(values) != len(_NAMES) + bool(names) or not hmac.compare_digest(wanted.encode(), signature.encode()):
            return "forged"
        ends = datetime.strptime(date, _DATE_FORMAT).replace(tzinfo=UTC) + timedelta(seconds=int(expires))
        return "valid" if now < ends else "expired"

    def _signature(self, method: str, path: str, date: str, expires: str, names: str) -> str:
        text = f"{method}\n{path}\n{date}\n{expires}\n{names}"
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

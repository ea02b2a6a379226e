"""What the service said, kept for people: redacted, bounded, one JSON object a line.

A run keeps the last answer of each call, and each answer that was not understood. A recording keeps all. Values of keys
that tell of a secret, queries of URLs and the paths of other hosts are not kept, whatever else is known of them.
"""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, Protocol

import msgspec
from msgspec import Struct

from runner.lib.secrets import HIDDEN, Redactor

Call = Literal["upload_url", "put", "status", "download", "switch", "api_key", "models", "classifiers"]
MOST_BODY = 64 * 1024  # characters of an answer
_MOST_UNREAD = 100  # answers of a run that were not understood; the last ones
_HEADERS = ("Content-Type", "Content-Encoding", "Content-Length", "Date", "Location", "Retry-After", "Server")
_URL = re.compile(r"(https?:)?//[^\s\"'<>]+", re.IGNORECASE)
_HOST = re.compile(r"(?P<host>(https?:)?//[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"(?<=[^\s\"'<>?])\?[^\s\"'<>]+")
_WORD = "key|secret|token|passw|credential|signature|stringtosign|canonical|authorization|bearer|cookie|session"
_TELLING = re.compile(rf"{_WORD}|^(auth|jwt|pass|pwd?|sig)$", re.IGNORECASE)
# Every repetition is bounded or takes what it has gone through: no page keeps a core busy.
_SECRET_VALUE = re.compile(
    rf"((?:{_WORD})[\w.-]{{0,40}}\\?[\"']?\s{{0,8}}[:=]\s{{0,8}})"
    r"(?:\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|\\?[\"']?(?:(?:bearer|basic) )?[^\s\"'<>&,;{}\[\]\\]+)",
    re.IGNORECASE,
)
_QUOTE = re.compile(r"\\?[\"']")
_SECRET_ELEMENT = re.compile(rf"((?:{_WORD})[\w.-]{{0,40}}(?:\s[^<>]{{0,200}})?>)[^<]+", re.IGNORECASE)


class KeptAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer. `status` None: there was none, and `error` says why. `body` is its text, cut where it was longer."""

    at: str
    call: Call
    method: str
    host: str
    path: str
    status: int | None
    headers: dict[str, str] = {}
    body: str = ""
    understood: bool = True
    error: str = ""


MakeKept = Callable[[], KeptAnswer]


class AnswerKeeper(Protocol):
    """Who is told of every answer; safe from any thread."""

    @property
    def place(self) -> str | None:
        """Where a person finds what was not understood."""

    def keep(self, call: Call, make: MakeKept, *, understood: bool) -> None:
        """Take an answer; `make` gives it without secrets, which takes a while: most are replaced by the next."""


class AnswerFile:
    """Keeps a run's answers in a file, and all of them in a recording where one is wanted.

    Failing at it changes nothing for the run.
    """

    def __init__(self, path: Path, write: Callable[[Path, bytes], None], recording: IO[bytes] | None = None) -> None:
        """Prepare without writing; `write` puts a whole file in place."""
        self._path = path
        self._write = write
        self._recording = recording
        self._last: dict[Call, MakeKept] = {}
        self._unread: deque[KeptAnswer] = deque(maxlen=_MOST_UNREAD)
        self._lock = threading.Lock()

    @property
    def place(self) -> str | None:
        """Return the path of the file."""
        return str(self._path)

    def keep(self, call: Call, make: MakeKept, *, understood: bool) -> None:
        """Keep the answer; one that was not understood is in the file at once, for the hint names it."""
        with self._lock:
            if self._recording is not None:
                with suppress(OSError):
                    self._recording.write(_line(make()))
                    self._recording.flush()
            if understood:
                self._last[call] = make
                return
            answer = make()
            if not self._unread or not _same(self._unread[-1], answer):
                self._unread.append(answer)
                self._save()

    def close(self) -> None:
        """Write what is left."""
        with self._lock:
            if self._last or self._unread:
                self._save()

    def _save(self) -> None:
        answers = sorted((*self._unread, *(make() for make in self._last.values())), key=lambda answer: answer.at)
        with suppress(OSError):
            self._write(self._path, b"".join(map(_line, answers)))


def kept_answer(  # noqa: PLR0913 -- what an answer is made of
    redactor: Redactor,
    *,
    at: datetime,
    call: Call,
    method: str,
    host: str,
    path: str,
    status: int | None,
    headers: Mapping[str, str],
    body: bytes,
    understood: bool,
    error: str = "",
) -> KeptAnswer:
    """Return an answer as it may be kept."""

    def clean(text: str) -> str:
        return without_secrets(text, redactor)

    return KeptAnswer(
        at=at.isoformat(timespec="milliseconds"),
        call=call,
        method=method,
        host=host,
        path=clean(path.partition("?")[0]),
        status=status,
        headers={name: clean(headers[name][:1000]) for name in _HEADERS if name in headers},
        body=clean(_cut(_without_secret_values(body.decode("utf-8", errors="replace").replace("\0", "")))),
        understood=understood,
        error=clean(error),
    )


def _cut(text: str) -> str:
    """Return a text with an ellipsis where it is cut: a secret may be cut there."""
    return text if len(text) <= MOST_BODY else f"{text[:MOST_BODY]}…"


def _without_secret_values(text: str) -> str:
    """Return JSON without the values of names that tell of a secret, and without escapes that hide one."""
    try:
        document = json.loads(text)
        blanked = _blanked(document)
        written = text if blanked == document and "\\" not in text else json.dumps(blanked, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return written


def _blanked(value: object, *, hidden: bool = False) -> object:
    if isinstance(value, dict):
        return {name: _blanked(item, hidden=hidden or _tells(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_blanked(item, hidden=hidden) for item in value]
    if hidden and value is not None and not isinstance(value, bool):
        return HIDDEN
    if not isinstance(value, str):
        return value
    return (_without_secret_values(value) if value.lstrip()[:1] in ("{", "[") else value).replace("\\/", "/")


def _tells(name: str) -> bool:
    return _TELLING.search(name.replace("_", "").replace("-", "").replace(" ", "")) is not None


def without_secrets(text: str, redactor: Redactor) -> str:
    """Return a text of the service without what is, or by its name may be, a secret."""
    text = text.replace("\\/", "/")  # as JSON may write it
    text = _QUERY.sub(f"?{HIDDEN}", _URL.sub(_without_path, text))  # first, or a signature would be cut out of its URL
    text = _SECRET_VALUE.sub(_without_value, text)
    text = _SECRET_ELEMENT.sub(rf"\1{HIDDEN}", text)
    return redactor.redact(text)


def _without_value(found: re.Match[str]) -> str:
    """Return the name with its value hidden between the same quotes: JSON stays JSON."""
    name = found[1]
    value = found[0][len(name) :]
    quote = _QUOTE.match(value)
    opening = quote[0] if quote else ""
    closing = opening if len(value) > len(opening) and value.endswith(opening) else ""
    return f"{name}{opening}{HIDDEN}{closing}"


def _without_path(url: re.Match[str]) -> str:
    parts = _HOST.fullmatch(url[0])
    if parts is None:
        return url[0]
    user, at, host = parts["host"].rpartition("@")
    before = f"{user.partition('//')[0]}//{HIDDEN}@{host}" if at else host
    return f"{before}/{HIDDEN}" if parts["rest"].strip("/") else f"{before}{parts['rest']}"


def _same(answer: KeptAnswer, other: KeptAnswer) -> bool:
    return (answer.call, answer.path, answer.status, answer.body) == (other.call, other.path, other.status, other.body)


def _line(answer: KeptAnswer) -> bytes:
    return msgspec.json.encode(answer) + b"\n"

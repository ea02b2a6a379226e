"""A recording of one training on a service, without secrets: what was answered to which call, and when.

A cassette is a zip with `cassette.json` (a `Head`), `exchanges.jsonl` (an `Exchange` a line, in the order of the
calls) and, below `bodies/`, the bodies that are not a short text. `docs/reference/cassette.md` describes it for other
programs. The writer takes secrets out; the reader takes nothing on trust.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from runner.errors import UsageError
from runner.lib.atomic_files import open_file, write_whole

RecordedCall = Literal[
    "upload_url", "put", "status", "download", "switch", "api_key", "models", "classifiers", "unknown_job"
]
"""`unknown_job` is the status of a job that does not exist."""

VERSION = 1
KEPT_HEADERS = frozenset({"content-type", "content-encoding", "retry-after", "date"})
"""The headers of an answer that are kept, in lower case."""

REDACTED = "REDACTED"
_HEAD, _EXCHANGES, _BODIES = "cassette.json", "exchanges.jsonl", "bodies/"
_LARGEST_FILE = 64 << 20
_LARGEST_BODY = 64 << 20
_LARGEST_LIST = 16 << 20
_MEMBER = b"PK\x01\x02"  # what an entry of a zip's directory begins with
_MOST_MEMBERS = 10_000
_MOST_EXCHANGES = 10_000
_LONGEST_TEXT = 8 << 10
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same recording has the same bytes
_URL = re.compile(r"""\b(https?://[^\s"'<>\\?]{1,4000})\?[^\s"'<>\\]*""")
_KEY = re.compile(r'("(?:api_key|apikey|secret_key|token|password)"\s*:\s*")[^"\\]*', re.IGNORECASE)


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cassette is: its version, who made it, and when (RFC 3339)."""

    cassette: int
    made_by: str
    recorded_at: str


class Exchange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call and its answer, `at` seconds after the first; `status` is 0 where no answer came.

    The body is `text`, or the member `file` of the zip. In it `${retrain_job_id}`, `${upload_url}` and
    `${download_url}` stand for the job's own.
    """

    call: RecordedCall
    at: float
    status: int
    headers: Mapping[str, str] = {}
    text: str | None = None
    file: str | None = None


class Cassette(Struct, frozen=True, kw_only=True):
    """A recording; `bodies` has the bytes of each `file` that an exchange names."""

    head: Head
    exchanges: tuple[Exchange, ...]
    bodies: Mapping[str, bytes]


class Answered(Struct, frozen=True, kw_only=True):
    """An answer as it came, secrets and all, for `record`; `at` is in seconds of any clock that does not jump."""

    call: RecordedCall
    at: float
    status: int
    headers: Mapping[str, str]
    body: bytes


def record(answers: Sequence[Answered], *, known: Mapping[str, str], made_by: str, recorded_at: str) -> Cassette:
    """Return a cassette of the answers, without secrets.

    `known` has texts to replace: secrets by `REDACTED`, a job's id and signed URLs by their placeholders. Whatever it
    has not, the query of every URL and the value of every JSON key that names a key are left out.
    """
    began = answers[0].at if answers else 0.0
    bodies: dict[str, bytes] = {}
    exchanges = []
    for number, answer in enumerate(answers, start=1):
        text, file = _text(answer.body, known), None
        if answer.body and (text is None or len(text) > _LONGEST_TEXT):
            file = f"{_BODIES}{number}"
            bodies[file] = answer.body if text is None else text.encode()
        exchanges.append(
            Exchange(
                call=answer.call,
                at=round(answer.at - began, 3),
                status=answer.status,
                headers=_kept(answer.headers, known),
                text=text if answer.body and file is None else None,
                file=file,
            )
        )
    head = Head(cassette=VERSION, made_by=made_by, recorded_at=recorded_at)
    return Cassette(head=head, exchanges=tuple(exchanges), bodies=bodies)


def redacted(text: str, known: Mapping[str, str]) -> str:
    """Return a text without secrets; the longest of the known ones are replaced first, also as JSON writes them."""
    for secret, placeholder in sorted(known.items(), key=lambda pair: -len(pair[0])):
        for written in {secret, msgspec.json.encode(secret).decode()[1:-1], secret.replace("/", "\\/")} - {""}:
            text = text.replace(written, placeholder)
    return _KEY.sub(rf"\g<1>{REDACTED}", _URL.sub(rf"\g<1>?{REDACTED}", text))


def write_cassette(file: Path, cassette: Cassette) -> None:
    """Write a cassette whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(cassette):
            archive.writestr(zipfile.ZipInfo(name, date_time=_EPOCH), content, zipfile.ZIP_DEFLATED)
    write_whole(file, buffer.getvalue())


def read_cassette(file: Path) -> Cassette:
    """Return the cassette of a file.

    Raises:
        UsageError: it cannot be read, is not a cassette of this version, or is larger than any recording.
    """
    try:
        with open_file(file) as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise _refusal(file, "it is larger than 64 MiB")
        if content.count(_MEMBER) > _MOST_MEMBERS:  # before the reader makes an object of each
            raise _refusal(file, f"it has more than {_MOST_MEMBERS:,} members")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(file, archive)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}.", hint="Give a file that can be read.") from error
    except msgspec.DecodeError as error:
        raise _refusal(file, str(error)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _refusal(file, f"it is not a readable zip ({error})") from None


def _read(file: Path, archive: zipfile.ZipFile) -> Cassette:
    head = msgspec.json.decode(_bounded(file, archive, _HEAD, _LARGEST_LIST), type=Head)
    if head.cassette != VERSION:
        raise _refusal(file, f"its version is {head.cassette}, and {VERSION} is understood")
    lines = _bounded(file, archive, _EXCHANGES, _LARGEST_LIST).splitlines()
    if len(lines) > _MOST_EXCHANGES:
        raise _refusal(file, f"it has more than {_MOST_EXCHANGES:,} exchanges")
    exchanges = tuple(msgspec.json.decode(line, type=Exchange) for line in lines if line.strip())
    left, bodies = _LARGEST_BODY, dict[str, bytes]()
    for name in dict.fromkeys(exchange.file for exchange in exchanges if exchange.file is not None):
        bodies[name] = _bounded(file, archive, name, left)
        left -= len(bodies[name])
    return Cassette(head=head, exchanges=exchanges, bodies=bodies)


def _bounded(file: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    try:
        if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refusal(file, f"its {name} is compressed in another way than the writer does")
        with archive.open(name) as member:
            content = member.read(most + 1)
    except KeyError:
        raise _refusal(file, f"it has no {name}") from None
    if len(content) > most:
        raise _refusal(file, f"its {name} is larger than {most:,} bytes")
    return content


def _members(cassette: Cassette) -> Iterator[tuple[str, bytes]]:
    yield _HEAD, msgspec.json.encode(cassette.head)
    yield _EXCHANGES, b"".join(msgspec.json.encode(exchange) + b"\n" for exchange in cassette.exchanges)
    yield from cassette.bodies.items()


def _kept(headers: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower(): value for name, value in headers.items()}
    return {name: redacted(value, known) for name, value in named.items() if name in KEPT_HEADERS}


def _text(body: bytes, known: Mapping[str, str]) -> str | None:
    """Return a body that is text without its secrets, None for other bytes."""
    try:
        return redacted(body.decode(), known)
    except UnicodeDecodeError:
        return None


def _refusal(file: Path, flaw: str) -> UsageError:
    return UsageError(f"{file} is not a cassette: {flaw}.", hint="Record one with --train (`retrain doctor --help`).")

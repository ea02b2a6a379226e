"""A file of a web server as a source of data: asked for what it is, then read only as that.

Nothing that tells who asks is sent: no key, no cookie, no password. The query of an address may be a secret, and is
shown nowhere.
"""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import unquote

from msgspec import Struct

from runner.datasets.object_source import find_objects
from runner.datasets.source import (
    MOST_BYTES,
    Copy,
    DataAccess,
    Fingerprint,
    FoundFiles,
    RemoteReadError,
    reader,
    refused,
)
from runner.http.addresses import Address, UnfitError, is_loopback, read_address
from runner.http.objects.address import SCHEMES as OBJECTS
from runner.http.proxies import Proxies, ca_bundle
from runner.lib.secrets import Secret, fingerprint
from runner.manifest.model import Source

if TYPE_CHECKING:  # 60 ms, which commands without data of the web are spared
    from runner.http.request import ResponseHead
    from runner.http.transport import OpenAnswer, Transport

_STRONG = re.compile(r'"[\x21\x23-\x7e]+"')
_WHOLE = re.compile(r"bytes 0-0/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_FIRST_BYTE = {"Range": "bytes=0-0"}  # a signed address allows only one method, and that is GET
_AGAIN = "Run again, or check the address and the network."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile:
    """One file as it was found. `length` is None if its server does not state it, `etag` without a strong ETag.

    Without either it is fetched once a run: the copy is the file. `key` tells addresses apart that look the same.
    """

    shown: str
    key: str
    etag: str | None
    length: int | None
    outside: bool
    url: Secret = field(compare=False)
    access: DataAccess = field(compare=False)

    @property
    def name(self) -> str:
        """Return the last part of its path."""
        return unquote(PurePosixPath(self.shown).name)

    @property
    def local(self) -> None:
        """Return that it is on no disk under a name."""
        return

    @property
    def version(self) -> str | None:
        """Return its ETag."""
        return None if self.etag is None else f"ETag {self.etag}"

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return its address with its ETag and length, or None if each reading may give another content."""
        return None if self.etag is None or self.length is None else ("web", self.shown, self.etag, self.length)

    def open(self) -> BinaryIO:
        """Open it."""
        return reader(self._blocks()) if self.content_id else self._copy().open()

    def size(self) -> int:
        """Return its size in bytes."""
        return self.length if self.length is not None and self.content_id else self._copy().size

    def fingerprint(self) -> Fingerprint:
        """Return what stays the same in this run."""
        return Fingerprint(("web", self.key, self.etag or ""))

    def _copy(self) -> Copy:
        return self.access.once(self.fingerprint(), lambda: self.access.copy(self._write))

    def _write(self, out: BinaryIO) -> None:
        out.writelines(self._blocks())

    def _blocks(self) -> Generator[bytes]:
        """Yield the content, all of it and no other; a connection that ends early is not the end of the file."""
        pinned = {"If-Match": self.etag} if self.etag else {}
        with closing(_ask(self.access, self.url, "GET", pinned)) as answer:
            head = answer.head
            if head.status == 412 or (self.etag and head.headers.get("ETag") != self.etag and head.status == 200):
                raise RemoteReadError("it was replaced while it was read", "Run again.")
            _require_whole(head)
            expected = self.length if self.length is not None else head.length
            head.expect_file()
            yield from _counted(answer, expected)


def _counted(answer: "OpenAnswer", expected: int | None) -> Generator[bytes]:
    from runner.http.transport import BrokenError  # noqa: PLC0415 -- as above

    taken, host = 0, answer.head.host
    try:
        for block in answer.blocks:
            taken += len(block)
            if taken > (MOST_BYTES if expected is None else expected):
                raise RemoteReadError(f"{host} sends more than it said, or more than can be uploaded", _AGAIN)
            yield block
    except BrokenError as error:
        raise RemoteReadError(f"{host} {error}", _AGAIN) from None
    if expected is not None and taken != expected:
        raise RemoteReadError(f"{host} ended its answer after {taken:,} of {expected:,} bytes", _AGAIN)


def _require_whole(head: "ResponseHead") -> None:
    """Refuse an answer that is not the file as it is, or that could end anywhere without anybody noticing."""
    encoding = head.headers.get("Content-Encoding", "identity").strip().lower()
    if head.status not in (200, 206):
        raise _by_status(head)
    if encoding not in ("", "identity"):
        raise RemoteReadError(
            f"{head.host} sends it in another encoding than was asked for", "Let the server send plain CSV."
        )
    if head.length is None and not head.chunked:
        raise RemoteReadError(
            f"{head.host} does not state its length, so a partial download could not be detected",
            "Let the server send a Content-Length.",
        )


_BY_STATUS = {
    401: ("asks for a password or a key", "Use a presigned address: `{url: {env: NAME}}`."),
    403: ("denies access", "Check the address; a signed one may have expired."),
    404: ("does not have this file", "Provide the file or correct the address."),
    410: ("no longer has this file", "Provide the file or correct the address."),
}


def _by_status(head: "ResponseHead") -> RemoteReadError:
    reason, hint = _BY_STATUS.get(head.status, (f"answers with {head.status}", _AGAIN))
    return RemoteReadError(f"{head.host} {reason}", hint)


def _ask(access: DataAccess, url: Secret, method: Literal["GET", "HEAD"], headers: Mapping[str, str]) -> "OpenAnswer":
    """Return an answer, which is to be closed.

    Raises:
        RemoteReadError: there is none.
    """
    from runner.http.request import Broken, Request, RequestStage  # noqa: PLC0415 -- as above
    from runner.http.responses import open_following  # noqa: PLC0415 -- as above

    plain = {"Accept-Encoding": "identity", **headers}
    wire = access.once("transport", _transport)
    answer = open_following(wire, lambda place: Request(method=method, url=place, headers=plain), url)
    if isinstance(answer, Broken):
        hint = "Correct the address, or let the server not redirect." if answer.stage == RequestStage.MISLED else _AGAIN
        raise RemoteReadError(f"{answer.host} {answer.cause}".strip(), hint)
    return answer


def _transport() -> "Transport":
    from runner.http.request import DEFAULT_DEADLINES  # noqa: PLC0415 -- as above
    from runner.http.transport import Transport  # noqa: PLC0415 -- as above

    return Transport(deadlines=DEFAULT_DEADLINES, ca_bundle=ca_bundle(None), proxies=Proxies(choice="env"))


class WebSource:
    """Files by their addresses in the manifest."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:
        """Return the file, as its server describes it."""
        return find_web_file(source, source.pattern, access, signed=False)


class VariableSource:
    """Files whose address is in an environment variable: the operator's, and a secret."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:
        """Return what is at the address."""
        text = os.environ.get(source.variable or "", "").strip()
        if not text:
            reason = f"cannot be read: {source.variable} is not set"
            raise refused(source.shown, reason, f"Set {source.variable} to an address.")
        if text.partition("://")[0].lower() in OBJECTS:
            return find_objects(source, text, source.shown, access)
        return find_web_file(source, text, access, signed=True)


def find_web_file(source: Source, text: str, access: DataAccess, *, signed: bool) -> FoundFiles:
    """Return the file at an address; one that is `signed` is a secret, and is good for nothing but reading."""
    try:
        address = read_address(text)
        if address.scheme == "http" and not is_loopback(address.host):
            raise UnfitError("is not encrypted")  # noqa: TRY301 -- told as the others
    except UnfitError as error:
        raise refused(source.shown, f"cannot be read: its address {error}", "Use `https://HOST/PATH`.") from None
    shown, url = _shown(address), Secret(text)
    try:
        found = _look(access, url, signed=signed)
    except RemoteReadError as error:
        raise refused(shown, f"cannot be read: {error.strerror}", error.hint) from None
    if source.version is not None and source.version.strip('"') != (found.etag or "").strip('"'):
        raise refused(shown, "is not the version that the manifest pins", "Correct `version`, or restore the file.")
    file = WebFile(
        shown=shown,
        key=fingerprint(url),
        etag=found.etag,
        length=found.length,
        outside=not (signed or access.trusts(address.host)),
        url=url,
        access=access,
    )
    return FoundFiles(files=[file])


def _shown(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    port = f":{address.port}" if address.port else ""
    return f"{address.scheme}://{host}{port}{address.target.partition('?')[0]}"


class _Found(Struct, frozen=True, kw_only=True):
    etag: str | None
    length: int | None


def _look(access: DataAccess, url: Secret, *, signed: bool) -> _Found:
    """Ask for what the file is, not for its content: by HEAD, or for its first byte where that is refused."""
    if not signed:
        with closing(_ask(access, url, "HEAD", {})) as answer:
            if answer.head.status == 200:
                return _described(answer.head, answer.head.headers.get("Content-Length", ""))
            if answer.head.status in (404, 410):
                raise _by_status(answer.head)
    with closing(_ask(access, url, "GET", _FIRST_BYTE)) as answer:
        head = answer.head
        if head.status == 416:  # an empty file has no first byte
            return _Found(etag=None, length=None)
        if head.status == 206:
            whole = _WHOLE.fullmatch(head.headers.get("Content-Range", ""))
            return _described(head, whole[1] if whole else "")
        _require_whole(head)
        return _described(head, head.headers.get("Content-Length", ""))


def _described(head: "ResponseHead", length: str) -> _Found:
    etag = head.headers.get("ETag", "")
    return _Found(
        etag=etag if _STRONG.fullmatch(etag) else None, length=int(length) if _LENGTH.fullmatch(length) else None
    )

"""The objects of a state: made once, compared, replaced, listed, and where they are.

Every trouble is an `OSError` whose `strerror` says it in plain words. Retries of the library are off: a request that is
sent again by somebody who does not know what it was for turns a write of our own into "exists already". What is
repeated here is known to be safe.
"""

import errno
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import UsageError
from runner.http.objects.address import (
    AddressError,
    ObjectAddress,
    Scheme,
    environment_endpoint,
    read_endpoint,
    read_object_address,
)
from runner.http.objects.client import RefusedError, Waits, open_client, understood
from runner.lib.secrets import Secret

T = TypeVar("T")
NO_OBJECT = "the object does not exist"  # and not: no such bucket
_WAITS_S = (0.1, 0.3, 1.0, 2.0, 4.0)  # before each further try
_QUICK = Waits(connect=5, silence=15, request=15, retries=0, retrying=15)  # about a small object
_LONG = Waits(connect=5, silence=900, request=900, retries=0, retrying=900)  # moves a file
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a file; a larger one is on the disk meanwhile, and is sent in parts
_FOUND = 200
_PAGE = 1000  # objects, which stores list at once
_PREFIX_PART = re.compile(r"[A-Za-z0-9._=@+-]{1,200}")  # what no store, shell or message has to escape
_DOUBTFUL = frozenset({408, 425, 429})  # and 5xx
_UNANSWERED = frozenset({"unencrypted", "cut", "silent", "unclear"})
_CODES = {  # what the codes mean that have a cause of their own
    "ExpiredToken": "the credentials have expired",
    "TokenRefreshRequired": "the credentials have expired",
    "InvalidAccessKeyId": "the store does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the store's",
    "NoSuchBucket": "the bucket does not exist",
    "ContainerNotFound": "the container does not exist",
    "NotImplemented": "the store does not know such a request",
}
_CAUSES = {
    "region": "the bucket is in another region",
    "no-credentials": "the environment has no credentials for the store",
}


def read_bucket_address(text: str, parameters: Collection[str] = ()) -> ObjectAddress:
    """Return the address of a prefix, with the endpoint that the environment names where it names none itself.

    Raises:
        UsageError: it is not one, seems to hold a secret, or requests to it would not be encrypted.
    """
    try:
        address = read_object_address(text, parameters, _prefix)
        named = None if address.endpoint else environment_endpoint(address.scheme)
        if named:
            return replace(address, endpoint=read_endpoint(named))
    except AddressError as error:
        raise UsageError(f"The address of the object store {error}.", hint=error.hint) from None
    if address.scheme == "gs" and address.endpoint:
        raise UsageError("A gs:// address takes no endpoint.", hint="Leave it away; requests go to Google's own host.")
    return address


def _prefix(key: str, scheme: Scheme) -> str:
    names = [name for name in key.split("/") if name]
    if not all(_PREFIX_PART.fullmatch(name) and name.strip(".") for name in names):
        raise AddressError(
            "does not have a prefix of letters, digits and . _ = @ + -, with a / between its parts",
            f"Write it as in {scheme}://.../team/prod.",
        )
    return "/".join(names)


class DoubtfulError(OSError):
    """Nobody knows whether the request had an effect: no answer, half of one, or one that says to try again."""


class Item(Struct, frozen=True, kw_only=True):
    """An object as a listing shows it: its name below the prefix, and when the store wrote it, by its own clock."""

    name: str
    size: int
    modified: datetime


class Bucket:
    """Objects below a prefix. All methods may be called by several threads."""

    def __init__(self, address: ObjectAddress, *, signed: bool = True) -> None:
        self.address = address
        with understood(_unusable):
            quick, long = (open_client(address, waits, signed=signed) for waits in (_QUICK, _LONG))
        self._library, self._quick, self._long = quick.library, quick.store, long.store

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; return whether it holds these bytes now, and not another's.

        The bytes must be ones that nobody else writes. The same ones are sent again where it is unknown whether they
        arrived; what is there already is read and compared.

        Raises:
            DoubtfulError: it is unknown to the end whether they arrived.
            OSError: they were refused.
        """
        return _patiently(lambda: self._is_made(name, content) or self._holds(name, content))

    def is_refused_twice(self, name: str, content: bytes) -> bool:
        """Return whether the store refuses to create an object that is there and holds these bytes."""
        return not _patiently(lambda: self._is_made(name, content))

    def _is_made(self, name: str, content: bytes) -> bool:
        try:
            with understood(_refusal):
                self._library.put(self._quick, name, content, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        return True

    def _holds(self, name: str, content: bytes) -> bool:
        try:
            return self._read(name, len(content)) == content
        except FileNotFoundError:  # it is said to exist and does not
            raise DoubtfulError(errno.EAGAIN, "the store says of an object that it exists, and then that not") from None
        except _TooLargeError:
            return False

    def put(self, name: str, content: bytes | IO[bytes]) -> None:
        """Write an object whole, in the place of an older one; raises OSError where that fails."""

        def write() -> None:
            with understood(_refusal):
                if isinstance(content, bytes):
                    self._library.put(self._quick, name, content, use_multipart=False)
                else:
                    content.seek(0)
                    self._library.put(self._long, name, content)

        _patiently(write)

    def get(self, name: str, *, limit: int) -> bytes:
        """Return an object of at most `limit` bytes; raises FileNotFoundError where there is none, or an OSError."""
        return _patiently(lambda: self._read(name, limit))

    def _read(self, name: str, limit: int) -> bytes:
        with understood(_refusal):
            found = self._library.get(self._quick, name)
            size = found.meta["size"]
            if size <= limit:
                return bytes(found.bytes())
        raise _TooLargeError(errno.EFBIG, f"it has {size} bytes, more than anybody wrote there")

    def open(self, name: str) -> IO[bytes]:
        """Return an object as a seekable stream; raises as `get`."""

        def fetch() -> IO[bytes]:
            with _abandoned(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)) as file:
                with understood(_refusal):
                    found = self._library.get(self._long, name)
                    for piece in found.stream():
                        file.write(piece)
                if file.tell() != found.meta["size"]:
                    raise DoubtfulError(errno.EIO, "the store's answer was cut")
                file.seek(0)
                return file

        return _patiently(fetch)

    def first_page(self, folder: str) -> tuple[list[Item], bool]:
        """Return the first objects below a folder, and whether these are all of them."""

        def ask() -> list[Item]:
            with understood(_refusal):
                found = self._library.list(self._quick, folder, chunk_size=_PAGE)
                return _items(next(iter(found), ()))

        items = _patiently(ask)
        return items, len(items) < _PAGE

    def list(self, folder: str, after: str = "") -> list[Item]:
        """Return the objects below a folder whose names follow `after`, in the order of their names."""

        def ask() -> list[Item]:
            offset = f"{folder}/{after}" if after else None
            with understood(_refusal):
                found = self._library.list(self._quick, folder, offset=offset).collect()
            return _items(found)

        return _patiently(ask)

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name; raises OSError where that is unknown."""

        def ask() -> bool:
            with understood(_refusal):
                self._library.head(self._quick, name)
            return True

        try:
            return _patiently(ask)
        except FileNotFoundError:
            return False

    def head(self, name: str) -> Mapping[str, str] | None:
        """Return the headers with which S3 describes an object, of which the library shows few; None without any.

        The address is signed by the library and asked here; it is a secret for the minute that it is valid.
        """
        if self.address.scheme != "s3":
            return None
        from runner.http.proxies import Proxies, ca_bundle  # noqa: PLC0415 -- only a check of the store needs HTTP
        from runner.http.request import DEFAULT_DEADLINES, Broken, Request  # noqa: PLC0415 -- as above
        from runner.http.transport import Transport  # noqa: PLC0415 -- as above

        with understood(_refusal):
            url = Secret(self._library.sign(self._quick, "HEAD", name, timedelta(minutes=1)))
        transport = Transport(deadlines=DEFAULT_DEADLINES, ca_bundle=ca_bundle(None), proxies=Proxies(choice="env"))
        answer = transport.open(Request(method="HEAD", url=url))
        if isinstance(answer, Broken):
            return None
        answer.close()
        transport.close()
        return answer.head.headers if answer.head.status == _FOUND else None

    def rename(self, name: str, target: str) -> None:
        """Give an object another name; raises OSError where that fails."""
        with understood(_refusal):
            self._library.rename(self._quick, name, target)

    def delete(self, name: str, *, once: bool = False) -> None:
        """Remove an object; raises OSError where that fails, with `once` at the first try."""

        def ask() -> None:
            with understood(_refusal):
                self._library.delete(self._quick, name)

        if once:
            ask()
        else:
            _patiently(ask)


def _items(found: Iterable[Mapping[str, Any]]) -> list[Item]:
    items = (Item(name=meta["path"], size=meta["size"], modified=meta["last_modified"]) for meta in found)
    return sorted(items, key=lambda item: item.name)


class _TooLargeError(OSError):
    """An object is larger than whoever asks for it takes."""


@contextmanager
def _abandoned(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give a file, which is closed where something fails."""
    try:
        yield file
    except BaseException:
        file.close()
        raise


def _patiently(request: Callable[[], T]) -> T:
    """Make a request that may be made again, and do so while nobody knows what became of it."""
    for wait in _WAITS_S:
        try:
            return request()
        except DoubtfulError:
            time.sleep(wait)
    return request()


def _refusal(error: RefusedError) -> OSError:
    answer = " ".join(part for part in (str(error.status or ""), error.code) if part)
    if error.cause == "exists":
        return FileExistsError(errno.EEXIST, "there is an object of that name")
    if error.status >= 500 or error.status in _DOUBTFUL:
        return DoubtfulError(errno.EAGAIN, f"the store answered {answer}")
    if error.cause in ("absent", "no-bucket"):
        return FileNotFoundError(errno.ENOENT, _CODES.get(error.code, NO_OBJECT))
    if error.cause in _UNANSWERED:
        return DoubtfulError(errno.EHOSTUNREACH, "the store cannot be reached, or its answer was cut")
    what = _CODES.get(error.code) or _CAUSES.get(error.cause, "the store refuses the request")
    return PermissionError(errno.EACCES, f"{what} ({answer})" if answer else what)


def _unusable(error: RefusedError) -> UsageError:
    if error.cause == "no-extra":
        return UsageError(
            "Object stores need the extra `objects`, which is not installed.",
            hint="`pip install '.[objects]'` in a checkout of retrain-runner installs it; or give a folder.",
        )
    return UsageError(
        f"The object store cannot be used with the credentials of the environment ({error.code}).",
        hint="Check the variables and files that name them; docs/how-to/state-object-store.md lists them.",
    )

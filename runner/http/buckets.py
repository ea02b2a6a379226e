"""Objects in a bucket: the only module that imports obstore.

Every trouble is an `OSError` whose `strerror` says it in plain words; obstore's own texts, which repeat addresses and
may repeat signatures, go no further. Retries of the library are off: a request that is sent again by somebody who does
not know what it was for turns a write of our own into "exists already". What is repeated here is known to be safe.
"""

import errno
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from runner.errors import UsageError
from runner.http.addresses import host_of
from runner.http.bucket_address import BucketAddress

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
NO_OBJECT = "there is no such object"  # and not: no such bucket
_WAITS_S = (0.1, 0.3, 1.0, 2.0, 4.0)  # before each further try
_TIMEOUT = timedelta(seconds=15)  # of a request about a small object
_LONG_TIMEOUT = timedelta(minutes=15)  # of one that moves a file
_CONNECT = timedelta(seconds=5)
_IN_MEMORY = 8 * 1024 * 1024  # bytes of a file; a larger one is on the disk meanwhile, and is sent in parts
_CREDENTIALS = re.compile(r"(AWS|AZURE|GOOGLE)_", re.IGNORECASE)
_STATUS = re.compile(r"status code: (?P<status>[1-5][0-9]{2})\b")
_CODE = re.compile(r"<Code>(?P<code>[A-Za-z]{3,60})</Code>")
_NO_CREDENTIALS = re.compile(r"credential|metadata|169\.254\.169\.254", re.IGNORECASE)
_DOUBTFUL = frozenset({408, 425, 429})
_CODES = {  # what the codes mean that have a cause of their own
    "ExpiredToken": "the credentials have expired",
    "TokenRefreshRequired": "the credentials have expired",
    "InvalidAccessKeyId": "the store does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not the one of the access key",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the store's",
    "NoSuchBucket": "there is no such bucket",
    "ContainerNotFound": "there is no such container",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "IllegalLocationConstraintException": "the bucket is in another region",
    "NotImplemented": "the store does not know such a request",
}


class DoubtfulError(OSError):
    """Nobody knows whether the request had an effect: no answer, half of one, or one that says to try again."""


class Item(Struct, frozen=True, kw_only=True):
    """An object as a listing shows it: its name below the prefix, and when the store wrote it, by its own clock."""

    name: str
    size: int
    modified: datetime
    tag: str | None


class Bucket:
    """Objects below a prefix. All methods may be called by several threads."""

    def __init__(self, address: BucketAddress, *, signed: bool = True) -> None:
        self.address = address
        self._quick = _client(address, _TIMEOUT, signed=signed)
        self._long = _client(address, _LONG_TIMEOUT, signed=signed)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; return whether it holds these bytes now, and not another's.

        The bytes must be ones that nobody else writes. The same ones are sent again where it is unknown whether they
        arrived; what is there already is read and compared.

        Raises:
            DoubtfulError: it is unknown to the end whether they arrived.
            OSError: they were refused.
        """
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        def write() -> bool:
            try:
                obstore.put(self._quick, name, content, mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                return self._compared(name, content)
            return True

        return _patiently(lambda: _translated(write))

    def _compared(self, name: str, content: bytes) -> bool:
        try:
            return _translated(lambda: self._read(name, len(content))) == content
        except FileNotFoundError:  # it is said to exist and does not
            raise DoubtfulError(errno.EAGAIN, "the store says of an object that it exists, and then that not") from None
        except _TooLargeError:
            return False

    def is_refused_twice(self, name: str, content: bytes) -> bool:
        """Return whether the store refuses to create an object that is there and holds these bytes."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        def write() -> bool:
            try:
                obstore.put(self._quick, name, content, mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                return True
            return False

        return _patiently(lambda: _translated(write))

    def put(self, name: str, content: bytes | IO[bytes]) -> None:
        """Write an object whole, in the place of an older one; raises OSError where that fails."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        def write() -> None:
            if isinstance(content, bytes):
                obstore.put(self._quick, name, content, use_multipart=False)
            else:
                content.seek(0)
                obstore.put(self._long, name, content)

        _patiently(lambda: _translated(write))

    def get(self, name: str, *, limit: int) -> bytes:
        """Return an object of at most `limit` bytes; raises FileNotFoundError where there is none, or an OSError."""
        return _patiently(lambda: _translated(lambda: self._read(name, limit)))

    def _read(self, name: str, limit: int) -> bytes:
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        found = obstore.get(self._quick, name)
        if found.meta["size"] > limit:
            raise _TooLargeError(errno.EFBIG, f"it has {found.meta['size']} bytes, more than anybody wrote there")
        return bytes(found.bytes())

    def open(self, name: str) -> IO[bytes]:
        """Return an object as a seekable stream; raises as `get`."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        def fetch() -> IO[bytes]:
            found = obstore.get(self._long, name)
            with _abandoned(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)) as file:
                for piece in found.stream():
                    file.write(piece)
                if file.tell() != found.meta["size"]:
                    raise DoubtfulError(errno.EIO, "the store's answer was cut")
                file.seek(0)
                return file

        return _patiently(lambda: _translated(fetch))

    def list(self, folder: str, after: str = "") -> list[Item]:
        """Return the objects below a folder whose names follow `after`, in the order of their names."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        def ask() -> list[Item]:
            found = obstore.list(self._quick, folder, offset=f"{folder}/{after}" if after else None).collect()
            return sorted(
                (
                    Item(name=meta["path"], size=meta["size"], modified=meta["last_modified"], tag=meta["e_tag"])
                    for meta in found
                ),
                key=lambda item: item.name,
            )

        return _patiently(lambda: _translated(ask))

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name; raises OSError where that is unknown."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        try:
            _patiently(lambda: _translated(lambda: obstore.head(self._quick, name)))
        except FileNotFoundError:
            return False
        return True

    def rename(self, name: str, target: str) -> None:
        """Give an object another name; raises OSError where that fails."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        _translated(lambda: obstore.rename(self._quick, name, target))

    def delete(self, name: str, *, once: bool = False) -> None:
        """Remove an object; raises OSError where that fails, with `once` at the first try."""
        import obstore  # noqa: PLC0415 -- an extra, loaded when it is needed

        (_translated if once else _patiently)(lambda: _translated(lambda: obstore.delete(self._quick, name)))


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


def _translated(request: Callable[[], T]) -> T:
    """Make a request, and turn obstore's errors into ones that carry no text of theirs."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 -- an extra

    try:
        return request()
    except (DoubtfulError, _TooLargeError):
        raise
    except (BaseError, OSError) as error:
        raise _plain(error) from None
    except Exception as error:  # noqa: BLE001 -- obstore raises what its parts do, such as a ValueError on a cut body
        raise DoubtfulError(errno.EIO, f"the request failed ({type(error).__name__})") from None


def _plain(error: Exception) -> OSError:
    """Return an error without the library's text, which repeats the request's address."""
    text = str(error)
    found, named = _STATUS.search(text), _CODE.search(text)
    status, code = int(found["status"]) if found else 0, named["code"] if named else ""
    answer = " ".join(part for part in (str(status or ""), code) if part)
    if status >= 500 or status in _DOUBTFUL:
        return DoubtfulError(errno.EAGAIN, f"the store answered {answer}")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, _CODES.get(code, NO_OBJECT))
    if code in _CODES or status:
        return PermissionError(errno.EACCES, f"{_CODES.get(code) or 'the store refuses the request'} ({answer})")
    if "LOCATION" in text:
        return PermissionError(errno.EACCES, _CODES["PermanentRedirect"])
    if _NO_CREDENTIALS.search(text):
        return PermissionError(errno.EACCES, "there are no credentials for the store in the environment")
    return DoubtfulError(errno.EHOSTUNREACH, "the store cannot be reached, or its answer was cut")


def missing_extra() -> UsageError:
    """Return the error where obstore is not installed."""
    return UsageError(
        "Object stores need the extra `objects`, which is not installed.",
        hint="Run `pip install 'retrain-runner[objects]'`, or give a folder.",
    )


def _client(address: BucketAddress, timeout: timedelta, *, signed: bool) -> "ObjectStore":
    credentials = tuple(sorted((name, value) for name, value in os.environ.items() if _CREDENTIALS.match(name)))
    return _made(address, timeout, signed, hash(credentials))


@lru_cache(maxsize=16)
def _made(address: BucketAddress, timeout: timedelta, signed: bool, _credentials: int) -> "ObjectStore":
    """Return a client with its connections; another environment gets another one."""
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 -- an extra
        from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 -- as above
    except ImportError:
        raise missing_extra() from None
    connection: dict[str, Any] = {"allow_http": address.is_local, "timeout": timeout, "connect_timeout": _CONNECT}
    if address.is_local:  # what is not encrypted goes through no proxy of the environment
        connection |= {"proxy_url": address.endpoint, "proxy_excludes": host_of(address.endpoint)}
    options: dict[str, Any] = {
        "prefix": address.prefix or None,
        "skip_signature": not signed,
        "client_options": connection,
        "retry_config": {"max_retries": 0, "retry_timeout": timeout},
    }
    if address.endpoint:
        options["endpoint"] = address.endpoint
    try:
        if address.scheme == "gs":
            return GCSStore(address.bucket, **options)
        if address.scheme == "az":
            return AzureStore(address.bucket, account_name=address.account, **options)
        if address.endpoint:
            options["aws_endpoint_url_s3"] = address.endpoint  # a variable would come before `endpoint`
        if address.region:
            options["region"] = address.region
        return S3Store(address.bucket, conditional_put="etag", **options)
    except (BaseError, ValueError, OSError) as error:
        raise UsageError(
            f"The object store cannot be used with the credentials of the environment ({type(error).__name__}).",
            hint="Check the variables and files that name them; docs/how-to/state-object-store.md lists them.",
        ) from None

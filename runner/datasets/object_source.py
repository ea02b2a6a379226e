"""Objects of S3, Google Cloud Storage and Azure as a source of data: looked at by one request, read as they were found.

An object is read in parts, a few of them ahead, each pinned to the ETag that was found, or to a version. So an object
that is replaced meanwhile is never mixed with the one before.
"""

import re
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from runner.datasets.local_source import MAGIC, MOST_ENTRIES, natural_order
from runner.datasets.source import DataAccess, Fingerprint, FoundFiles, RemoteReadError, reader, refused
from runner.http.objects.address import AddressError, ObjectAddress, read_object_address
from runner.http.objects.client import Cause, RefusedError, Waits, open_client, understood
from runner.manifest.model import Source

if TYPE_CHECKING:
    from concurrent.futures import Future


WAITS = Waits(connect=10, silence=20, request=300, retries=3, retrying=60)
_STRONG = re.compile(r'"[^"]+"|[^"\s/]+')  # obstore hands an ETag on as it came; some stores leave its quotes out


class ObjectStoreError(Exception):
    """A store did not do what it was asked: `reason` ends a sentence about the object, `hint` is one of its own."""

    def __init__(self, cause: Cause, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        self.hint = hint


class ObjectInfo(Struct, frozen=True, kw_only=True):
    """What a store says of an object. `etag` is None without a strong ETag, `version` without a version.

    `modified` is in ns since the epoch, by the store's clock, in whole seconds or finer.
    """

    key: str
    size: int
    etag: str | None
    version: str | None
    modified: int


class ObjectReader:
    """One bucket. Every method raises ObjectStoreError, and is safe to use from many threads."""

    def __init__(self, address: ObjectAddress, waits: Waits = WAITS) -> None:
        """Prepare without a request.

        Raises:
            ObjectStoreError: the extra is missing, or the environment's configuration cannot be used.
        """
        self._place = address
        with understood(self._told):
            self._client = open_client(address, waits)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """Return what the store says of an object, by one HEAD."""
        library, store = self._client.library, self._client.store
        with understood(self._told):
            if version is None:
                return _info(library.head(store, key))
            return _info(library.get(store, key, options={"version": version, "head": True}).meta)

    def list(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """Yield the objects below a folder of keys, in the store's order; not those of folders in it unless `deep`."""
        prefix = folder.rstrip("/") or None
        library, store = self._client.library, self._client.store
        with understood(self._told):
            if deep:
                for chunk in library.list(store, prefix):
                    yield from map(_info, chunk)
            else:
                yield from map(_info, library.list_with_delimiter(store, prefix)["objects"])

    def read(self, info: ObjectInfo, start: int, end: int, *, version: str | None = None) -> bytes:
        """Return bytes of exactly this object: one that was replaced meanwhile is not read.

        Fewer bytes than asked for are never returned. `version` reads an older version by its id.
        """
        options: dict[str, object] = {"version": version} if version is not None else {"if_match": info.etag}
        if (start, end) != (0, info.size):  # some stores answer a question for a part of it with all of it
            options["range"] = (start, end)
        given = {name: value for name, value in options.items() if value is not None}
        with understood(self._told):
            answer = self._client.library.get(self._client.store, info.key, options=given)
            found, encoding = _info(answer.meta), answer.attributes.get("Content-Encoding", "identity")
            if (found.size, found.etag) != (info.size, info.etag):
                raise RefusedError("replaced")
            content = bytes(answer.bytes())
        if encoding not in ("", "identity"):
            raise ObjectStoreError(
                "answer", f"is stored with the Content-Encoding {_word(encoding)}", "Store it as plain CSV."
            )
        if len(content) != end - start:
            raise ObjectStoreError("cut", "was sent cut off by its store", "Run again.")
        return content

    def _told(self, error: RefusedError) -> ObjectStoreError:
        scheme, (reason, hint) = self._place.scheme, _SENTENCES[error.cause]
        bucket, sign = f"{scheme}://{self._place.bucket}", _HOW_TO_SIGN[scheme]
        reason = reason.format(scheme=scheme, bucket=bucket, status=error.status)
        return ObjectStoreError(error.cause, reason, hint.format(bucket=bucket, sign=sign))


def _info(found: Mapping[str, Any]) -> ObjectInfo:
    etag, modified = found["e_tag"], found["last_modified"]
    return ObjectInfo(
        key=found["path"],
        size=found["size"],
        etag=etag if etag and _STRONG.fullmatch(etag) else None,
        version=found["version"] or None,
        modified=int(modified.timestamp() * 1_000_000) * 1000,
    )


_HOW_TO_SIGN = {
    "s3": "Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity or a role of the machine.",
    "gs": "Give GOOGLE_APPLICATION_CREDENTIALS, or a service account of the machine.",
    "az": "Give AZURE_CLIENT_ID with a federated token, AZURE_STORAGE_ACCOUNT_KEY, or a managed identity.",
}
_AGAIN = "Run again, or check the address and the network."
_SENTENCES: Mapping[Cause, tuple[str, str]] = {  # the end of a sentence about the object, and what to do
    "no-extra": (
        "needs the package obstore to be read, which is not installed ({scheme}://)",
        "Install the extra `objects`: `pip install '.[objects]'` in a checkout of retrain-runner.",
    ),
    "settings": ("cannot be read: the environment's settings for its store cannot be used", "{sign}"),
    "replaced": ("was replaced while it was read", "Run again."),
    "exists": ("is there already", "Choose another name."),
    "no-credentials": ("cannot be read: there are no valid credentials for its store", "{sign}"),
    "signature": ("cannot be read: its store does not accept the credentials", "{sign}"),
    "denied": (
        "cannot be read: its store denies access (403), or does not tell that it is absent",
        "Allow the identity of this machine to read and list {bucket}, and check the address.",
    ),
    "region": (
        "cannot be read: its bucket is in another region",
        "Add `?region=NAME` to the address, or set AWS_REGION.",
    ),
    "no-bucket": ("does not exist: there is no bucket {bucket}", "Correct the address."),
    "absent": ("does not exist", "Provide the object or correct the address."),
    "answer": ("cannot be read: its store answered {status}", _AGAIN),
    "unencrypted": (
        "cannot be read: its endpoint is not https",
        "Use https; for a store in your own network set AWS_ALLOW_HTTP=true.",
    ),
    "cut": ("cannot be read: its store broke the answer off", _AGAIN),
    "silent": ("cannot be read: its store cannot be reached, or did not answer in time", _AGAIN),
    "unclear": ("cannot be read: its store did not answer like an object store", _AGAIN),
}


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9,. _-]{1,40}", text) else "that is unknown"


_FIRST = 1 << 20  # bytes of the first part: enough for whoever looks at a header alone
_PART = 2 << 20
_AHEAD = 4  # parts that are asked for before they are needed


class ObjectFile(Struct, frozen=True, kw_only=True):
    """One object as it was found. `pinned` is the version that the manifest asks for."""

    place: ObjectAddress  # of the bucket: its key is empty
    info: ObjectInfo
    pinned: str | None = None
    outside: bool = False

    @property
    def name(self) -> str:
        """Return the last part of its key."""
        return self.info.key.rpartition("/")[2]

    @property
    def shown(self) -> str:
        """Return its address."""
        return replace(self.place, key=self.info.key).place

    @property
    def local(self) -> None:
        """Return that it is on no disk."""
        return

    @property
    def version(self) -> str | None:
        """Return its version or generation, else its ETag."""
        known = self.pinned or self.info.version
        if known is not None and known != "null":
            return f"generation {known}" if self.place.scheme == "gs" else f"version {known}"
        return None if self.info.etag is None else f"ETag {self.info.etag}"

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return its address with its ETag, which a listing tells too, else its version."""
        mark = self.info.etag or self.pinned or self.info.version
        if mark is None:
            return None
        return ("object", self.place.endpoint or "", self.shown, mark, self.info.size)

    def open(self) -> BinaryIO:
        """Open it."""
        return reader(self._parts())

    def size(self) -> int:
        """Return its size in bytes."""
        return self.info.size

    def fingerprint(self) -> Fingerprint:
        """Return what was found; where that names no content, what its store says now."""
        known = self.content_id
        if known is not None:
            return Fingerprint(known)
        try:
            now = ObjectReader(self.place).head(self.info.key)
        except ObjectStoreError as error:
            raise _read_error(error) from None
        return Fingerprint((self.shown, now.size, now.modified), (now.modified,))

    def _parts(self) -> Generator[bytes]:
        first = min(_FIRST, self.info.size)
        if first:
            yield self._part(0, first)
        starts = deque(range(first, self.info.size, _PART))
        if not starts:
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 -- slow to load; small objects need no thread

        pool, asked = ThreadPoolExecutor(_AHEAD, "object"), deque["Future[bytes]"]()
        try:
            while starts or asked:
                while starts and len(asked) < _AHEAD:
                    start = starts.popleft()
                    asked.append(pool.submit(self._part, start, min(start + _PART, self.info.size)))
                yield asked.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _part(self, start: int, end: int) -> bytes:
        try:
            return ObjectReader(self.place).read(self.info, start, end, version=self.pinned)
        except ObjectStoreError as error:
            raise _read_error(error) from None


def _read_error(error: ObjectStoreError) -> RemoteReadError:
    begin = "cannot be read: "
    reason = error.reason.removeprefix(begin) if error.reason.startswith(begin) else f"it {error.reason}"
    return RemoteReadError(reason, error.hint)


class ObjectSource:
    """Objects by their addresses, and by patterns over their keys."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:
        """Return the objects that match, by one HEAD, or by listing the folder that a pattern begins with."""
        return find_objects(source, source.pattern, source.shown, access)


def find_objects(source: Source, text: str, shown: str, access: DataAccess) -> FoundFiles:
    """Return the objects at an address; `shown` is what people know it by."""
    try:
        address = read_object_address(text)
    except AddressError as error:
        raise refused(shown, str(error), error.hint) from None
    outside = not _trusted(address, access)
    place = replace(address, key="")
    try:
        store = ObjectReader(place)
        if source.pick is None:
            chosen: Sequence[ObjectInfo] = [store.head(address.key, source.version)]
        else:
            chosen = _picked(source, address)
    except ObjectStoreError as error:
        raise refused(shown, error.reason, error.hint) from None
    files = [ObjectFile(place=place, info=info, pinned=source.version, outside=outside) for info in chosen]
    return FoundFiles(files=files)


def _trusted(address: ObjectAddress, access: DataAccess) -> bool:
    """Return whether the operator vouches for the store; refuse an endpoint that only the manifest names."""
    host = address.endpoint_host
    if host is not None and not access.trusts(host):
        raise refused(
            address.place,
            f"is not asked for at {host}: the manifest alone names this endpoint, and requests are signed",
            f"If the manifest may send them there, give --trust-host {host} or set RETRAIN_TRUSTED_HOSTS={host}.",
        )
    return host is not None or access.trusts(address.bucket)


def _picked(source: Source, address: ObjectAddress) -> Sequence[ObjectInfo]:
    parts = address.key.split("/")
    plain = next(index for index, part in enumerate([*parts, "*"]) if not MAGIC.isdisjoint(part))
    folder, deep = "/".join(parts[:plain]), plain < len(parts) - 1
    pattern = [*parts, "*"] if parts[-1] == "**" else parts
    store = ObjectReader(replace(address, key=""))
    seen = list(islice(store.list(folder, deep=deep), MOST_ENTRIES + 1))
    if len(seen) > MOST_ENTRIES:
        raise refused(
            address.place,
            f"was looked for among {MOST_ENTRIES:,} objects, and there are more",
            "Begin the pattern with the folder that holds the data.",
        )
    fitting = (info for info in seen if _matches(info.key.split("/"), pattern))
    found = sorted(fitting, key=lambda info: natural_order(PurePosixPath(info.key)))
    if not found:
        raise refused(
            address.place, "matches no object", "Correct the pattern, or provide the object; letter case counts."
        )
    return found if source.pick == "all" else found[-1:]


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether the parts of a key fit a pattern as in a shell: only `**` takes several, a leading dot is written.

    Each pair of places is looked at once, however many `**` there are.
    """
    reached = {0}
    for part in parts:
        if part == "**":
            begin = min(reached, default=len(names) + 1)
            hidden = next((at for at in range(begin, len(names)) if names[at].startswith(".")), len(names))
            reached |= set(range(begin, hidden + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and _fits(names[at], part)}
    return len(names) in reached


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))

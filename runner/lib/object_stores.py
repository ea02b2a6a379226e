"""Object stores by their addresses. The only module that imports obstore, the extra `objects`, and only when asked.

What the library says of an error holds whole URLs, ids of keys and answers of the store: none of it is handed on.
Credentials are those of the machine: variables of the environment, a web identity, a role.
"""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

Scheme = Literal["s3", "gs", "az"]
SCHEMES: tuple[Scheme, ...] = ("s3", "gs", "az")
_QUERY = re.compile(r"\?(?P<query>[a-z_]+=[^?]*)\Z")  # a pattern may hold a question mark
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+/?")
_REGION = re.compile(r"[A-Za-z0-9-]{1,60}")
_LONGEST_KEY = 1024  # bytes in UTF-8, of S3 and Google; Azure counts characters
_STRONG = re.compile(r'"[^"]+"|[^"\s/]+')  # obstore hands an ETag on as it came; some stores leave its quotes out

Trouble = Literal["absent", "denied", "replaced", "exists", "region", "credentials", "away", "failed"]


class AddressError(ValueError):
    """A text is not the address of something in an object store; the argument ends a sentence about it."""


class ObjectStoreError(Exception):
    """A store did not do what it was asked: `reason` ends a sentence about the object, `hint` is one of its own."""

    def __init__(self, trouble: Trouble, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.trouble = trouble
        self.reason = reason
        self.hint = hint


class ObjectAddress(Struct, frozen=True, kw_only=True):
    """A place in an object store. `bucket` is `account/container` for Azure; `key` is without a slash at its begin.

    `endpoint` and `region` are None where the environment or the cloud decides; `options` is all else of the query.
    """

    scheme: Literal["s3", "gs", "az"]
    bucket: str
    key: str
    endpoint: str | None = None
    region: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> str:
        """Return the address as people write it, without its query."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @property
    def endpoint_host(self) -> str | None:
        """Return the host that requests are sent to where the address names one, in lower case."""
        return urlsplit(self.endpoint).hostname if self.endpoint else None


def read_object_address(text: str, known: Sequence[str] = ()) -> ObjectAddress:
    """Return what an address means; `known` are the names that its query may have beside `region` and `endpoint`.

    Raises:
        AddressError: it is none, or its query holds something else, which may be a secret and is not shown.
    """
    query = _QUERY.search(text)
    pairs = parse_qsl(query["query"], keep_blank_values=True, strict_parsing=False) if query else []
    options = dict(pairs)
    scheme, _, rest = (text[: query.start()] if query else text).partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES or len(options) != len(pairs) or not options.keys() <= {"region", "endpoint", *known}:
        allowed = " and ".join(f"`{name}`" for name in ("region", "endpoint", *known))
        raise AddressError(f"has a query of which only {allowed} are known, each once")
    account, _, below = rest.partition("/") if scheme == "az" else ("", "", rest)
    bucket, _, key = below.partition("/")
    names = [account, bucket] if scheme == "az" else [bucket]
    if not all(map(_BUCKET.fullmatch, names)):
        raise AddressError(f"is not of the form {_FORMS[scheme]}")
    _require_key(key)
    _require_options(options)
    return ObjectAddress(
        scheme=scheme,
        bucket="/".join(names),
        key=key,
        endpoint=options.pop("endpoint", "").rstrip("/") or None,
        region=options.pop("region", None),
        options=tuple(sorted(options.items())),
    )


_FORMS = {"s3": "s3://BUCKET/KEY", "gs": "gs://BUCKET/KEY", "az": "az://ACCOUNT/CONTAINER/KEY"}


def _require_key(key: str) -> None:
    """Refuse a key that the library would tidy: it would ask for another one, or say something with a URL in it."""
    parts = key.removesuffix("/").split("/")
    odd = not key.isprintable() or len(key.encode(errors="replace")) > _LONGEST_KEY
    if odd or (key and any(part in ("", ".", "..") for part in parts)):
        raise AddressError("has a key with an empty part, `.`, `..`, a control character or more than 1,024 bytes")


def _require_options(options: dict[str, str]) -> None:
    if "region" in options and not _REGION.fullmatch(options["region"]):
        raise AddressError("names a `region` that is none")
    if "endpoint" in options:
        endpoint = options["endpoint"]
        host = urlsplit(endpoint).hostname if _ENDPOINT.fullmatch(endpoint) else None
        if host is None:
            raise AddressError("names an `endpoint` that is not of the form https://HOST or https://HOST:PORT")
        if endpoint.startswith("http://") and not _is_this_machine(host):
            raise AddressError("names an `endpoint` of another machine that is not https")


def _is_this_machine(host: str) -> bool:
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


class ObjectInfo(Struct, frozen=True, kw_only=True):
    """What a store says of an object. `etag` is None where it names no strong one, `version` where it tells none.

    `modified` is in ns since the epoch, by the store's clock, in whole seconds or finer.
    """

    key: str
    size: int
    etag: str | None
    version: str | None
    modified: int


class Waits(Struct, frozen=True, kw_only=True):
    """How long a request may take, in seconds: one wait for the store, all of it, and how often it is tried again."""

    silence: float = 20.0
    request: float = 300.0
    retries: int = 3
    retrying: float = 60.0


WAITS = Waits()


class ObjectStore:
    """One bucket. Every method raises ObjectStoreError, and is safe to use from many threads."""

    def __init__(self, address: ObjectAddress, waits: Waits = WAITS) -> None:
        """Prepare without a request.

        Raises:
            ObjectStoreError: the extra is missing, or the environment's configuration cannot be used.
        """
        self._place = address
        try:
            import obstore  # noqa: PLC0415 -- an extra, and 10 ms
        except ImportError:
            raise ObjectStoreError(
                "failed",
                f"needs the package obstore to be read, which is not installed ({address.scheme}://)",
                "Install the extra `objects`: `pip install '.[objects]'` in a checkout of retrain-runner.",
            ) from None
        self._obstore: Any = obstore
        try:
            self._store = _made(address, waits)
        except Exception as error:  # noqa: BLE001 -- the library raises what it likes, with whole values in it
            self._explain(error)

    def look(self, key: str, version: str | None = None) -> ObjectInfo:
        """Return what the store says of an object, by one HEAD."""
        try:
            if version is None:
                found = self._obstore.head(self._store, key)
            else:
                found = self._obstore.get(self._store, key, options={"version": version, "head": True}).meta
        except Exception as error:  # noqa: BLE001 -- as above
            self._explain(error)
        return _info(found)

    def list(self, folder: str, *, after: str | None = None, deep: bool = True) -> Iterator[ObjectInfo]:
        """Yield the objects below a folder of keys, in the store's order; not those of folders in it unless `deep`."""
        prefix = folder.rstrip("/") or None
        try:
            if deep:
                for chunk in self._obstore.list(self._store, prefix, offset=after):
                    yield from map(_info, chunk)
            else:
                yield from map(_info, self._obstore.list_with_delimiter(self._store, prefix)["objects"])
        except Exception as error:  # noqa: BLE001 -- as above
            self._explain(error)

    def read(self, info: ObjectInfo, start: int, end: int, *, version: str | None = None) -> bytes:
        """Return bytes of exactly this object: one that was replaced meanwhile is not read.

        Fewer bytes than asked for are never returned. `version` reads an older version by its id.
        """
        options: dict[str, Any] = {"version": version} if version is not None else {"if_match": info.etag}
        if (start, end) != (0, info.size):  # some stores answer a question for a part of it with all of it
            options["range"] = (start, end)
        try:
            answer = self._obstore.get(
                self._store, info.key, options={name: value for name, value in options.items() if value is not None}
            )
            found, encoding = _info(answer.meta), answer.attributes.get("Content-Encoding", "identity")
            same = (found.size, found.etag) == (info.size, info.etag)
            content = bytes(answer.bytes()) if same else b""
        except Exception as error:  # noqa: BLE001 -- as above
            self._explain(error)
        if not same:
            raise replaced()
        if encoding not in ("", "identity"):
            raise ObjectStoreError(
                "failed", f"is stored with the Content-Encoding {_word(encoding)}", "Store it as plain CSV."
            )
        if len(content) != end - start:
            raise ObjectStoreError("away", "was sent cut off by its store", "Run again.")
        return content

    def _explain(self, error: Exception) -> NoReturn:
        """Raise what happened in our words; the library's own are for its log."""
        if isinstance(error, ObjectStoreError):
            raise error
        raise _explained(error, self._place) from None


def replaced() -> ObjectStoreError:
    """Return the error for an object that is another one than was found."""
    return ObjectStoreError("replaced", "was replaced while it was read", "Run again.")


@lru_cache(maxsize=256)
def open_objects(address: ObjectAddress) -> ObjectStore:
    """Return the bucket of an address; its connections are kept for the next one who asks. Raises as `ObjectStore`."""
    return ObjectStore(address)


def _made(address: ObjectAddress, waits: Waits) -> "S3Store | GCSStore | AzureStore":
    from obstore import store  # noqa: PLC0415 -- as above

    client: Any = {
        "connect_timeout": timedelta(seconds=min(waits.silence, 10)),
        "read_timeout": timedelta(seconds=waits.silence),
        "timeout": timedelta(seconds=waits.request),
        "user_agent": "retrain-runner",
        "allow_http": _allows_http(address),
    }
    retry: Any = {
        "max_retries": waits.retries,
        "retry_timeout": timedelta(seconds=waits.retrying),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=5),
            "base": 2,
        },
    }
    common: Any = {"client_options": client, "retry_config": retry}
    endpoint = {"base_url" if address.scheme == "gs" else "endpoint": address.endpoint} if address.endpoint else {}
    place: Any = endpoint | ({"region": address.region} if address.region and address.scheme == "s3" else {})
    match address.scheme:
        case "s3":
            own: Any = {"aws_endpoint_url_s3": address.endpoint} if address.endpoint else {}  # above the environment's
            return store.S3Store(address.bucket, **place, **own, **common)
        case "gs":
            return store.GCSStore(address.bucket, **place, **common)
        case "az":
            account, _, container = address.bucket.partition("/")
            return store.AzureStore(container, account_name=account, **place, **common)


def _allows_http(address: ObjectAddress) -> bool:
    """Return whether requests may go unencrypted: to this machine, and where the operator allows it."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT") if address.scheme == "s3" else ()
    endpoint = address.endpoint or next(filter(None, map(os.environ.get, names)), "")
    if not endpoint.lower().startswith("http://"):
        return False
    allowed = address.endpoint is None and os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return allowed or _is_this_machine(urlsplit(endpoint).hostname or "")


def _info(found: Any) -> ObjectInfo:
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
_NO_CREDENTIALS = (
    r".*(/latest/(api|meta-data)|metadata\.google|169\.254\.1(69|70)|/metadata/identity|/oauth2/|WebIdentity"
    r"|ExpiredToken|InvalidAccessKeyId|TokenRefreshRequired|InvalidToken)"
)
_OTHER_REGION = (
    r".*(incorrectly configured region|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocation)"
    r"|.* HEAD .*status code: 400"  # whose answer has no body that would tell
)
# What the library says, beginning with the name of its error, and what we say of it; the first that fits counts.
_MEANINGS: tuple[tuple[str, Trouble, str, str], ...] = (
    (r"PreconditionError", "replaced", "was replaced while it was read", "Run again."),
    (r"AlreadyExistsError", "exists", "is there already", "Choose another name."),
    (
        _NO_CREDENTIALS,
        "credentials",
        "cannot be read: there are no valid credentials for its store",
        "{sign}",
    ),
    (
        r"UnauthenticatedError|.*(SignatureDoesNotMatch|<Code>AuthenticationFailed)",
        "credentials",
        "cannot be read: its store does not accept the credentials",
        "{sign}",
    ),
    (
        r"PermissionDeniedError",
        "denied",
        "cannot be read: its store denies access (403), or does not tell that it is absent",
        "Allow the identity of this machine to read and list {bucket}, and check the address.",
    ),
    (
        _OTHER_REGION,
        "region",
        "cannot be read: its bucket is in another region",
        "Add `?region=NAME` to the address, or set AWS_REGION.",
    ),
    (
        r".*(NoSuchBucket|ContainerNotFound)",
        "absent",
        "does not exist: there is no bucket {bucket}",
        "Correct the address.",
    ),
    (r"FileNotFoundError", "absent", "does not exist", "Provide the object or correct the address."),
    (r".*status code: ([0-9]{3})", "away", "cannot be read: its store answered {status}", _AGAIN),
    (
        r".*builder error",
        "failed",
        "cannot be read: its endpoint is not https",
        "Use https; for a store of your own network set AWS_ALLOW_HTTP=true.",
    ),
    (r".*(body error|unexpected EOF)", "away", "cannot be read: its store broke the answer off", _AGAIN),
    (
        r".*(error sending request|timed out)",
        "away",
        "cannot be read: its store cannot be reached, or did not answer in time",
        _AGAIN,
    ),
    (r"", "away", "cannot be read: its store did not answer as one", _AGAIN),
)
_STATUS = re.compile(r"status code: ([0-9]{3})\b")


def _explained(error: Exception, place: ObjectAddress) -> ObjectStoreError:
    text = f"{type(error).__name__} {error}"
    _, trouble, reason, hint = next(meaning for meaning in _MEANINGS if re.match(meaning[0], text, re.DOTALL))
    status = _STATUS.search(text)
    words = {
        "bucket": f"{place.scheme}://{place.bucket}",
        "sign": _HOW_TO_SIGN[place.scheme],
        "status": status[1] if status else "",
    }
    return ObjectStoreError(trouble, reason.format(**words), hint.format(**words))


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9,. _-]{1,40}", text) else "that is unknown"

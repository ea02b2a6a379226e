"""The library for object stores, and what its errors mean: the only module that imports obstore, and only when asked.

Credentials are those of the machine: variables of the environment, a web identity, a role. What the library says of an
error holds whole URLs, ids of keys and answers of the store: none of it is handed on.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from runner.http.addresses import is_loopback
from runner.http.objects.address import ObjectAddress, environment_endpoint

Cause = Literal[
    "no-extra",  # obstore is not installed
    "settings",  # the environment's credentials or settings cannot be used
    "replaced",
    "exists",
    "no-credentials",  # or ones that are not valid any more
    "signature",  # the credentials are not accepted
    "denied",
    "region",
    "no-bucket",
    "absent",
    "answer",  # a status of another kind, which is in `status`
    "unencrypted",
    "cut",
    "silent",
    "unclear",
]
_NO_CREDENTIALS = (
    r".*(/latest/(api|meta-data)|metadata\.google|169\.254\.1(69|70)|/metadata/identity|/oauth2/|WebIdentity"
    r"|ExpiredToken|InvalidAccessKey|TokenRefreshRequired|InvalidToken|OpenCredentials|read token file)"
)
_OTHER_REGION = (
    r".*(incorrectly configured region|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocation)"
    r"|.* HEAD .*status code: 400"  # whose answer has no body that would tell
)
# How an error of the library begins, with the name of its type; the first that fits counts.
_CAUSES: tuple[tuple[str, Cause], ...] = (
    (r"PreconditionError", "replaced"),
    (r"AlreadyExistsError", "exists"),
    (_NO_CREDENTIALS, "no-credentials"),
    (r"UnauthenticatedError|.*(SignatureDoesNotMatch|<Code>AuthenticationFailed)", "signature"),
    (r"PermissionDeniedError", "denied"),
    (_OTHER_REGION, "region"),
    (r".*(NoSuchBucket|ContainerNotFound)", "no-bucket"),
    (r"FileNotFoundError", "absent"),
    (r".*status code: [0-9]{3}", "answer"),
    (r".*builder error", "unencrypted"),
    (r".*(body error|unexpected EOF)", "cut"),
    (r".*(error sending request|timed out)", "silent"),
    (r"", "unclear"),
)
_STATUS = re.compile(r"status code: (?P<status>[1-5][0-9]{2})\b")
_CODE = re.compile(r"<Code>(?P<code>[A-Za-z]{3,60})</Code>")
_CREDENTIALS = re.compile(r"(AWS|AZURE|GOOGLE)_", re.IGNORECASE)


class RefusedError(Exception):
    """A store, or what is on the way to it, did not do what was asked; `status` is 0 and `code` empty where none came.

    For "settings" `code` is the type of the library's error.
    """

    def __init__(self, cause: Cause, status: int = 0, code: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.status = status
        self.code = code


@contextmanager
def understood(worded: Callable[[RefusedError], Exception]) -> Iterator[None]:
    """Raise what `worded` makes of every error of the library; it sees nothing of the library's text."""
    try:
        yield
    except RefusedError as error:
        raise worded(error) from None
    except Exception as error:  # noqa: BLE001 -- the library raises what its parts do, such as a ValueError
        text = f"{type(error).__name__} {error}"
        cause = next(cause for begin, cause in _CAUSES if re.match(begin, text, re.DOTALL))
        status, code = _STATUS.search(text), _CODE.search(text)
        refused = RefusedError(cause, int(status["status"]) if status else 0, code["code"] if code else "")
        raise worded(refused) from None


class Waits(Struct, frozen=True, kw_only=True):
    """How long a request may take, in seconds: to connect, for the next byte, and all of it; and how it is repeated."""

    connect: float
    silence: float
    request: float
    retries: int
    retrying: float


class Client(Struct, frozen=True):
    """What is below a key of a bucket. `library` is obstore, whose functions take `store`, within `understood`."""

    library: Any
    store: Any


def open_client(address: ObjectAddress, waits: Waits, *, signed: bool | None = None) -> Client:
    """Return a client, without a request; its connections are kept for the next one who asks in this environment.

    Where `signed` is None, the environment decides.

    Raises:
        RefusedError: the extra is missing, or the environment's configuration cannot be used.
    """
    credentials = tuple(sorted((name, value) for name, value in os.environ.items() if _CREDENTIALS.match(name)))
    return _made(address, waits, signed, hash(credentials))


@lru_cache(maxsize=256)
def _made(address: ObjectAddress, waits: Waits, signed: bool | None, _credentials: int) -> Client:
    try:
        import obstore  # noqa: PLC0415 -- an extra, and 10 ms
        from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 -- as above
    except ImportError:
        raise RefusedError("no-extra") from None
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2}
    retrying = {"max_retries": waits.retries, "retry_timeout": timedelta(seconds=waits.retrying), "backoff": backoff}
    options: Any = {"prefix": address.key or None, "retry_config": retrying}
    if signed is not None:
        options["skip_signature"] = not signed
    if address.endpoint:
        options["base_url" if address.scheme == "gs" else "endpoint"] = address.endpoint
    try:
        options["client_options"] = _connection(address, waits)
        if address.scheme == "gs":
            return Client(obstore, GCSStore(address.bucket, **options))
        if address.scheme == "az":
            account, _, container = address.bucket.partition("/")
            return Client(obstore, AzureStore(container, account_name=account, **options))
        if address.endpoint:
            options["aws_endpoint_url_s3"] = address.endpoint  # a variable would come before `endpoint`
        if address.region:
            options["region"] = address.region
        return Client(obstore, S3Store(address.bucket, conditional_put="etag", **options))
    except Exception as error:  # noqa: BLE001 -- the library raises what it likes, with whole values in it
        raise RefusedError("settings", code=type(error).__name__) from None


def _connection(address: ObjectAddress, waits: Waits) -> dict[str, Any]:
    """Return how to connect: unencrypted only to this machine, without a proxy, and where the operator allows it."""
    endpoint = address.endpoint or environment_endpoint(address.scheme) or ""
    parts = urlsplit(endpoint)
    local = is_loopback(parts.hostname or "")
    allowed = address.endpoint is None and os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return {
        "connect_timeout": timedelta(seconds=waits.connect),
        "read_timeout": timedelta(seconds=waits.silence),
        "timeout": timedelta(seconds=waits.request),
        "user_agent": "retrain-runner",
        "allow_http": local or (allowed and parts.scheme == "http"),
        **(_around_proxies(parts.hostname or "") if local else {}),
    }


def _around_proxies(host: str) -> dict[str, str]:
    """Return how a store on this machine is reached without a proxy, while services that give credentials keep it.

    The library leaves the environment's proxies aside only where it is given one itself.
    """
    from urllib.request import getproxies_environment  # noqa: PLC0415 -- 20 ms that every manifest would pay

    proxies = getproxies_environment()
    proxy = proxies.get("https") or proxies.get("all")
    if proxy is None:
        return {"proxy_url": "http://127.0.0.1", "proxy_excludes": f"{host},*,0.0.0.0/0,::/0"}
    return {"proxy_url": proxy, "proxy_excludes": f"{host},169.254.0.0/16,{proxies.get('no', '')}"}

"""Addresses in an object store, as people write them: `s3://BUCKET/KEY?region=NAME&endpoint=https://HOST` and the like.

No secret belongs in one: it is printed, kept in journals and given as an argument. One that seems to hold a secret is
refused without repeating it.
"""

import os
import re
from collections.abc import Callable, Collection
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from runner.http.addresses import UnfitError, is_loopback, read_address

Scheme = Literal["s3", "gs", "az"]
SCHEMES: tuple[Scheme, ...] = ("s3", "gs", "az")
_FORMS = {"s3": "s3://BUCKET/PATH", "gs": "gs://BUCKET/PATH", "az": "az://ACCOUNT/CONTAINER/PATH"}
_WRITE = f"Write {', '.join(_FORMS.values())}; credentials come from the environment."
_QUERY = re.compile(r"\?(?P<query>[A-Za-z0-9._-]+=[^?]*)\Z")  # a pattern may hold a question mark
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")  # of a bucket, a container or an account
_PARAMETER = re.compile(r"[a-z_]{1,20}")
_REGION = re.compile(r"[A-Za-z0-9-]{1,60}")
_LONGEST_KEY = 1024  # bytes in UTF-8, of S3 and Google; Azure counts characters
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # the first that is set counts


class AddressError(ValueError):
    """A text is not the address of something in an object store; the argument ends a sentence about it."""

    def __init__(self, reason: str, hint: str = _WRITE) -> None:
        super().__init__(reason)
        self.hint = hint


class ObjectAddress(Struct, frozen=True, kw_only=True):
    """A place in an object store. `bucket` is `account/container` for Azure; `key` is without a slash at its begin.

    `endpoint` and `region` are None where the environment or the cloud decides; `extra` is all else of the query.
    """

    scheme: Scheme
    bucket: str
    key: str
    endpoint: str | None = None
    region: str | None = None
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """Return the address without its query."""
        return "/".join(part for part in (f"{self.scheme}://{self.bucket}", self.key) if part)

    @property
    def endpoint_host(self) -> str | None:
        """Return the host that requests are sent to where the address names one, in lower case."""
        return urlsplit(self.endpoint).hostname if self.endpoint else None


def is_object_address(text: str) -> bool:
    """Return whether the text begins like an address in an object store."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.lower() in SCHEMES


def whole_key(key: str, _scheme: Scheme) -> str:
    """Return a key, but none that the library would tidy: it would ask for another one, or repeat a URL in an error.

    Raises:
        AddressError: it is such a key.
    """
    odd = not key.isprintable() or len(key.encode(errors="replace")) > _LONGEST_KEY
    if odd or (key and any(part in ("", ".", "..") for part in key.removesuffix("/").split("/"))):
        raise AddressError("has a key with an empty part, `.`, `..`, a control character or more than 1,024 bytes")
    return key


def read_object_address(
    text: str, parameters: Collection[str] = (), key: Callable[[str, Scheme], str] = whole_key
) -> ObjectAddress:
    """Return what an address means.

    `parameters` are the names that its query may have beside `region` and `endpoint`; `key` reads what follows the
    bucket, and raises an AddressError where that is not one.

    Raises:
        AddressError: it is not an address, seems to hold a secret, or requests to it would not be encrypted.
    """
    query = _QUERY.search(text)
    written, _, rest = (text[: query.start()] if query else text).partition("://")
    scheme = next((scheme for scheme in SCHEMES if scheme == written.lower()), None)
    if scheme is None:
        raise AddressError(f"is not an address of the form {_FORMS['s3']}")
    first, _, below = rest.partition("/")
    if not {"@", ":"}.isdisjoint(first):
        raise AddressError("carries a user name, a password or a port, which it must not")
    given = _parameters(query["query"] if query else "", ("region", "endpoint", *parameters))
    container, _, inside = below.partition("/") if scheme == "az" else ("", "", below)
    names = (first, container) if scheme == "az" else (first,)
    if not all(map(_NAME.fullmatch, names)):
        raise AddressError(f"is not an address of the form {_FORMS[scheme]}")
    region, endpoint = given.pop("region", None), given.pop("endpoint", None)
    if region is not None and not _REGION.fullmatch(region):
        raise AddressError("names an invalid `region`", "Write it as in `?region=eu-central-1`.")
    return ObjectAddress(
        scheme=scheme,
        bucket="/".join(names),
        key=key(inside, scheme),
        endpoint=None if endpoint is None else read_endpoint(endpoint),
        region=region,
        extra=tuple(sorted(given.items())),
    )


def _parameters(query: str, known: Collection[str]) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise AddressError("has a parameter twice", "Give each of them once.")
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        named = f" {unknown}" if _PARAMETER.fullmatch(unknown) else ""
        raise AddressError(
            f"has a parameter{named} that no address may have",
            f"Known are {', '.join(sorted(known))}. Keys, tokens and signatures come from the environment only; "
            "if the address contained one, replace it, because a log may contain it now.",
        )
    return given


def read_endpoint(text: str) -> str:
    """Return where requests go to, without a slash at its end.

    Raises:
        AddressError: it is not the address of a host alone, or requests would leave this machine unencrypted.
    """
    try:
        found = read_address(f"{text.rstrip('/')}/")
    except UnfitError:
        found = None
    if found is None or "?" in found.target:
        raise AddressError(
            "names an `endpoint` that is not an address such as https://storage.example.com",
            "Write scheme, host and port alone; credentials come from the environment.",
        )
    if found.scheme == "http" and not is_loopback(found.host):
        raise AddressError(
            f"names the `endpoint` http://{found.host}, which is not encrypted: whoever is in between could read and "
            "change what is sent",
            f"Use https://{found.host}; http is taken for this machine itself only.",
        )
    host = f"[{found.host}]" if ":" in found.host else found.host
    port = "" if found.port is None else f":{found.port}"
    return f"{found.scheme}://{host}{port}{found.target.rstrip('/')}"


def environment_endpoint(scheme: Scheme) -> str | None:
    """Return the endpoint that the operator's environment names; only S3's variables have one."""
    return next(filter(None, map(os.environ.get, _ENDPOINT_VARIABLES)), None) if scheme == "s3" else None

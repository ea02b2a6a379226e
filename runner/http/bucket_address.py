"""Addresses in an object store, as people write them: `s3://bucket/prefix?region=&endpoint=`, `gs://`, `az://`.

No secret belongs into one: it is printed, kept in journals and given as an argument. One that seems to hold a secret is
refused without repeating it.
"""

import os
import re
from collections.abc import Collection, Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

from runner.errors import UsageError
from runner.http.addresses import is_host, is_loopback
from runner.lib.object_stores import SCHEMES, Scheme

_FORMS: Mapping[Scheme, str] = {
    "s3": "s3://BUCKET/PREFIX",
    "gs": "gs://BUCKET/PREFIX",
    "az": "az://ACCOUNT/CONTAINER/PREFIX",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")  # of a bucket, a container or an account
_PREFIX_PART = re.compile(r"[A-Za-z0-9._=@+-]{1,200}")  # what no store, shell or message has to escape
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_KEY = re.compile(r"[a-z_]{1,20}")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class BucketAddress(Struct, frozen=True, kw_only=True):
    """A place in an object store. `bucket` is Azure's container; `extra` are the parameters of its reader."""

    scheme: Scheme
    account: str = ""
    bucket: str
    prefix: str
    region: str = ""
    endpoint: str = ""  # where requests go to, unless that is the vendor's own host
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """Return the address without its parameters."""
        parts = (self.account, self.bucket, self.prefix)
        return f"{self.scheme}://{'/'.join(part for part in parts if part)}"

    @property
    def is_local(self) -> bool:
        """Return whether requests go to this machine itself."""
        return bool(self.endpoint) and is_loopback(urlsplit(self.endpoint).hostname or "")


def is_bucket_address(text: str) -> bool:
    """Return whether the text begins like an address in an object store."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def read_bucket_address(text: str, *, parameters: Collection[str] = ()) -> BucketAddress:
    """Read an address; `parameters` are names that its reader takes beside `region` and `endpoint`.

    Raises:
        UsageError: it is not one, seems to hold a secret, or requests to it would not be encrypted.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unfit("an address") from None
    scheme = next((scheme for scheme in SCHEMES if scheme == parts.scheme), None)
    if scheme is None:
        raise _unfit("an address")
    if "@" in parts.netloc or port is not None or ":" in parts.netloc:
        raise UsageError(
            f"The {scheme}:// address carries a user name, a password or a port, and none belongs into it.",
            hint=f"Write {_FORMS[scheme]}; credentials come from the environment.",
        )
    given = _parameters(parts, scheme, {"region", "endpoint", *parameters})
    names = [unquote(part) for part in (parts.netloc, *parts.path.strip("/").split("/")) if part]
    account = names.pop(0) if scheme == "az" and names else ""
    needed = (account, *names[:1]) if scheme == "az" else names[:1]
    if not names or not all(_NAME.fullmatch(name) for name in needed):
        raise _unfit(f"an address of the form {_FORMS[scheme]}", scheme)
    if parts.fragment or not all(_PREFIX_PART.fullmatch(name) and name.strip(".") for name in names[1:]):
        raise _unfit("a prefix of letters, digits and . _ = @ + -, with a / between its parts", scheme)
    region = given.pop("region", "")
    if region and not _REGION.fullmatch(region):
        raise UsageError("The region of the address is not one.", hint="Write it as in ?region=eu-central-1.")
    return BucketAddress(
        scheme=scheme,
        account=account,
        bucket=names[0],
        prefix="/".join(names[1:]),
        region=region,
        endpoint=_endpoint(scheme, given.pop("endpoint", "")),
        extra=tuple(sorted(given.items())),
    )


def _unfit(wanted: str, scheme: Scheme = "s3") -> UsageError:
    return UsageError(
        f"The address of the object store is not {wanted}.",
        hint=f"Write {_FORMS[scheme]}, for example {_FORMS[scheme].lower()}.",
    )


def _parameters(parts: SplitResult, scheme: Scheme, known: Collection[str]) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(pairs)
    unknown = next((name for name in given if name not in known), None)
    if unknown is None and len(given) == len(pairs):
        return given
    if unknown is None:
        raise UsageError("A parameter is twice in the address.", hint="Give each of them once.")
    named = f" {unknown}" if _KEY.fullmatch(unknown) else ""
    raise UsageError(
        f"The {scheme}:// address has a parameter{named} that belongs into none.",
        hint=f"Known are {', '.join(sorted(known))}. Keys, tokens and signatures come from the environment only; "
        "if one stood in the address, replace it, as it may be in a log now.",
    )


def _endpoint(scheme: Scheme, given: str) -> str:
    """Return where requests go to: what the address says, else for S3 what the usual variables do."""
    named = given
    if not named and scheme == "s3":
        named = next((os.environ[name] for name in _ENDPOINT_VARIABLES if os.environ.get(name)), "")
    if not named:
        return ""
    if scheme == "gs":
        raise UsageError("A gs:// address takes no endpoint.", hint="Leave it away; requests go to Google's own host.")
    try:
        parts = urlsplit(named)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if (
        "@" in parts.netloc
        or parts.query
        or parts.fragment
        or not is_host(host)
        or parts.scheme not in ("http", "https")
    ):
        raise UsageError(
            "The endpoint of the object store is not an address such as https://storage.example.com.",
            hint="Write scheme, host and port alone; credentials come from the environment.",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"The endpoint http://{host} is not encrypted: whoever is in between could read and change the state.",
            hint=f"Use https://{host}; http is taken for this machine itself only.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"

"""Addresses of services and stores: which hosts are known, and what may be sent to them."""

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?")


def host_of(url: str) -> str:
    """Return the host of an absolute URL in lower case, without brackets; the text itself where it names none."""
    return urlsplit(url).hostname or url


def is_host(text: str) -> bool:
    """Whether the text is a host alone, in lower case: a name or an IP address, without scheme, port and path."""
    return is_address(text) or _NAME.fullmatch(text) is not None


def is_address(host: str) -> bool:
    """Whether the host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else host == "localhost"


def is_private(host: str) -> bool:
    """Whether the host is an address of no public network: of this machine, a local or a private one."""
    return is_address(host) and not ipaddress.ip_address(host).is_global


def is_trusted(host: str, documented: Collection[str], named: Collection[str]) -> bool:
    """Return whether keys may be sent to the host.

    `documented` are the provider's own hosts, `named` those that the operator trusts; all in lower case.
    """
    return host in documented or is_loopback(host) or host in named


_VISIBLE_ASCII = re.compile(r"[!#-;=?-~]+")  # without double quotes and angle brackets, which no URL has
_PARTS = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<target>/[^#]*)", re.IGNORECASE)


class UnfitError(ValueError):
    """The text cannot be sent as it is; the argument says why, as the end of a sentence, without the text."""


class Address(Struct, frozen=True, kw_only=True):
    """Where a request goes. `target` is path and query as given; `port` None is the scheme's own."""

    scheme: Literal["http", "https"]
    host: str
    port: int | None
    target: str

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """What a connection leads to."""
        return self.scheme, self.host, self.port


def read_address(url: str) -> Address:
    """Split an absolute http or https URL without changing a byte of its path and query.

    Raises:
        UnfitError: not absolute, not visible ASCII, a user name, a fragment, no path, or no valid host and port.
    """
    parts = _PARTS.fullmatch(url) if _VISIBLE_ASCII.fullmatch(url) else None
    if parts is None:
        raise UnfitError("is not an absolute http or https URL in visible ASCII with a path and without a fragment")
    if "@" in parts["authority"]:
        raise UnfitError("carries a user name")
    host, port = _host_and_port(parts["authority"])
    return Address(
        scheme="https" if parts["scheme"].lower() == "https" else "http", host=host, port=port, target=parts["target"]
    )


@lru_cache(64)
def _host_and_port(authority: str) -> tuple[str, int | None]:
    try:
        split = urlsplit(f"//{authority}")
        host, port = split.hostname, split.port
    except ValueError:
        raise UnfitError("names no valid host and port") from None
    if not host or port == 0 or not is_host(host.removesuffix(".")):  # urllib3 raises in mid-call over some others
        raise UnfitError("names no valid host and port")
    return host, port

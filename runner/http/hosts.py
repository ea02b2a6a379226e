"""Hosts that API keys may be sent to: the provider's own, this machine, and those that the operator names."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

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


def is_trusted(host: str, documented: Collection[str], named: Collection[str]) -> bool:
    """Return whether keys may be sent to the host.

    `documented` are the provider's own hosts, `named` those that the operator trusts; all in lower case.
    """
    return host in documented or is_loopback(host) or host in named

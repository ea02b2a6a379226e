"""Hosts that API keys may be sent to: the vendor's own, this machine, and those that the operator names."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

VENDOR_HOSTS = ("developer-api.predictionone.sony.biz", "developer-api.easy-predictive-analytics.sony.com")
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


def is_trusted(host: str, named: Collection[str]) -> bool:
    """Whether keys may be sent to the host; `named` are the hosts that the operator trusts, in lower case."""
    return host in VENDOR_HOSTS or is_loopback(host) or host in named

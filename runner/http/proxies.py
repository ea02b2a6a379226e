"""Which proxy a request goes through, and which certificates are trusted: the operator's environment or the manifest.

What is encrypted goes through a tunnel, so the proxy learns the host and nothing else. What is not, is for this machine
only; it goes through a proxy of this machine or through none, or the proxy would read the key.
"""

import ipaddress
import os
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from runner.errors import UsageError
from runner.http.addresses import Address, is_address, is_host, is_loopback
from runner.lib.secrets import Secret

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_STANDARD_PORT = 80


class Proxy(Struct, frozen=True, kw_only=True):
    """An HTTP proxy; `credentials` are `user:password`."""

    host: str
    port: int
    credentials: Secret | None = None

    @property
    def url(self) -> str:
        """Return its address, without the credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class CaBundle(Struct, frozen=True, kw_only=True):
    """A file, or a folder as OpenSSL makes them, of certificates to trust instead of the public ones."""

    path: Path
    source: str  # what names it


class Proxies(Struct, frozen=True, kw_only=True):
    """The proxies in force: `env` those of the environment, `none`, or the one that is given."""

    choice: Literal["env", "none"] | Proxy = "none"

    def proxy_for(self, address: Address) -> Proxy | None:
        """Return the proxy that a request to this address goes through, or None.

        Raises:
            UsageError: the environment names one that cannot be used.
        """
        if self.choice == "none":
            return None
        proxy = _of_environment(address) if self.choice == "env" else self.choice
        if proxy is not None and address.scheme == "http" and not is_loopback(proxy.host):
            return None
        return proxy


def read_proxy(text: str, name: str) -> Proxy:
    """Return the proxy at an address that `name` gives.

    Raises:
        UsageError: it is none that can be used; the address, which may hold a password, is not shown.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port or _STANDARD_PORT
    except ValueError:
        parts, host, port = None, "", 0
    if parts is None or parts.scheme != "http" or not is_host(host):
        raise UsageError(
            f"The proxy of {name} is not an address such as http://proxy.example:3128.",
            hint="Name an HTTP proxy; proxies that are spoken to by TLS or SOCKS are not supported. "
            "`proxy: none` under `service` uses none.",
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    credentials = Secret(f"{user}:{password}") if parts.username is not None else None
    return Proxy(host=host, port=port, credentials=credentials)


def _of_environment(address: Address) -> Proxy | None:
    """Return the proxy of `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`; none for this machine, nor by `NO_PROXY`."""
    from urllib.request import getproxies_environment  # noqa: PLC0415 -- 30 ms that few commands need

    found = getproxies_environment()
    name = next((name for name in (address.scheme, "all") if found.get(name)), None)
    if name is None or is_loopback(address.host) or _is_exempt(address, found.get("no", "")):
        return None
    return read_proxy(found[name], f"{name.upper()}_PROXY")


NO_PROXIES = Proxies()


def _is_exempt(address: Address, names: str) -> bool:
    """Return whether `NO_PROXY` has the host: itself, a domain above it, a network it is in, or `*`."""
    hosts = (address.host, f"{address.host}:{address.port}")
    entries = [entry.strip().lower().lstrip(".") for entry in names.split(",") if entry.strip()]
    return any(
        entry == "*"
        or any(host == entry or host.endswith(f".{entry}") for host in hosts)
        or _in_network(hosts[0], entry)
        for entry in entries
    )


def _in_network(host: str, entry: str) -> bool:
    try:
        return is_address(host) and ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def ca_bundle(named: Path | None) -> CaBundle | None:
    """Return the certificates that the manifest names, else those of the environment; None for the public ones."""
    if named is not None:
        return CaBundle(path=named, source="service.ca_bundle")
    found = ((name, os.environ.get(name)) for name in _CA_VARIABLES)
    return next((CaBundle(path=Path(path), source=name) for name, path in found if path), None)

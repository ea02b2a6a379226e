"""URLs as they go to the wire: byte for byte as given, or not at all.

HTTP libraries tidy URLs (`a/../c` collapses, `%2b` becomes `%2B`), which breaks what a signature covers. So the
request target is cut out of the text itself.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from runner.http.hosts import is_host

_VISIBLE_ASCII = re.compile(r"[!#-;=?-~]+")  # without double quotes and angle brackets, which no URL has
_PARTS = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<target>/[^#]*)", re.IGNORECASE)


class UnfitError(ValueError):
    """The text cannot be sent as it stands; the argument says why, as the end of a sentence, without the text."""


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
    try:
        split = urlsplit(f"//{parts['authority']}")
        host, port = split.hostname, split.port
    except ValueError:
        raise UnfitError("names no valid host and port") from None
    if not host or port == 0 or not is_host(host.removesuffix(".")):  # urllib3 raises in mid-call over some others
        raise UnfitError("names no valid host and port")
    return Address(
        scheme="https" if parts["scheme"].lower() == "https" else "http", host=host, port=port, target=parts["target"]
    )

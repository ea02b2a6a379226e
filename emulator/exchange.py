"""One request on its way through the emulator."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct
from werkzeug.wrappers import Request

from emulator.profile import FaultKind, Rule

HEADER_NAMES = "emulator.header_names"
"""Key of the WSGI environment: the names of all headers as they came, repeated ones too."""

KEY_HEADER = "x-api-key"


class Exchange(Struct, frozen=True, kw_only=True):
    """A request, the parts of its path that the route names, and the fault that hits it."""

    request: Request
    arguments: Mapping[str, str]
    rule: Rule | None = None

    @property
    def key(self) -> str | None:
        """The API key that was sent."""
        return self.request.headers.get(KEY_HEADER)

    @property
    def header_names(self) -> tuple[str, ...]:
        """The header names in lower case, in the order they came."""
        names: tuple[str, ...] = self.request.environ[HEADER_NAMES]
        return names

    @property
    def base_url(self) -> str:
        """Where the client found this server, without a trailing slash."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def raw_path(self) -> str:
        """The path as it was sent, still percent-encoded."""
        return urlsplit(str(self.request.environ["RAW_URI"])).path

    def hit_by(self, kind: FaultKind) -> bool:
        """Return whether this fault hits the request."""
        return self.rule is not None and self.rule.kind is kind

"""Which service a run speaks to, and under which name the journal keeps its history."""

from urllib.parse import urlsplit

from msgspec import Struct

from runner.manifest.model import Manifest

EMULATOR = "emulator"


class Realm(Struct, frozen=True, kw_only=True):
    """A service as the journal knows it.

    What was trained on the emulator must not count as trained on the service, so the journal keeps a history for each
    `name`: `emulator`, or the service's host. The port does not count: it changes in tests and rehearsals.
    """

    name: str
    emulator: bool


def realm_of(manifest: Manifest, *, emulator: bool) -> Realm:
    """Return the realm of a manifest; `emulator` is the command line's `--emulator`."""
    if emulator or manifest.service.emulator or manifest.service.url is None:
        return Realm(name=EMULATOR, emulator=True)
    return Realm(name=urlsplit(manifest.service.url).hostname or manifest.service.url, emulator=False)

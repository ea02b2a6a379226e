"""States in object stores for tests: the credentials, moto as the server of another make, and fresh prefixes."""

import itertools
import os
import urllib.request
from functools import cache

import pytest

from runner.journal.object_store import ObjectStore

SECRET = "canary-secret-key-0123456789"
_numbers = itertools.count()


def set_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process credentials that any of the servers takes, and none of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-access-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@cache
def moto_endpoint() -> str:
    """Start moto once in this process, and make its bucket; it ends with the process."""
    server = pytest.importorskip("moto.server", reason="moto with its server is not installed").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, Signature=s"}
    request = urllib.request.Request(f"http://{host}:{port}/bucket", method="PUT", headers=signed)
    with urllib.request.urlopen(request):
        return f"http://{host}:{port}"


def begun(address: str) -> ObjectStore:
    """Return a state that was begun at the address."""
    ObjectStore(address).begin()
    return ObjectStore(address)


def fresh_on_moto() -> ObjectStore:
    """Return a new state on moto."""
    return begun(fresh_address())


def fresh_address() -> str:
    """Return the address of a prefix on moto that no test has used."""
    return f"s3://bucket/state-{next(_numbers)}?endpoint={moto_endpoint()}&region=us-east-1"

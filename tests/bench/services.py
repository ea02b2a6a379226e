"""The services that the lines of the bench talk to: started beside them, and ended with them."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.bench.measure import ROOT

PYTHON = sys.executable
TOOL = Path(PYTHON).parent


@contextmanager
def sink(certificate: Path | None = None, speed: int | None = None) -> Iterator[str]:
    """Start the service that answers at once and give its URL; https with a file of certificate and key.

    `speed` is that of its line, in MiB/s.
    """
    words = [*([str(certificate)] if certificate else []), *([str(speed)] if speed else [])]
    with _serving(["tests.bench.sink", *words]) as url:
        yield url


@contextmanager
def slow_service(shortest_s: float, longest_s: float) -> Iterator[str]:
    """Start the service whose trainings take that long and give its URL."""
    with _serving(["tests.bench.slow_service", str(shortest_s), str(longest_s)]) as url:
        yield url


@contextmanager
def data_store(size: int) -> Iterator[str]:
    """Start the object store that holds one table of about so many bytes and give its URL."""
    with _serving(["tests.bench.data_store", str(size)]) as url:
        yield url


def make_authority(folder: Path) -> tuple[Path, Path]:
    """Make a certificate authority for this run only; return its certificate, and a server's with its key."""
    authority = trustme.CA()
    root, server = folder / "authority.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(root))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server))
    return root, server


def retrain(*words: str) -> list[str]:
    """Return the command line of the installed command."""
    return [str(TOOL / "retrain"), *words]


def script(name: str, *words: str) -> list[str]:
    """Return the command line of a script of the bench."""
    return [PYTHON, "-m", f"tests.bench.{name}", *words]


@contextmanager
def _serving(module: Sequence[str]) -> Iterator[str]:
    command = [PYTHON, "-m", *module]
    # In a session of its own: Ctrl-C is the bench's to handle.
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()

"""The manifest's `state:`, which counts where neither --state nor RETRAIN_STATE names a state."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from runner.app.state.open_state import open_state, require_trusted
from runner.cli.options import TRUST_STATE
from runner.errors import UsageError
from runner.http.addresses import is_loopback
from runner.http.objects.address import is_object_address
from runner.http.objects.bucket import read_bucket_address
from runner.journal.postgres_address import is_postgres_address, read_postgres_address
from runner.lib.atomic_files import open_file, read_up_to
from runner.manifest.load import manifest_files, read, usual_paths

_KEY = re.compile(rb"""^["']?state["']?[ \t]*:""", re.MULTILINE)
_LARGEST = 16 * 1024 * 1024  # bytes of a manifest that are looked at


def settle(ctx: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return a command's arguments with the state that counts; one that others may have written is refused.

    Raises:
        UsageError: the manifest's state would send credentials to a host that nobody named.
        StateError: the state is not this user's own.
    """
    console, manifest = values.get("console"), values.get("manifest")
    if console is not None and manifest:
        console.name_manifest(manifest)
    if ctx.get_parameter_source("state") is not ParameterSource.DEFAULT:
        return values
    found = state_of(tuple(values.get("paths") or ()) or tuple(values.get("manifest") or ()) or usual_paths())
    state = found or values["state"]
    if console is not None:
        console.state = state
    if "trust_state" not in values:  # a command that takes it looks at the state itself
        require_trusted(state, accepted=bool(ctx.meta.get(TRUST_STATE)))
    return {**values, "state": state}


def state_of(paths: Sequence[Path]) -> str | None:
    """Return the `state:` of a manifest, or None; what is wrong with the manifest is told by who reads it.

    Raises:
        UsageError: it would send credentials to a host that nobody named.
    """
    if not any(map(_names_a_state, manifest_files(paths))):
        return None
    manifest = read(paths).manifest
    if manifest is None or manifest.state is None:
        return None
    for host in _hosts(manifest.state):
        _require_named(host)
    open_state(manifest.state)  # raises where there is no such kind
    return manifest.state


def _hosts(address: str) -> Iterator[str]:
    """Yield the hosts that an address of a state itself names, and not the environment."""
    if is_object_address(address) and "endpoint=" in address:
        yield read_bucket_address(address, parameters={"lease"}).endpoint_host or ""
    elif is_postgres_address(address):
        database = read_postgres_address(address)
        yield from database.hosts
        yield from _hosts(database.blobs)


def _names_a_state(file: Path) -> bool:
    try:
        with open_file(file) as stream:
            return _KEY.search(read_up_to(stream, _LARGEST)) is not None
    except OSError:
        return False


def _require_named(host: str) -> None:
    """Raise a UsageError where a manifest would have this environment's cloud credentials sent to any host."""
    trusted = re.split(r"[,\s]+", os.environ.get("RETRAIN_TRUSTED_HOSTS", "").lower())
    if host and not is_loopback(host) and host not in trusted:
        raise UsageError(
            f"The manifest's `state:` has requests with this environment's credentials sent to {host}.",
            hint=f"If that is your store, set RETRAIN_TRUSTED_HOSTS={host}, or name the state with --state.",
        )

"""The emulator put together and run."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emulator.access import Access
from emulator.account_api import AccountApi
from emulator.admin import Admin
from emulator.application import Application, Parts
from emulator.data_folder import make_data_folder
from emulator.hosting import Hosting
from emulator.http_server import Server, make_server
from emulator.profile import Profile
from emulator.request_log import RequestLog
from emulator.retrain_api import RetrainApi
from emulator.rules import Rules
from emulator.signing import Signer, load_signing_key
from emulator.state import State
from emulator.store import Store
from emulator.trainings import Trainings
from runner.errors import StateError, UsageError

_LOCK_SECONDS = 10.0  # a server whose run was killed needs a moment to end


def serve(  # noqa: PLR0913 # keywords that the command passes on
    hosting: Hosting,
    *,
    host: str,
    port: int,
    data: Path,
    profile: Profile,
    ready: Callable[[str], None],
    wait_for_end: Callable[[], object] | None = None,
) -> None:
    """Serve until the process is interrupted, or until `wait_for_end` returns if it is given.

    `ready` is called with the base URL when requests are answered. State is kept in the folder `data`.

    Raises:
        UsageError: the folder is in use by another emulator, or the address cannot be listened on.
        StateError: the folder cannot be read or written.
    """
    with _data_errors(data), _only_server(data), _parts(hosting, data, profile) as parts:
        server = make_server(Application(parts), host=host, port=port)
        server.clock = profile.clock
        if wait_for_end is not None:
            threading.Thread(target=_shut_down_after, args=(wait_for_end, server), daemon=True).start()
        ready(f"http://{f'[{host}]' if ':' in host else host}:{server.port}")
        server.serve_forever(poll_interval=0.1)


def _shut_down_after(wait: Callable[[], object], server: Server) -> None:
    wait()
    server.shutdown()


@contextmanager
def _data_errors(data: Path) -> Iterator[None]:
    """Tell of a data folder that cannot be read or written in the tool's own words."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StateError(
            f"The emulator's data folder {data} cannot be used: {getattr(error, 'strerror', None) or error}.",
            hint="Check its disk's space and permissions, or give another folder with --data.",
        ) from error


@contextmanager
def _only_server(data: Path) -> Iterator[None]:
    lock = FileLock(make_data_folder(data) / "emulator.lock", mode=0o600)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise UsageError(
            f"Another emulator uses the data folder {data}.", hint="Stop it, or give this one its own --data folder."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _parts(hosting: Hosting, data: Path, profile: Profile) -> Iterator[Parts]:
    state, log = State(data / "state.sqlite3"), RequestLog(data)
    slots = os.cpu_count() or 1
    trainings = Trainings(state, hosting.models, data / "jobs", slots=slots, terms=profile.training)
    try:
        state.register(hosting.models.values())
        signer = Signer(load_signing_key(data / "signing.key"), clock=profile.clock)
        access = Access(hosting, state, key_days=profile.keys.days)
        trainings.start()
        yield Parts(
            state=state,
            access=access,
            retrain=RetrainApi(access=access, state=state, signer=signer, profile=profile),
            account=AccountApi(hosting=hosting, access=access, state=state, profile=profile),
            store=Store(signer=signer, state=state, trainings=trainings, profile=profile),
            admin=Admin(hosting=hosting, state=state, trainings=trainings),
            profile=profile,
            rules=Rules(profile.rules),
            log=log,
        )
    finally:
        trainings.close()
        log.close()
        state.close()

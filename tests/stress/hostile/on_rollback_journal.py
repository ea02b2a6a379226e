"""Whoever may write a state makes SQLite remove no file of whoever reads it."""

import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from emulator.state import State
from runner.errors import ExitCode, StateError
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_MAGIC = bytes.fromhex("d9d505f920a163d7")
_PAGE, _SECTOR = 4096, 512
_COMMANDS = (("status",), ("verify",), ("history",), ("audit", "head"), ("unlock",))


def _plant(database: Path, victim: Path) -> None:
    """Write a rollback journal that is hot and names the victim, as one of a commit over several databases does."""
    name = os.fsencode(victim)
    pages = database.stat().st_size // _PAGE
    head = _MAGIC + struct.pack(">IIIII", 0, 1234, pages, _SECTOR, _PAGE)
    end = struct.pack(">I", 0x40000000 // _PAGE + 1) + name + struct.pack(">II", len(name), sum(name)) + _MAGIC
    database.with_name(f"{database.name}-journal").write_bytes(head.ljust(_SECTOR, b"\0") + end)


def _victim(folder: Path, random: Random) -> Path:
    victim = folder / random.choice(("victim", "a file of the user.txt", ".bashrc"))
    victim.write_bytes(random.choice((b"", b"precious\n" * 99, b"\0" * 64)))
    return victim


def _proven(folder: Path) -> None:
    """Raise unless SQLite, unguarded, removes what such a journal names."""
    database, victim = folder / "other.sqlite3", folder / "gone"
    victim.write_text("x", encoding="utf-8")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    _plant(database, victim)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT * FROM t").fetchall()
    if victim.exists():
        raise LookupError("this SQLite removes nothing")


def _state(folder: Path, random: Random) -> Iterator[str]:
    """Let a command read a state with such a journal."""
    _proven(folder)
    state = folder / "state"
    open_store(StateFolder(state)).close()
    victim = _victim(folder, random)
    _plant(state / "journal.sqlite3", victim)
    words = random.choice(_COMMANDS)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "runner", *words, "--state", str(state)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if not victim.exists():
        yield f"`retrain {' '.join(words)}` removed {victim.name}"
    elif words != ("unlock",) and (done.returncode != ExitCode.STATE or "remove a file elsewhere" not in done.stderr):
        raise LookupError(done.stderr)


def _emulator(folder: Path, random: Random) -> Iterator[str]:
    """Let the emulator open its own database beside such a journal."""
    _proven(folder)
    State(folder / "state.sqlite3").close()
    victim = _victim(folder, random)
    _plant(folder / "state.sqlite3", victim)
    with suppress(StateError):
        State(folder / "state.sqlite3").close()
    if not victim.exists():
        yield f"the emulator removed {victim.name}"


ATTACKS = (
    Attack(name="a rollback journal that names a file", sentence="C7", play=_state),
    Attack(name="a rollback journal of the emulator that names a file", sentence="C7", play=_emulator),
)

"""The real command in a process of its own, without the imports that its start takes: a fork of one that has done them.

Two of three seconds of the acceptance tests were imports. `RETRAIN_TESTS_START=anew` starts an interpreter for each
command instead. What is about a start, a signal or a terminal does so always, with `subprocess`.
"""

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.preloaded_process import GO, LONGEST_S

ROOT = Path(__file__).parents[2]
_ANEW = os.environ.get("RETRAIN_TESTS_START") == "anew"
_OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG")  # read when it starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one command ended: its exit code, or minus the signal that killed it, and what it wrote."""

    code: int
    out: bytes
    err: bytes


class Preloaded:
    """The process that forks."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.preloaded_process"],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """End the process."""
        self._orders.close()
        self._process.kill()
        self._process.wait()

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        together: bool = False,
        held: str = "",
        meet: Callable[[int], None] = lambda _: None,
    ) -> Ended:
        """Run `retrain WORD...` in a folder to its end; `meet` gets the number of the thread that is `held`."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            written = (out.fileno(), (out if together else err).fileno())
            code = self._run(words, folder, environment, written, held, meet)
            out.seek(0)
            err.seek(0)
            return Ended(code=code, out=out.read(), err=err.read())

    def _run(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        written: tuple[int, int],
        held: str,
        meet: Callable[[int], None],
    ) -> int:
        order = {"words": words, "held": held, "folder": str(folder), "environment": dict(environment)}
        ours, theirs = socket.socketpair()
        with ours, Path(os.devnull).open("rb") as nothing:
            with theirs:
                files = [nothing.fileno(), *written, theirs.fileno()]
                socket.send_fds(self._orders, [json.dumps(order).encode()], files)
            ours.settimeout(LONGEST_S + 10)
            with ours.makefile("rb") as told:
                what, number = _heard(told.readline())
                if what == "held":
                    meet(number)
                    with suppress(BrokenPipeError):  # it was killed while it was held
                        ours.sendall(GO)
                    what, number = _heard(told.readline())
                elif held:
                    raise RuntimeError(f"the thread {held} never began")
        return number


def _heard(line: bytes) -> tuple[str, int]:
    if not line:
        raise RuntimeError("the process that forks the commands has ended; its own words are above")
    what, _, number = line.decode().partition(" ")
    return what, int(number)


@contextmanager
def preloaded() -> Iterator[Preloaded]:
    """Give such a process for the length of a block."""
    process = Preloaded()
    try:
        yield process
    finally:
        process.close()


@functools.cache
def _shared() -> Preloaded:
    return Preloaded()  # it ends when this process does, and with it the socket of the orders


def retrain(words: Sequence[str], *, folder: Path, environment: Mapping[str, str], together: bool = False) -> Ended:
    """Run `retrain WORD...` in a folder to its end, with PATH, the program's place and what is given as environment.

    What it says on its two outputs is kept apart, or `together` in `out`, as on a terminal.
    """
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    if _ANEW or any(name.startswith(_OF_THE_INTERPRETER) for name in environment):
        done = subprocess.run(
            [sys.executable, "-m", "runner", *words],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else subprocess.PIPE,
            timeout=LONGEST_S,
            check=False,
        )
        return Ended(code=done.returncode, out=done.stdout, err=done.stderr or b"")
    return _shared().run(words, folder=folder, environment=variables, together=together)

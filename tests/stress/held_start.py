"""Starts the real command quickly, again and again, and holds one of its threads still until a tracer has come in.

`python -m tests.stress.held_start` imports everything once. For each order, a line of JSON on its input, it forks a
process that runs the command of `retrain WORD...`, and says `ended CODE` when that is over. Where the order names a
thread to hold (`main`, or the first of an executor's, `call` or `stage`), the forked process says `held NUMBER` when
the thread starts, and continues when it is told `go`. So a tracer sees the run and not the imports.
"""

import ctypes
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import runner

GO = b"go\n"
_PR_SET_PTRACER, _ANY = 0x59616D61, -1  # man 2 prctl: where Yama restricts tracing to parents, any process may
_UNUSED = ("emulator", "runner.__main__")
_IMPORTED_LATE = ("encodings.idna",)
_LONGEST_S = 60  # a run that hangs ends by SIGALRM


def main() -> None:
    """Import everything, then fork a run for each order."""
    for module in pkgutil.walk_packages(runner.__path__, "runner."):
        if not module.name.startswith(_UNUSED):
            importlib.import_module(module.name)
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    sys.dont_write_bytecode = True  # a first run that keeps its compiled templates would make other calls than the next
    for line in sys.stdin.buffer:
        number = os.fork()
        if number == 0:
            _run(json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        os.write(sys.stdout.fileno(), f"ended {code}\n".encode())


def _run(order: dict[str, Any]) -> None:
    """Become the command in the order's folder, environment and output files, and end as it ends."""
    signal.alarm(_LONGEST_S)
    hears, tells = os.dup(0), os.dup(1)
    for place, (path, flags) in enumerate(
        (
            (os.devnull, os.O_RDONLY),
            (order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, place)
        os.close(opened)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    _hold(order["held"], lambda: _wait_here(hears, tells))
    importlib.import_module("runner.cli.main").main(order["words"])


def _wait_here(hears: int, tells: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(_ANY))
    os.write(tells, f"held {threading.get_native_id()}\n".encode())
    os.read(hears, len(GO))


def _hold(thread: str, wait: Callable[[], None]) -> None:
    if thread == "main":
        wait()
    elif thread:
        _hold_first(thread, wait)


def _hold_first(prefix: str, wait: Callable[[], None]) -> None:
    """Let the first thread with a name of this prefix begin with `wait`."""
    ordinary, met = threading.Thread.run, threading.Lock()

    def run(thread: threading.Thread) -> None:
        if thread.name.startswith(prefix) and met.acquire(blocking=False):
            wait()
        ordinary(thread)

    setattr(threading.Thread, "run", run)  # noqa: B010 -- the one place every thread passes; mypy refuses to assign


if __name__ == "__main__":
    main()

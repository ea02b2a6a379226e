"""Starts the real command and holds one of its threads still until a tracer has come in.

`python -m tests.torture.held_start THREAD WORD...` runs `retrain WORD...` in this process. When the thread named THREAD
starts (`main`, or the first of an executor's, `call` or `stage`), its number is written to the descriptor in
`HELD_TELLS`, and it goes on when a byte comes from the one in `HELD_WAITS`. Imports are done before, so that a tracer
sees the run and not the interpreter's start.
"""

import ctypes
import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Callable

import runner

TELLS, WAITS = "HELD_TELLS", "HELD_WAITS"
_PR_SET_PTRACER, _ANY = 0x59616D61, -1  # man 2 prctl: where Yama restricts tracing to parents, any process may
_UNUSED = ("runner.emulator", "runner.__main__")


def main() -> None:
    """Import everything, hold where asked, run the command."""
    held, *words = sys.argv[1:]
    tells, waits = int(os.environ.pop(TELLS)), int(os.environ.pop(WAITS))
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(_ANY))
    for module in pkgutil.walk_packages(runner.__path__, "runner."):
        if not module.name.startswith(_UNUSED):
            importlib.import_module(module.name)

    def hold() -> None:
        os.write(tells, f"{threading.get_native_id()}\n".encode())
        os.read(waits, 1)

    if held == "main":
        hold()
    else:
        _hold_first(held, hold)
    importlib.import_module("runner.cli.main").main(words)


def _hold_first(prefix: str, hold: Callable[[], None]) -> None:
    """Let the first thread with a name of this prefix begin with `hold`."""
    ordinary, met = threading.Thread.run, threading.Lock()

    def run(thread: threading.Thread) -> None:
        if thread.name.startswith(prefix) and met.acquire(blocking=False):
            hold()
        ordinary(thread)

    setattr(threading.Thread, "run", run)  # noqa: B010 -- the one place every thread passes; mypy refuses to assign


if __name__ == "__main__":
    main()

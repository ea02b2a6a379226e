"""The process that has loaded the program and becomes `retrain WORD...` in a fork for each order.

`python -m tests.fakes.preloaded_process` reads orders on its standard input, a socket: each is a line of JSON with the
three files of the command to come, and a socket for what is told of it. `held NUMBER` says that the thread which the
order names (`main`, or the first of an executor's, `call` or `stage`) has come to its start, and waits there for `go`,
so that a tracer sees the run and not the imports. `ended CODE` says that the command is over.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import runner

GO = b"go\n"
LONGEST_S = 100  # a command that hangs ends by SIGALRM
_MOST_BYTES = 1 << 18  # of an order
_PR_SET_PTRACER, _ANY = 0x59616D61, -1  # man 2 prctl: where Yama restricts tracing to parents, any process may
_UNUSED = ("runner.__main__",)
_IMPORTED_LATE = ("encodings.idna",)


def main() -> None:
    """Import everything, then fork a command for each order, until nobody is left to give one."""
    for module in pkgutil.walk_packages(runner.__path__, "runner."):
        if module.name not in _UNUSED:
            importlib.import_module(module.name)
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    sys.dont_write_bytecode = True  # a first run that keeps its compiled templates would make other calls than the next
    gc.collect()
    gc.freeze()  # so that a fork does not copy every page that a collection would touch
    orders = socket.socket(fileno=os.dup(0))
    running: dict[int, socket.socket] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _tell_ends(running))
    while True:
        text, files, _, _ = socket.recv_fds(orders, _MOST_BYTES, 4)
        if not text:
            return
        told = socket.socket(fileno=files.pop())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        number = os.fork()
        if number == 0:
            _forget_the_others(orders, running)
            _become(json.loads(text), files, told)
            return
        running[number] = told
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for file in files:
            os.close(file)


def _tell_ends(running: dict[int, socket.socket]) -> None:
    for number, told in list(running.items()):
        try:
            ended, status = os.waitpid(number, os.WNOHANG)
        except ChildProcessError:
            continue  # it is told of by the handler of a signal that came within this one
        if ended:
            del running[number]
            with suppress(OSError):  # who asked has gone
                told.sendall(f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
            told.close()


def _forget_the_others(orders: socket.socket, running: dict[int, socket.socket]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for each in (orders, *running.values()):
        each.close()


def _become(order: dict[str, Any], files: list[int], told: socket.socket) -> None:
    """Be the command in the order's folder, environment and files, and end as it ends."""
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    signal.alarm(LONGEST_S)
    _hold(order["held"], lambda: _wait_here(told))
    sys.argv = ["retrain", *order["words"]]
    try:
        runpy.run_module("runner", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if threading.active_count() == 1 and isinstance(end.code, int):
            _leave(end.code)
        raise


def _leave(code: int) -> NoReturn:
    """End as the interpreter does, but for the taking apart of all that was loaded: it takes longer than a command."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(code)


def _wait_here(told: socket.socket) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(_ANY))
    told.sendall(f"held {threading.get_native_id()}\n".encode())
    os.read(told.fileno(), len(GO))  # no call of a socket, which the tracer would count


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

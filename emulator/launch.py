"""An emulator for the length of a run, in a separate process."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from emulator.data_folder import make_data_folder
from emulator.extra import require_extra
from runner.errors import ExitCode, RetrainError, StateError, UsageError
from runner.lib.atomic_files import FILE_MODE
from runner.lib.programs import python_environment

LOG_NAME = "emulator.log"
PROGRAM = (sys.executable, "-P", "-m", "runner", "emulator", "serve")  # -P: a folder `runner` here is not ours
_LISTENING = "listening on "
_START_SECONDS = 60.0
_END_SECONDS = 10.0
_TAIL_BYTES = 2000


@contextmanager
def running_emulator(manifest_paths: Sequence[Path], data: Path, *, program: Sequence[str] = PROGRAM) -> Iterator[str]:
    """Give the base URL of an emulator on a free loopback port; its state and its log are in `data`.

    The emulator uses its own keys (`keys.own_key`). It ends with the block, and by itself when this process dies.

    Raises:
        UsageError: the extra is not installed, or the emulator did not start.
        StateError: the data folder cannot be used.
    """
    require_extra()
    log = make_data_folder(data) / LOG_NAME
    options = ("--port", "0", "--data", str(data), "--own-keys", "--until-stdin-closes")
    with _log_file(log) as errors:
        process = subprocess.Popen(  # noqa: S603 # our own program under our own interpreter
            [*program, *(str(path) for path in manifest_paths), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=python_environment(),
            start_new_session=True,  # Ctrl-C is the run's to handle; the emulator must outlast it
        )
        began = errors.tell()
    try:
        yield _wait_until_listening(process, log, began)
    finally:
        _end(process)


@contextmanager
def _log_file(log: Path) -> Iterator[BinaryIO]:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "ab") as file:
        yield file


def _wait_until_listening(process: subprocess.Popen[bytes], log: Path, began: int) -> str:
    deadline = time.monotonic() + _START_SECONDS
    said = b""
    while (url := _url(said)) is None:
        block = _read_before(deadline, process)
        if not block:
            _end(process)
            raise _not_started(process.returncode, _tail(log, began), log)
        said += block
    return url


def _not_started(code: int | None, tail: str, log: Path) -> RetrainError:
    """Return the emulator's own error as ours; its exit code tells the disk's trouble from a wrong use."""
    _, _, told = tail.rpartition("error: ")
    message, _, hint = told.partition(" hint: ")
    kind = StateError if code == ExitCode.STATE else UsageError
    return kind(
        f"The emulator did not start: {message or 'it said nothing'}",
        hint=hint or f"Its messages are in {log}; `retrain emulator serve` shows them as they come.",
    )


def _url(said: bytes) -> str | None:
    lines = said.decode("utf-8", "replace").split("\n")[:-1]  # the last one may not be whole yet
    return next((line.strip().removeprefix(_LISTENING) for line in lines if line.startswith(_LISTENING)), None)


def _read_before(deadline: float, process: subprocess.Popen[bytes]) -> bytes:
    """Return what the process says next; empty when it ended or the time is up."""
    if process.stdout is None:
        return b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            return b""
    return os.read(process.stdout.fileno(), 65536)


def _tail(log: Path, began: int) -> str:
    text = log.read_bytes()[began:][-_TAIL_BYTES:].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() or c == "\n" else "?" for c in text).split())


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    for stronger in (process.terminate, process.kill):
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            break
        stronger()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()

"""Whole processes, watched from outside: what they took by the clock and in memory, with everything they started."""

import contextlib
import os
import resource
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 900  # for one command; none of the bench's takes a tenth of it
_FIRST_POLL_S = 0.01
_POLL_S = 0.1  # between two looks at a process's tree; a look costs about a millisecond
_MIB = 1 << 20


class NotMeasuredError(Exception):
    """A figure could not be measured; the argument says why, for the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took.

    `seconds` by the clock, from its start to its end; `cpu_seconds` of all its processes; `mebibytes` is the most that
    the tree of its processes held in memory at once, pages they share counted for each; `threads` the most of them at
    once. Both are looked at every 0.1 s, more often at first; the peak of a single process is the kernel's, and exact.
    """

    seconds: float
    cpu_seconds: float
    mebibytes: float
    threads: int
    output: str


@dataclass(slots=True, kw_only=True)
class _Peak:
    bytes: int = 0
    threads: int = 0

    def look(self, root: psutil.Process) -> None:
        """Take in what the tree holds now, and the most that its root has held."""
        held = threads = 0
        self.bytes = max(self.bytes, _high_water(root.pid))
        with contextlib.suppress(psutil.Error):
            for one in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += one.memory_info().rss
                    threads += one.num_threads()
        self.bytes, self.threads = max(self.bytes, held), max(self.threads, threads)


def cost_of(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    cores: int | None = None,
    allowed: Sequence[int] = (0,),
) -> Cost:
    """Run a command and return what it cost; with `cores`, on that many processors only.

    Raises:
        NotMeasuredError: the program is missing, there are fewer cores, or it did not end as it should.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaints:
        began = time.monotonic()
        with _confined(cores):
            process = _start(command, _surroundings(environment), told.fileno(), complaints.fileno())
        try:
            peak, usage = _watch(process)
        finally:
            end_tree(process)
        seconds = time.monotonic() - began
        told.seek(0)
        complaints.seek(0)
        if process.returncode not in allowed:
            last = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
            raise NotMeasuredError(f"{Path(command[0]).name} ended with {process.returncode}: {''.join(last)}")
        return Cost(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            mebibytes=max(_own_peak(usage), peak.bytes) / _MIB,
            threads=peak.threads,
            output=told.read().decode(errors="replace"),
        )


def in_turn(sides: Sequence[Callable[[], T]], *, rounds: int) -> list[list[T]]:
    """Call the sides in turn, A B A B, and return what each gave, side by side; a first round does not count."""
    found = [[side() for side in sides] for _ in range(rounds + 1)][1:]
    return [list(one) for one in zip(*found, strict=True)]


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started, if they still run."""
    if process.returncode is not None:
        return
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.kill()
    process.wait()


def _surroundings(more: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return this process's environment with more in it; compiled modules are kept, as where a user installs them."""
    own = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **(more or {})}


def _start(command: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
    except OSError as error:
        raise NotMeasuredError(f"{command[0]} cannot be started: {error.strerror}") from error


def _watch(process: subprocess.Popen[bytes]) -> tuple[_Peak, resource.struct_rusage]:
    """Wait for the end, which the kernel tells at once: a short command is not rounded up to a look."""
    peak, root = _Peak(), psutil.Process(process.pid)
    handle = os.pidfd_open(process.pid)
    pause, end = _FIRST_POLL_S, time.monotonic() + _LONGEST_S
    try:
        while not select.select([handle], [], [], pause)[0]:
            peak.look(root)
            pause = min(2 * pause, _POLL_S)
            if time.monotonic() > end:
                raise NotMeasuredError(f"it did not end within {_LONGEST_S} s")
    finally:
        os.close(handle)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return peak, usage


def _own_peak(usage: resource.struct_rusage) -> int:
    """Return the bytes of an ended process's peak, or 0: the kernel counts what its parent held when it was begun."""
    from_parent = usage.ru_maxrss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0 if from_parent else usage.ru_maxrss * 1024


def _high_water(pid: int) -> int:
    """Return the most bytes that a running process has held since its program began; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _confined(cores: int | None) -> Iterator[None]:
    """Let what is started here run on so many processors; None leaves it alone."""
    here = os.sched_getaffinity(0)
    if cores is None:
        yield
        return
    if len(here) < cores:
        raise NotMeasuredError(f"there are fewer than {cores} processors")
    os.sched_setaffinity(0, sorted(here)[-cores:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, here)

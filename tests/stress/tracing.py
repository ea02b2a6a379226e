"""The real command under strace: which system calls a run makes, and runs that are killed or hindered at one of them.

strace counts calls by thread, so it is attached to one thread at a time; a point is the how-manyeth call of its name in
that thread. A signal given at a call's entry comes before the call: to kill at every call is to kill between any two.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.contract.contract_project import Finished, Project, judged
from tests.fakes.preloaded import Preloaded

THREADS = ("main", "call", "stage")  # the coordinator with journal and reports, the short calls, the heavy stages
CALLS = (
    *("write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate", "openat", "close"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat"),
    *("symlink", "symlinkat", "fchmod", "chmod", "fcntl", "flock", "getdents64", "utimensat"),
    *("socket", "connect", "poll", "sendto", "sendmsg", "recvfrom", "recvmsg", "shutdown"),
)
_LINE = re.compile(r"(\w+)\(")
_INJECTED = "(INJECTED)"
_ATTACH_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One system call of an undisturbed run: the `number`th `call` of its `thread`; `text` is as strace shows it."""

    thread: str
    call: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.thread}:{self.call}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """How a disturbed run ended. `reached` is the call that was hit, None when the run ended without coming to it."""

    ended: Finished
    reached: str | None


def why_not() -> str | None:
    """Return why nothing can be traced here, or None when it can."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed (Debian: apt-get install strace)"
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def points(runs: Preloaded, project: Project, thread: str) -> list[Point]:
    """Return the system calls that one thread of an undisturbed `retrain run` makes, in order."""
    ended, lines = _traced(runs, project, thread, "-e", f"trace={','.join(f'?{call}' for call in CALLS)}")
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run ended with {ended.code}: {ended.err}")
    counts: Counter[str] = Counter()
    found = []
    for line in lines:
        match = _LINE.match(line)
        if match:
            counts[match[1]] += 1
            found.append(Point(thread=thread, call=match[1], number=counts[match[1]], text=line))
    return found


def run(runs: Preloaded, project: Project, held: str = "", meet: Callable[[int], None] = lambda _: None) -> Finished:
    """Run `retrain run` in a project to its end; `meet` gets the number of the thread that is `held`."""
    environment = {"PATH": os.environ["PATH"], **project.variables()}
    words = project.words_of(("run", "models.yaml"))
    return judged(runs.run(words, folder=project.folder, environment=environment, held=held, meet=meet))


def killed_at(runs: Preloaded, project: Project, *, point: Point) -> Disturbed:
    """Run once and kill the process with signal 9 as it enters the point."""
    ended, _ = _traced(runs, project, point.thread, *_inject(point, "signal=KILL"))
    return Disturbed(ended=ended, reached=point.text if ended.code == -signal.SIGKILL else None)


def hindered_at(runs: Preloaded, project: Project, *, point: Point, error: str, lasting: bool = False) -> Disturbed:
    """Run once and let the point fail with an error number's name; `lasting`: and every such call after it."""
    ended, lines = _traced(runs, project, point.thread, *_inject(point, f"error={error}", lasting=lasting))
    return Disturbed(ended=ended, reached=next((line for line in lines if line.endswith(_INJECTED)), None))


def _inject(point: Point, what: str, *, lasting: bool = False) -> tuple[str, ...]:
    when = f"{point.number}{'+' if lasting else ''}"
    return ("-e", f"trace={point.call}", "-e", f"inject={point.call}:{what}:when={when}")


def _traced(runs: Preloaded, project: Project, thread: str, *options: str) -> tuple[Finished, list[str]]:
    with tempfile.NamedTemporaryFile() as log:
        with ExitStack() as stack:
            ended = run(
                runs, project, thread, lambda number: stack.enter_context(_tracer(number, "-o", log.name, *options))
            )
        return ended, Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()


@contextmanager
def _tracer(number: int, *options: str) -> Iterator[None]:
    """Trace a thread from now until it ends."""
    tracer = subprocess.Popen(
        ["strace", "-y", "-s", "0", "-p", str(number), *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_for_tracer(tracer, number)
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            tracer.wait(5)
        tracer.kill()
        tracer.communicate()


def _wait_for_tracer(tracer: subprocess.Popen[bytes], number: int) -> None:
    status, end = Path(f"/proc/{number}/status"), time.monotonic() + _ATTACH_S
    while "TracerPid:\t0\n" in status.read_text(encoding="utf-8"):
        if tracer.poll() is not None or time.monotonic() > end:
            tracer.kill()
            raise RuntimeError(f"strace did not attach: {tracer.communicate()[1].decode(errors='replace').strip()}")
        time.sleep(0.002)

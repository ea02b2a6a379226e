"""The real command, with all that others can see of it: its output, and what /proc tells of it and its children."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.contract.contract_project import Project, finish

_POLL_S = 0.002


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was seen of one command. `arguments` and `environments` are those of all its processes."""

    code: int = 0
    out: str = ""
    err: str = ""
    arguments: set[bytes] = field(default_factory=set)
    environments: set[bytes] = field(default_factory=set)  # of its children only; its own holds the user's variables

    def places(self, name: str) -> dict[str, bytes]:
        """Return the bytes by place, for a scanner."""
        return {
            f"stdout of {name}": self.out.encode(),
            f"stderr of {name}": self.err.encode(),
            f"arguments of {name}": b"\n".join(self.arguments),
        }


def watched(project: Project, *arguments: str) -> Seen:
    """Run a command of the project to its end and keep what could be seen of it from outside."""
    seen, done = Seen(), threading.Event()
    process = project.start(*arguments)
    watcher = threading.Thread(target=_watch, args=(process.pid, seen, done))
    watcher.start()
    try:
        ended = finish(process)
    finally:
        done.set()
        watcher.join()
    seen.code, seen.out, seen.err = ended.code, ended.out, ended.err
    return seen


def _watch(pid: int, seen: Seen, done: threading.Event) -> None:
    while not done.wait(_POLL_S):
        seen.arguments.add(_read(Path(f"/proc/{pid}/cmdline")))
        for child in _children(pid):
            seen.arguments.add(_read(Path(f"/proc/{child}/cmdline")))
            seen.environments.add(_read(Path(f"/proc/{child}/environ")))


def _children(pid: int) -> list[str]:
    """Return the processes started by any thread of a process."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 -- /proc vanishes under a path object's second look
    except OSError:
        return []
    return [child for task in tasks for child in _read(Path(f"/proc/{pid}/task/{task}/children")).decode().split()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

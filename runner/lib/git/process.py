"""Git as a process: everything off that could start a program, within a time and an amount of output."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from runner.lib.child_environment import child_environment

_SECONDS = 20.0
_LARGEST = 64 * 1024 * 1024  # bytes of an answer
_LARGEST_COMPLAINT = 16 * 1024
_OF_THE_OPERATOR = (
    *("GNUPGHOME", "DEVELOPER_DIR", "GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*"),
)
_IDENTITY = ("EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
_FIXED = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none",  # unlike protocol.allow, no protocol.NAME.allow of a repository overrules it
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_EDITOR": "false",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}
_OFF = (
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.askPass=false",
    "core.alternateRefsCommand=false",
    "core.commitGraph=false",  # a cache of who is whose parent, which nothing checks
    "core.untrackedCache=false",
    "credential.helper=",
    "diff.external=",
    "gc.auto=0",
    "log.mailmap=false",
    "log.showSignature=false",
    "maintenance.auto=false",
    "protocol.allow=never",
    "submodule.recurse=false",
)
_REFUSAL = "safe.directory"  # every version names this setting where another user owns the checkout


class GitError(Exception):
    """Git does not answer: there is no git or no checkout, or it refused, failed or took too long.

    `foreign` tells that it refused because another user owns the repository.
    """

    def __init__(self, why: str, *, foreign: bool = False) -> None:
        super().__init__(why)
        self.foreign = foreign


def run(  # noqa: PLR0913 -- what differs between the questions
    arguments: tuple[str, ...],
    more: Mapping[str, str],
    *,
    given: bytes = b"",
    empty: int = 0,
    writes: bool = False,
    folder: Path | None = None,
) -> bytes:
    """Run git and return what it prints; exit code `empty` means that it found nothing.

    Raises:
        GitError: it fails, takes too long or prints too much.
    """
    settings = [argument for setting in _OFF for argument in ("-c", setting)]
    try:
        process = subprocess.Popen(  # noqa: S603 -- no shell; what is not fixed was checked
            ["git", "--no-pager", *settings, *arguments],  # noqa: S607 -- the user's own git, from PATH
            cwd=folder,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_environment(writes=writes), **more},
            start_new_session=True,  # no terminal to ask at; what it starts ends with it
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise GitError(f"git could not be run: {error}") from error
    with process:
        timer = threading.Timer(_SECONDS, _kill, (process,))
        timer.start()
        try:
            return _answer(process, given, empty)
        finally:
            timer.cancel()
            _kill(process)


def _answer(process: subprocess.Popen[bytes], given: bytes, empty: int) -> bytes:
    if process.stdout is None or process.stderr is None:
        raise GitError("git could not be run")
    if process.stdin is not None:
        _give(process.stdin, given)
    said = process.stdout.read(_LARGEST + 1)
    if len(said) > _LARGEST:
        raise GitError(f"its answer is larger than {_LARGEST} bytes")
    complaint = text(process.stderr.read(_LARGEST_COMPLAINT)).strip()
    code = process.wait()
    if code in (0, empty):
        return said
    lines = complaint.splitlines() or ["it did not say why, or took too long"]
    why = next((line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")), lines[-1])
    raise GitError(why.strip().rstrip("."), foreign=_REFUSAL in complaint)


def _give(stdin: IO[bytes], given: bytes) -> None:
    with suppress(BrokenPipeError):
        stdin.write(given)
        stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, unless it has ended."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


def text(said: bytes) -> str:
    """Return what git printed as text."""
    return said.decode("utf-8", errors="replace")


def _environment(*, writes: bool = False) -> dict[str, str]:
    """Return what git sees of the environment: the operator's settings, and nothing in which an API key could be."""
    return {**child_environment(*_OF_THE_OPERATOR, *(_IDENTITY if writes else ())), **_FIXED}

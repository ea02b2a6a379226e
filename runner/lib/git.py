"""Git, asked so that a repository can only answer: it runs nothing, fetches nothing and names no signers.

What a repository configures is read by two commands alone, the one that finds it and the one that notes a head in it,
and both run with everything switched off that could start a program. All else is asked of an empty repository of our
own that lends nothing but the objects of the other one: no configuration, attributes, hooks, grafts or replacements of
it are there. Only the operator's own configuration (global, system, environment) says who signs.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.lib.programs import child_environment

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


_OF_FILES = r"^core\.(filemode|symlinks|ignorecase|precomposeunicode|autocrlf|eol|trustctime|checkstat)$"
_VALUES = frozenset({"true", "false", "input", "lf", "crlf", "native", "default", "minimal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout: its top level, where its repository is, and the id of the commit it is at, None before the first."""

    top: Path
    git_dir: Path
    common_dir: Path
    objects: Path
    shallow: Path
    index: Path
    object_format: str
    head: str | None

    @property
    def places(self) -> tuple[Path, ...]:
        """Return every folder that its answers come from."""
        return (self.top, self.git_dir, self.common_dir, self.objects)


def top_level(folder: Path) -> Path | None:
    """Return the nearest folder, this one or one above it, with an entry `.git`; a bare repository is none."""
    try:
        found = folder.resolve()
        return next((parent for parent in (found, *found.parents) if os.path.lexists(parent / ".git")), None)
    except (OSError, RuntimeError, ValueError):
        return None


def find_checkout(folder: Path) -> Checkout:
    """Return the checkout a folder is in.

    Raises:
        GitError: it is in none, or git does not read it.
    """
    top = top_level(folder)
    if top is None:
        raise GitError("not a git repository")
    names = ("--git-common-dir", "--git-path", "objects", "--git-path", "shallow", "--git-path", "index")
    said = run(
        ("-C", str(top), "rev-parse", "--show-object-format", "--show-toplevel", "--absolute-git-dir", *names),
        {"GIT_CEILING_DIRECTORIES": str(top.parent)},
    )
    lines = text(said).splitlines()
    if len(lines) != len(("format", "top", "git_dir", "common_dir", "objects", "shallow", "index")):
        raise GitError("its answer about the repository cannot be read")
    object_format, *places = lines
    shown, git_dir, common_dir, objects, shallow, index = ((top / place).resolve() for place in places)
    if shown != top or ((top / ".git").is_dir() and git_dir != (top / ".git").resolve()):
        raise GitError("the repository says that its files are elsewhere")
    return Checkout(
        top=top,
        git_dir=git_dir,
        common_dir=common_dir,
        objects=objects,
        shallow=shallow,
        index=index,
        object_format=object_format,
        head=_resolved(top, "HEAD"),
    )


def ref_id(checkout: Checkout, ref: str) -> str | None:
    """Return the id of the object that a whole ref name, such as refs/notes/retrain, is at; None where there is none.

    Raises:
        GitError: git does not read the repository.
    """
    return _resolved(checkout.top, ref)


def remote_url(checkout: Checkout) -> str | None:
    """Return the URL of the remote `origin` as the repository has it, user and password included.

    Raises:
        GitError: git does not read the repository.
    """
    return text(_inside(checkout.top, "config", "--get", "remote.origin.url", empty=1)).strip() or None


def tracks(paths: Iterable[Path]) -> bool:
    """Return whether the index of a checkout around these paths, all of one folder, has one of them or what is below.

    Where no folder has an entry `.git`, git is not started.

    Raises:
        GitError: git does not read the repository.
    """
    asked = [path.absolute() for path in paths]
    top = top_level(asked[0].parent)
    if top is None:
        return False
    below = [os.path.relpath(path.parent.resolve() / path.name, top) for path in asked]
    return bool(_inside(top, "ls-files", "--cached", "-z", "--", *below))


def identity(folder: Path) -> str | None:
    """Return who would be the author of a commit here, `Ann <ann@example.com>`; None where nobody set that."""
    try:
        said = text(_inside(folder, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT", writes=True))
    except GitError:
        return None
    return said.strip().rpartition(">")[0] + ">" if ">" in said else None


def append_note(checkout: Checkout, ref: str, commit: str, line: str) -> None:
    """Append a line to the note on a commit.

    Raises:
        GitError: git refuses it.
    """
    _inside(checkout.top, "notes", f"--ref={ref}", "append", "-m", line, commit, writes=True)


def file_settings(checkout: Checkout) -> Iterator[str]:
    """Yield what the repository says of its file system and line ends: names and values that start no program."""
    said = text(_inside(checkout.top, "config", "-z", "--get-regexp", _OF_FILES, empty=1))
    for entry in said.split("\0"):
        name, _, value = entry.partition("\n")
        if value in _VALUES:
            yield f"{name}={value}"


def _resolved(top: Path, name: str) -> str | None:
    return text(_inside(top, "rev-parse", "--verify", "--quiet", "--end-of-options", name, empty=1)).strip() or None


def _inside(folder: Path, *arguments: str, empty: int = 0, writes: bool = False) -> bytes:
    """Run a command in a checkout that `find_checkout` accepted."""
    ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return run(("-C", str(folder), *arguments), ceiling, empty=empty, writes=writes)

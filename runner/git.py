"""Git, asked so that a repository can only answer: it runs nothing, fetches nothing and names no signers.

What a repository configures is read by two commands alone, the one that finds it and the one that notes a head in it,
and both run with everything switched off that could start a program. All else is asked of an empty repository of our
own that lends nothing but the objects of the other one: no configuration, attributes, hooks, grafts or replacements of
it are there. Only the operator's own configuration (global, system, environment) says who signs.
"""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.child_environment import child_environment

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
        return next((one for one in (found, *found.parents) if os.path.lexists(one / ".git")), None)
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
    said = _run(
        ("-C", str(top), "rev-parse", "--show-object-format", "--show-toplevel", "--absolute-git-dir", *names),
        {"GIT_CEILING_DIRECTORIES": str(top.parent)},
    )
    lines = _text(said).splitlines()
    if len(lines) != len(("format", "top", "git_dir", "common_dir", "objects", "shallow", "index")):
        raise GitError("its answer about the repository cannot be read")
    object_format, *places = lines
    shown, git_dir, common_dir, objects, shallow, index = ((top / one).resolve() for one in places)
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
    return _text(_in(checkout.top, "config", "--get", "remote.origin.url", empty=1)).strip() or None


def identity(folder: Path) -> str | None:
    """Return who would be the author of a commit here, `Ann <ann@example.com>`; None where nobody set that."""
    try:
        said = _text(_in(folder, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT", writes=True))
    except GitError:
        return None
    return said.strip().rpartition(">")[0] + ">" if ">" in said else None


def append_note(checkout: Checkout, ref: str, commit: str, line: str) -> None:
    """Append a line to the note on a commit.

    Raises:
        GitError: git refuses it.
    """
    _in(checkout.top, "notes", f"--ref={ref}", "append", "-m", line, commit, writes=True)


@contextmanager
def stored(checkout: Checkout) -> Iterator["Stored"]:
    """Lend what a repository has stored, without anything that it configures.

    Raises:
        GitError: no temporary folder can be made.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="retrain-git-") as name:
            folder = Path(name)
            (folder / "refs").mkdir()
            (folder / "objects").mkdir()
            (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
            (folder / "config").write_text(_CONFIG.format(checkout.object_format), encoding="utf-8")
            yield Stored(checkout, folder)
    except OSError as error:
        raise GitError(f"a temporary folder cannot be made: {error.strerror}") from error


_CONFIG = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = {}\n"


class Stored:
    """The objects of a repository, asked through an empty repository of our own."""

    def __init__(self, checkout: Checkout, folder: Path) -> None:
        self._checkout = checkout
        self._folder = folder

    def ask(self, *arguments: str, given: bytes = b"", empty: int = 0) -> bytes:
        """Return what git prints; exit code `empty` means that it found nothing.

        Raises:
            GitError: it fails.
        """
        return _run(arguments, self._environment(), given=given, empty=empty, folder=self._folder)

    def differs(self, folder: Path) -> bool:
        """Return whether a tracked file below the folder is not as in the commit; what git cannot say differs."""
        checkout, below = self._checkout, os.path.relpath(folder.resolve(), self._checkout.top)
        worktree = {"GIT_INDEX_FILE": str(checkout.index), "GIT_WORK_TREE": str(checkout.top)}
        (self._folder / "HEAD").write_text(f"{checkout.head}\n", encoding="utf-8")
        words = ("-c", "core.bare=false", "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        try:
            return bool(_run((*words, "--", below), {**self._environment(), **worktree}, folder=checkout.top))
        except GitError:
            return True

    def _environment(self) -> dict[str, str]:
        shallow = {"GIT_SHALLOW_FILE": str(self._checkout.shallow)} if self._checkout.shallow.is_file() else {}
        return {"GIT_DIR": str(self._folder), "GIT_OBJECT_DIRECTORY": str(self._checkout.objects), **shallow}


def _resolved(top: Path, name: str) -> str | None:
    return _text(_in(top, "rev-parse", "--verify", "--quiet", "--end-of-options", name, empty=1)).strip() or None


def _in(folder: Path, *arguments: str, empty: int = 0, writes: bool = False) -> bytes:
    """Run a command in a checkout that `find_checkout` accepted."""
    ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return _run(("-C", str(folder), *arguments), ceiling, empty=empty, writes=writes)


def _text(said: bytes) -> str:
    return said.decode("utf-8", errors="replace")


def environment(*, writes: bool = False) -> dict[str, str]:
    """Return what git sees of the environment: the operator's settings, and nothing in which an API key could be."""
    return {**child_environment(*_OF_THE_OPERATOR, *(_IDENTITY if writes else ())), **_FIXED}


def _run(  # noqa: PLR0913 -- what differs between the questions
    arguments: tuple[str, ...],
    more: Mapping[str, str],
    *,
    given: bytes = b"",
    empty: int = 0,
    writes: bool = False,
    folder: Path | None = None,
) -> bytes:
    """Run git within a time and an amount of output, and return what it prints."""
    settings = [word for one in _OFF for word in ("-c", one)]
    try:
        process = subprocess.Popen(  # noqa: S603 -- no shell; what is not fixed was checked
            ["git", "--no-pager", *settings, *arguments],  # noqa: S607 -- the user's own git, from PATH
            cwd=folder,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(writes=writes), **more},
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
    complaint = _text(process.stderr.read(_LARGEST_COMPLAINT)).strip()
    code = process.wait()
    if code in (0, empty):
        return said
    last = (complaint.splitlines() or ["it did not say why, or took too long"])[-1]
    raise GitError(last.removeprefix("fatal: ").rstrip("."), foreign=_REFUSAL in complaint)


def _give(stdin: IO[bytes], given: bytes) -> None:
    with suppress(BrokenPipeError):
        stdin.write(given)
        stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, unless it has ended."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)

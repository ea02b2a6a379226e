"""A checkout and its repository, as git finds them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.lib.git.process import GitError, run, text

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

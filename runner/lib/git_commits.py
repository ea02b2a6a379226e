"""TODO."""

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from runner.lib.git import Checkout, GitError, file_settings, run


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
        return run(arguments, self._environment(), given=given, empty=empty, folder=self._folder)

    def differs(self, folder: Path) -> bool:
        """Return whether a tracked file below the folder is not as in the commit; what git cannot say differs.

        Filters of the operator's own configuration, such as Git LFS, run as they do in any `git status`.
        """
        checkout, below = self._checkout, os.path.relpath(folder.resolve(), self._checkout.top)
        worktree = {"GIT_INDEX_FILE": str(checkout.index), "GIT_WORK_TREE": str(checkout.top)}
        arguments = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", "--", below)
        try:
            (self._folder / "HEAD").write_text(f"{checkout.head}\n", encoding="utf-8")
            for part in checkout.index.parent.glob("sharedindex.*"):
                (self._folder / part.name).symlink_to(part)
            settings = [
                argument for setting in ("core.bare=false", *file_settings(checkout)) for argument in ("-c", setting)
            ]
            return bool(run((*settings, *arguments), {**self._environment(), **worktree}, folder=checkout.top))
        except (GitError, OSError):
            return True

    def _environment(self) -> dict[str, str]:
        shallow = {"GIT_SHALLOW_FILE": str(self._checkout.shallow)} if self._checkout.shallow.is_file() else {}
        return {"GIT_DIR": str(self._folder), "GIT_OBJECT_DIRECTORY": str(self._checkout.objects), **shallow}


_FILES = frozenset({b"100644", b"100755"})  # modes of a file; a link is another one


class CommitContent(Struct, frozen=True, kw_only=True):
    """A commit's parents, author and whether it has a signature, good or bad.

    `file` is the id of the file that was asked for, None where the commit has no such file.
    """

    parents: tuple[str, ...]
    author: str
    is_signed: bool
    file: str | None


class UnsoundError(Exception):
    """An object is missing, or it is not what its name says."""


def blob_id(content: bytes, object_format: str) -> str:
    """Return the id that git gives to a file of this content."""
    return _id(b"blob", content, object_format)


def read_commit(stored: Stored, commit: str, path: Sequence[str], object_format: str) -> CommitContent:
    """Return what a commit holds at a path, given as its names.

    Raises:
        UnsoundError: the commit, or a folder on the way, is missing or not what its name says.
        GitError: git does not answer.
    """
    folders = ["/".join(path[:depth]) for depth in range(len(path))]
    asked = "".join(f"{revision}\n" for revision in (commit, *(f"{commit}:{folder}" for folder in folders)))
    answers = _objects(stored.ask("cat-file", "--batch", given=asked.encode()))
    raw = _sound(next(answers, None), b"commit", commit, object_format)
    commit_fields = _headers(raw)
    found, wanted = None, commit_fields["tree"][0]
    for depth, name in enumerate(path, start=1):
        entries = _entries(_sound(next(answers, None), b"tree", wanted, object_format), len(wanted) // 2)
        mode, found = next(((mode, entry) for mode, key, entry in entries if key == name.encode()), (b"", None))
        if found is None or (depth == len(path) and mode not in _FILES):
            found = None
            break
        wanted = found
    return CommitContent(
        parents=tuple(commit_fields["parent"]),
        author=commit_fields["author"][0].rpartition(">")[0] + ">",
        is_signed=bool(commit_fields["gpgsig"] or commit_fields["gpgsig-sha256"]),
        file=found,
    )


def _headers(raw: bytes) -> defaultdict[str, list[str]]:
    """Return the values of a commit's header by their names; every commit has a tree and an author.

    Raises:
        UnsoundError: this one has not.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in raw.partition(b"\n\n")[0].decode(errors="replace").split("\n"):
        name, _, value = line.partition(" ")
        found[name].append(value)
    if not found["tree"] or not found["author"]:
        raise UnsoundError(raw)
    return found


def _objects(said: bytes) -> Iterator[tuple[bytes, bytes] | None]:
    """Yield kind and content of each object, None for one that is missing."""
    while said:
        head, _, rest = said.partition(b"\n")
        arguments = head.rsplit(b" ", 2)
        if len(arguments) != len(("id", "kind", "size")) or not arguments[2].isdigit():
            yield None
            said = rest
            continue
        size = int(arguments[2])
        yield arguments[1], rest[:size]
        said = rest[size + 1 :]


def _sound(found: tuple[bytes, bytes] | None, kind: bytes, name: str, object_format: str) -> bytes:
    if found is None or found[0] != kind or _id(kind, found[1], object_format) != name:
        raise UnsoundError(name)
    return found[1]


def _entries(tree: bytes, size: int) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield mode, name and id of each entry of a folder; an id is `size` bytes long."""
    while tree:
        mode, _, rest = tree.partition(b" ")
        name, _, rest = rest.partition(b"\0")
        yield mode, name, rest[:size].hex()
        tree = rest[size:]


def _id(kind: bytes, content: bytes, object_format: str) -> str:
    made = hashlib.sha256() if object_format == "sha256" else hashlib.sha1(usedforsecurity=False)
    made.update(b"%s %d\0" % (kind, len(content)))
    made.update(content)
    return made.hexdigest()

"""The objects of a repository, asked without anything that it configures."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.lib.git.checkout import Checkout, file_settings
from runner.lib.git.process import GitError, run


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
        words = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", "--", below)
        try:
            (self._folder / "HEAD").write_text(f"{checkout.head}\n", encoding="utf-8")
            for part in checkout.index.parent.glob("sharedindex.*"):
                (self._folder / part.name).symlink_to(part)
            settings = [word for one in ("core.bare=false", *file_settings(checkout)) for word in ("-c", one)]
            return bool(run((*settings, *words), {**self._environment(), **worktree}, folder=checkout.top))
        except (GitError, OSError):
            return True

    def _environment(self) -> dict[str, str]:
        shallow = {"GIT_SHALLOW_FILE": str(self._checkout.shallow)} if self._checkout.shallow.is_file() else {}
        return {"GIT_DIR": str(self._folder), "GIT_OBJECT_DIRECTORY": str(self._checkout.objects), **shallow}

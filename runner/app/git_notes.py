"""The journal's head as a git note: kept where the manifests are, and pushed with them."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner.app.git_environment import git_environment
from runner.audit.head import Head
from runner.errors import RetrainError, UsageError
from runner.journal.chain import Link
from runner.journal.events import RunStarted

DEFAULT_REF = "retrain"
_SECONDS = 30
_LINE = "retrain-journal {first} {events} {sha256}"
_PATTERN = "^retrain-journal [0-9a-f]{64} [1-9][0-9]* [0-9a-f]{64}$"
_FETCH = "refs/notes/{0}:refs/notes/{0}"
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*")
# Whatever the repository or its owner configured, nothing but git itself runs and nothing is asked.
_QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false", "core.pager=cat")


def write_note(repository: Path, ref: str, links: Sequence[Link]) -> str:
    """Add the head to the note on the commit the repository is at, and return the commit.

    Raises:
        UsageError: the folder is in no repository, the repository has no commit, or git refuses.
    """
    commit = _git(repository, "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}").strip()
    line = _LINE.format(first=links[0].sha256, events=len(links), sha256=links[-1].sha256)
    notes = ("notes", f"--ref={_checked(ref)}")
    if line not in _git(repository, *notes, "show", commit, empty=1).splitlines():
        _git(repository, *notes, "append", "-m", line, commit)
    return commit


def noted_heads(repository: Path, ref: str, first: str) -> list[Head]:
    """Return the heads of one journal in all notes of a ref; a journal is known by its first event's SHA-256.

    Raises:
        UsageError: the folder is in no repository, or it has no such notes.
    """
    notes = f"refs/notes/{_checked(ref)}^{{tree}}"
    tree = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", notes, empty=1).strip()
    if not tree:
        raise UsageError(
            f"The repository of {repository.absolute()} has no git notes named {ref}.",
            hint=f"Write them with `retrain audit head --git-note`, or get them: git fetch origin {_FETCH.format(ref)}",
        )
    lines = _git(repository, "grep", "-h", "-I", "--no-color", "-E", "-e", _PATTERN, tree, "--", ":/", empty=1)
    words = [line.split() for line in lines.splitlines()]
    found = {(int(events), sha256) for _, journal, events, sha256 in words if journal == first}
    return [Head(events=events, sha256=sha256) for events, sha256 in sorted(found)]


def repository_of(started: RunStarted | None) -> Path:
    """Return the folder of a run's manifest where it is found from here, else the folder we are in."""
    files = started.manifest.get("files", ()) if started else ()
    folder = Path(files[0]["path"]).parent if files else Path()
    return folder if folder.is_dir() else Path()


def _checked(ref: str) -> str:
    if not _REF.fullmatch(ref):
        raise UsageError(
            f"{ref!r} is no name for git notes.", hint="Use letters, digits, - and _, for example retrain."
        )
    return ref


def _git(folder: Path, *arguments: str, empty: int = 0) -> str:
    """Run git and return what it prints; exit code `empty` means that it found nothing."""
    settings = [word for one in _QUIET for word in ("-c", one)]
    try:
        done = subprocess.run(  # noqa: S603 -- no shell; what is not fixed was checked
            ["git", "--no-pager", "-C", str(folder), *settings, *arguments],  # noqa: S607 -- the user's own git, from PATH
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**git_environment(), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"git could not be run: {error}.", hint="Install git, or keep the head in a file.") from None
    if done.returncode not in (0, empty):
        raise _refused(folder, done.stderr)
    return done.stdout


def _refused(folder: Path, said: str) -> RetrainError:
    last = (said.strip().splitlines() or ["it did not say why"])[-1].removeprefix("fatal: ")
    return UsageError(
        f"git refused in {folder.absolute()}: {last.rstrip('.')}.",
        hint="Go to the repository of the manifest; notes are written by `retrain audit head --git-note`.",
    )

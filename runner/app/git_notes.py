"""The journal's head as a git note, in a repository that the operator or the verifier names."""

import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runner.audit.bundle_layout import Head
from runner.errors import RetrainError, UsageError
from runner.journal.chain import Link
from runner.journal.events import RunStarted
from runner.lib.git import Checkout, GitError, append_note, find_checkout, ref_id, remote_url, top_level
from runner.lib.git_commits import stored

DEFAULT_REF = "retrain"
_LINE = "retrain-journal {first} {events} {sha256}"
_PATTERN = "^retrain-journal [0-9a-f]{64} [1-9][0-9]{0,14} [0-9a-f]{64}$"
_FETCH = "refs/notes/{0}:refs/notes/{0}"
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*")
_SCHEME = re.compile(r"([A-Za-z0-9+.-]+::)?[A-Za-z0-9+.-]*")  # first a program of git's that reads the rest
_EXTRA = re.compile("[?#;]")  # where parameters, a query or a fragment begins
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class NotedIn(Struct, frozen=True, kw_only=True):
    """Where notes are kept: the top level of the repository, the whole name of the ref, and the remote if any."""

    repository: str
    ref: str
    remote: str | None


class NotedHead(Struct, frozen=True, kw_only=True):
    """A head, and the commit on which it is noted."""

    head: Head
    commit: str


def repository(folder: Path, *, foreign_to: Path | None = None) -> Checkout:
    """Return the repository that the operator names by a folder in it.

    A repository in the state folder `foreign_to` is refused: whoever wrote the state wrote it too.

    Raises:
        UsageError: the folder is in no repository, in that of the state, or git refuses it.
    """
    try:
        found = find_checkout(folder)
    except GitError as error:
        raise _refused(folder, error) from None
    inside = foreign_to.resolve() if foreign_to is not None else None
    if inside is not None and any(place.is_relative_to(inside) for place in found.places):
        raise UsageError(
            f"The repository {found.top} is inside the state folder {foreign_to}: it cannot vouch for it.",
            hint="Go to a repository of your own, or name one, as in `--head git:REPO`.",
        )
    return found


def note_place(checkout: Checkout, ref: str) -> NotedIn:
    """Return where the notes of this name are kept.

    Raises:
        UsageError: it is not a name for notes, or git refuses the repository.
    """
    try:
        remote = remote_url(checkout)
    except GitError as error:
        raise _refused(checkout.top, error) from None
    return NotedIn(
        repository=str(checkout.top),
        ref=f"refs/notes/{_checked(ref)}",
        remote=without_userinfo(remote) if remote else None,
    )


def write_note(checkout: Checkout, ref: str, links: Sequence[Link]) -> str:
    """Add the head to the note on the commit of the last run's manifest, and return the commit.

    If that run recorded no commit, it is the commit that the repository is at.

    Raises:
        UsageError: the repository does not have that commit, or git refuses.
    """
    commit = manifest_commit(links) or checkout.head
    line = _LINE.format(first=links[0].sha256, events=len(links), sha256=links[-1].sha256)
    name = _checked(ref)
    try:
        with stored(checkout) as objects:
            if commit is None or objects.ask("cat-file", "-t", commit, empty=128).strip() != b"commit":
                raise _no_commit(checkout, commit)
        if line not in (known for noted, known in _lines(checkout, name) if noted == commit):
            append_note(checkout, name, commit, line)
    except GitError as error:
        raise _refused(checkout.top, error) from None
    return commit


def noted_heads(checkout: Checkout, ref: str, first: str) -> list[NotedHead]:
    """Return the heads of one journal in all notes of a ref; a journal is known by its first event's SHA-256.

    Raises:
        UsageError: the repository has no such notes, or git refuses.
    """
    try:
        if ref_id(checkout, f"refs/notes/{_checked(ref)}") is None:
            raise UsageError(
                f"The repository {checkout.top} has no git notes named {ref}.",
                hint="Write them with `retrain audit head --git-note`, or get them: "
                f"git fetch origin {_FETCH.format(ref)}",
            )
        lines = _lines(checkout, ref)
    except GitError as error:
        raise _refused(checkout.top, error) from None
    found = set[tuple[int, str, str]]()
    for commit, line in lines:
        _, journal, events, sha256 = line.split()
        if journal == first:
            found.add((int(events), sha256, commit))
    return [
        NotedHead(head=Head(events=events, sha256=sha256), commit=commit) for events, sha256, commit in sorted(found)
    ]


def _lines(checkout: Checkout, ref: str) -> list[tuple[str, str]]:
    """Return the lines of heads in all notes, each with the commit that it is noted on."""
    notes = ref_id(checkout, f"refs/notes/{ref}")
    if notes is None:
        return []
    with stored(checkout) as objects:
        said = objects.ask("grep", "-z", "-a", "--no-color", "-E", "-e", _PATTERN, notes, "--", empty=1)
    found = []
    for entry in said.decode(errors="replace").splitlines():
        place, _, line = entry.partition("\0")
        commit = place.partition(":")[2].replace("/", "")  # notes are filed as ab/cdef...
        if _COMMIT.fullmatch(commit):
            found.append((commit, line))
    return found


def manifest_commit(links: Sequence[Link]) -> str | None:
    """Return the manifest's commit of the newest run, or None if that run recorded no commit."""
    started = next((link.event.fact for link in reversed(links) if isinstance(link.event.fact, RunStarted)), None)
    return commit_of(started) if started else None


def commit_of(started: RunStarted) -> str | None:
    """Return the recorded commit of a run's manifest; None if nothing, or something else, is recorded."""
    git = started.manifest.git
    return git.commit if git is not None and _COMMIT.fullmatch(git.commit) else None


def without_userinfo(remote: str) -> str:
    """Return a remote's URL without user, password, parameters and query: tokens are written there.

    Of an address without a scheme the user stays, as in `git@example.com:models.git`, unless a password is beside it.
    """
    scheme, mark, rest = remote.partition("//" if remote.startswith("//") else "://")
    if mark and not _SCHEME.fullmatch(scheme):
        return "a URL that cannot be read"
    authority, slash, path = (rest if mark else remote).partition("/")
    user, at, place = authority.rpartition("@")
    shown = authority if at and not mark and ":" not in user else place
    return (scheme + mark if mark else "") + _EXTRA.split(shown + slash + path, maxsplit=1)[0]


def _checked(ref: str) -> str:
    if not _REF.fullmatch(ref):
        raise UsageError(
            f"{ref!r} is not a name for git notes.", hint="Use letters, digits, - and _, for example retrain."
        )
    return ref


def _no_commit(checkout: Checkout, commit: str | None) -> RetrainError:
    if commit is None:
        return UsageError(f"The repository {checkout.top} has no commit yet.", hint="Commit the manifest first.")
    return UsageError(
        f"The repository {checkout.top} does not have {commit[:12]}, the commit of the last run's manifest.",
        hint="Name the repository of the manifest with --repository DIR, or fetch that commit.",
    )


def _refused(folder: Path, error: GitError) -> RetrainError:
    if error.foreign:
        return UsageError(
            f"git refuses to read the repository of {folder.absolute()}, which another user owns.",
            hint=f"If you trust it: git config --global --add safe.directory {quote(str(top_level(folder) or folder))}",
        )
    return UsageError(
        f"git refused in {folder.absolute()}: {error}.",
        hint="Go to the repository of the manifest, or name it; notes are written by `retrain audit head --git-note`.",
    )

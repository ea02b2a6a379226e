"""Who ran what, from which commit: the facts at the head of each run."""

import os
import platform
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from runner import __version__
from runner.app.git_notes import without_userinfo
from runner.journal.events import (
    CI_JOB,
    ApprovalSource,
    CiActor,
    CommitRecord,
    ManifestFile,
    ManifestRecord,
    ToolRecord,
)
from runner.lib.atomic_files import open_file
from runner.lib.git import Checkout, GitError, find_checkout, remote_url, top_level
from runner.lib.git_commits import CommitContent, Stored, UnsoundError, blob_id, read_commit, stored
from runner.manifest.model import Approval, Manifest
from runner.plan.approvals import without_provenance

_CI_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")
_LONGEST_NAME = 256  # characters
_LONGEST_ADDRESS = 1000


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time, also within one second: `20260301T040506.123456Z-1a2b3c`."""
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def tool() -> ToolRecord:
    """Return name and version of this program and of its Python."""
    return ToolRecord(name="retrain-runner", version=__version__, python=platform.python_version())


def ci_actor() -> CiActor | None:
    """Return who started the pipeline, as its environment says, None outside of one."""
    found = ((os.environ.get(source, "").strip(), source) for source in _CI_ACTORS)
    return next((CiActor(name=name[:_LONGEST_NAME], source=source) for name, source in found if name), None)


def ci_job() -> str | None:
    """Return the address of the pipeline's job, as its environment says; None outside of one, and for no address."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    address = os.environ.get("CI_JOB_URL") or f"{server}/{repository}/actions/runs/{run}"
    return address if len(address) <= _LONGEST_ADDRESS and re.fullmatch(CI_JOB, address) else None


def manifest_record(manifest: Manifest) -> ManifestRecord:
    """Return digests and git commit of the manifest's files, and the new names by the old ones under `moved`."""
    return ManifestRecord(
        files=tuple(ManifestFile(path=file.path, sha256=file.sha256) for file in manifest.files),
        sha256=manifest.sha256,
        git=_git(Path(manifest.files[0].path).parent),
        moved=moved_names(manifest),
    )


def moved_names(manifest: Manifest) -> dict[str, str]:
    """Return the new name of each old name; a history that begins beside an entry is not the renamed one."""
    return {change.old: change.new for change in manifest.moved}


def _git(folder: Path) -> CommitRecord | None:
    """Return commit, dirty and remote of the checkout a folder is in; None outside a checkout or without git."""
    try:
        checkout = find_checkout(folder)
        if checkout.head is None:
            return None
        remote = remote_url(checkout)
        with stored(checkout) as objects:
            dirty = objects.differs(folder)
    except GitError:
        return None
    return CommitRecord(commit=checkout.head, dirty=dirty, remote=without_userinfo(remote) if remote else None)


_LARGEST = 1024 * 1024  # bytes; the manifest's reader refuses larger approvals
Signature = Literal["good", "bad", "none", "unknown"]
_SIGNATURES: Mapping[str, Signature] = {"G": "good", "B": "bad", "R": "bad", "N": "none"}  # the rest cannot be told


class ApprovalProvenance:
    """Says where the approvals of a manifest in this folder come from; its checkout is looked for once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def trace(self, approval: Approval) -> ApprovalSource:
        """Return the commit that last changed the approval's file, its author and signature, as far as git proves it.

        A file of another checkout, or of one in the manifest's, is taken as not committed. Where git refuses to read
        the repository, `committed` is None.
        """
        path, checkout = Path(approval.place.file), self._checkout
        if isinstance(checkout, GitError):
            return (
                replace(without_provenance(approval), committed=None)
                if checkout.foreign
                else without_provenance(approval)
            )
        if checkout is None or checkout.head is None or top_level(path.parent) != checkout.top:
            return without_provenance(approval)
        try:
            names = (path.parent.resolve() / path.name).relative_to(checkout.top).parts
            with stored(checkout) as objects, open_file(path) as file:
                return _traced(approval, objects, checkout, names, file.read(_LARGEST))
        except (GitError, UnsoundError, OSError, ValueError):
            return without_provenance(approval)

    @cached_property
    def _checkout(self) -> Checkout | GitError | None:
        try:
            return find_checkout(self._folder) if top_level(self._folder) else None
        except GitError as error:
            return error


def _traced(
    approval: Approval, objects: Stored, checkout: Checkout, names: tuple[str, ...], content: bytes
) -> ApprovalSource:
    """Return what the repository proves.

    Raises:
        GitError, UnsoundError: it does not answer, or it holds what is not what its name says.
    """
    head, form = checkout.head or "", checkout.object_format
    if any("\n" in name for name in names):
        return without_provenance(approval)
    held = read_commit(objects, head, names, form)
    if held.file is None:
        return without_provenance(approval)
    same = sha256(content).hexdigest() == approval.sha256 and held.file == blob_id(content, form)
    commit = objects.ask("log", "-1", "--format=%H", head, "--", "/".join(names)).decode().strip()
    brought = _bringing(objects, commit, names, held.file, form)
    if brought is None:
        return replace(without_provenance(approval), committed=same)
    signature, signer = _signature(objects, commit, brought)
    return ApprovalSource(
        file=approval.file,
        sha256=approval.sha256,
        approver=approval.approver,
        committed=same,
        commit=commit,
        author=brought.author,
        signature=signature,
        signer=signer,
    )


def _bringing(objects: Stored, commit: str, names: tuple[str, ...], file: str, form: str) -> CommitContent | None:
    """Return the commit that the file came with: it is in it, and in none of its parents; else None.

    In a shallow clone the parents may be missing. Then any commit before could have brought it.
    """
    found = read_commit(objects, commit, names, form)
    try:
        before = [read_commit(objects, parent, names, form).file for parent in found.parents]
    except UnsoundError:
        return None
    return found if found.file == file and file not in before else None


def _signature(objects: Stored, commit: str, content: CommitContent) -> tuple[Signature, str | None]:
    """Return what git makes of the commit's signature, and whose a good one is.

    Programs, keys and allowed signers are the operator's. Any of these signers can sign a commit of any author.
    """
    said = objects.ask("log", "-1", "--format=%G?%GS", commit).decode(errors="replace").strip()
    letter, signer = said[:1], said[1:]
    if letter == "N" and content.is_signed:  # git says so too where it has no program to check one
        return "unknown", None
    return _SIGNATURES.get(letter, "unknown"), signer if letter == "G" else None

"""Who ran what, from which commit: the facts at the head of each run."""

import os
import platform
import re
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from runner import __version__
from runner.app.git_notes import without_userinfo
from runner.journal.events import CI_JOB, CiActor, CommitRecord, ManifestFile, ManifestRecord, ToolRecord
from runner.lib.git import GitError, find_checkout, remote_url
from runner.lib.git_commits import stored
from runner.manifest.model import Manifest

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
    """Return the new names by the old ones: a history that begins beside an entry is none that it is about."""
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

"""The page of a commit on GitHub and GitLab, by the address that git has of the repository."""

import re

from runner.journal.events import CommitRecord

# Nothing that a browser could take for more than an address: no name or password, no query.
_REMOTE = re.compile(r"(?:https://|ssh://git@|git@)([A-Za-z0-9.-]{1,253})[:/]([A-Za-z0-9._~/-]{1,500}?)(?:\.git)?/?")
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_PATHS = {"github": "commit", "gitlab": "-/commit"}


def commit_address(git: CommitRecord) -> str | None:
    """Return the address of a commit's page; None where the host does not say that it is one of the two."""
    found = _REMOTE.fullmatch(git.remote or "") if _COMMIT.fullmatch(git.commit) else None
    path = next((path for name, path in _PATHS.items() if found and name in found[1].lower()), None)
    return f"https://{found[1]}/{found[2]}/{path}/{git.commit}" if found and path else None

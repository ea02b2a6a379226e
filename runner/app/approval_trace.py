"""Where a word in the approvals folder comes from: what git says of its file.

The repository is not trusted to run anything: programs that its configuration could name are named here instead, and
the content is compared byte by byte with what the commit holds.
"""

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from runner.app.git_environment import git_environment
from runner.execute.ports import untraced
from runner.journal.events import ApprovalSource
from runner.manifest.model import Approval

_SECONDS = 15
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.sshCommand=false",
    "log.showSignature=false",
    "log.mailmap=false",
    "gpg.program=gpg",
    "gpg.openpgp.program=gpg",
    "gpg.x509.program=gpgsm",
    "gpg.ssh.program=ssh-keygen",
    "gpg.ssh.defaultKeyCommand=",
    "diff.external=",
    "protocol.allow=never",
)
_ENVIRONMENT = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_REFUSAL = b"safe.directory"  # every version names this setting when another user owns the checkout
_FORMAT = "--format=%H%x00%an <%ae>%x00%G?"
Signature = Literal["good", "bad", "none", "unknown"]
_SIGNATURES: dict[str, Signature] = {"G": "good", "B": "bad", "R": "bad", "N": "none"}  # the rest cannot be told


class _Refused(Struct, frozen=True, kw_only=True):
    """Git reads nothing of the repository, because another user owns it."""


def trace(word: Approval) -> ApprovalSource:
    """Return the commit that last changed the word's file, its author and signature; without git, what is known.

    Where git refuses to read the repository, `committed` is None: nobody can tell.
    """
    path = Path(word.place.file)
    said = _git(path.parent, "log", "-1", "--no-color", _FORMAT, "--", path.name)
    if isinstance(said, _Refused):
        return replace(untraced(word), committed=None)
    parts = said.decode(errors="replace").strip().split("\0") if said else []
    if len(parts) != _FORMAT.count("%x00") + 1:
        return untraced(word)
    commit, author, signature = parts
    held = _output(path.parent, "cat-file", "blob", f"HEAD:./{path.name}")
    return ApprovalSource(
        file=word.file,
        sha256=word.sha256,
        committed=held is not None and sha256(held).hexdigest() == word.sha256,
        commit=commit,
        author=author,
        signature="unknown" if signature == "N" and _is_signed(path.parent, commit) else _known(signature),
    )


def _known(letter: str) -> Signature:
    return _SIGNATURES.get(letter, "unknown")


def _is_signed(folder: Path, commit: str) -> bool:
    """Tell whether a commit carries a signature: git calls one that it has no program to check none at all."""
    header = (_output(folder, "cat-file", "commit", commit) or b"").split(b"\n\n", 1)[0]
    return any(line.startswith(b"gpgsig") for line in header.split(b"\n"))


def _output(folder: Path, *arguments: str) -> bytes | None:
    said = _git(folder, *arguments)
    return None if isinstance(said, _Refused) else said


def _git(folder: Path, *arguments: str) -> bytes | _Refused | None:
    """Return what git prints, a refusal, or None: there is no git, no checkout, or it fails or takes too long."""
    settings = [word for one in _SAFE for word in ("-c", one)]
    try:
        done = subprocess.run(  # noqa: S603 -- no shell; the file's name comes after `--`, or after `HEAD:./`
            ["git", "--no-pager", "-C", str(folder), *settings, *arguments],  # noqa: S607 -- the user's own git, from PATH
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**git_environment(settings=False), **_ENVIRONMENT},
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return done.stdout
    return _Refused() if _REFUSAL in done.stderr else None

"""Repositories for attacks: made by git, with nothing of this machine's settings, and traps that leave a mark."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from runner.manifest.model import Approval, Place

TEXT = "version: 1\n"
CEO = ("CEO", "ceo@example.com")
MALLORY = ("Mallory", "mallory@example.com")


@contextmanager
def operator(home: Path, **more: str) -> Iterator[None]:
    """Let this process be an operator's whose home is the folder: there is no other configuration of git."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GNUPG", "XDG_"))}
    with patch.dict(os.environ, {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", **more}, clear=True):
        yield


def git(folder: Path, *arguments: str, who: tuple[str, str] = MALLORY, check: bool = True) -> str:
    """Run git without any care, as somebody."""
    name, address = who
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address,
            "GIT_ALLOW_PROTOCOL": "file:ext:ssh",
        },
    )
    if check and done.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def checkout(folder: Path, content: str = TEXT, *options: str, who: tuple[str, str] = MALLORY) -> str:
    """Make a checkout with a manifest's folder and one approval, and return its commit."""
    approvals = folder / "approvals"
    approvals.mkdir(parents=True, exist_ok=True)
    (approvals / "a.yaml").write_text(content, encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "approvals")
    git(folder, *options, "commit", "-q", "-m", "an approval", who=who)
    return git(folder, "rev-parse", "HEAD")


def approval(folder: Path, approver: str = "ceo@example.com") -> Approval:
    """Return the approval in the folder as it is now."""
    path = folder / "approvals" / "a.yaml"
    return Approval(
        model="m",
        retrain_job_id="j",
        result_sha256="0" * 64,
        candidate_sha256=None,
        action="approve",
        approver=approver,
        reason="",
        expires=datetime(2026, 3, 1, tzinfo=UTC),
        file="approvals/a.yaml",
        sha256=sha256(path.read_bytes()).hexdigest(),
        place=Place(file=str(path), line=1, column=1),
    )


def trap(folder: Path, last: str = "exit 0") -> Path:
    """Return a program that leaves the mark `sprung` beside itself, and then does `last`."""
    path = folder / "trap"
    path.write_text(f"#!/bin/sh\ntouch '{folder}/sprung'\n{last}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def sprung(folder: Path) -> bool:
    """Return whether the trap in the folder was sprung, and set it again."""
    mark = folder / "sprung"
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


def new_key(folder: Path, name: str) -> Path:
    """Return a fresh SSH key, without a passphrase."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, capture_output=True)
    return path


def signing(key: Path) -> tuple[str, ...]:
    """Return the options with which git signs a commit by a key."""
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true")


def signers(path: Path, key: Path, address: str) -> Path:
    """Write a file of allowed signers that takes the key for the address."""
    public = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")
    path.write_text(f"{address} {public}", encoding="utf-8")
    return path

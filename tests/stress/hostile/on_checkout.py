"""Whoever can write a checkout, its `.git` too, tries to have a program of theirs run by a command that asks git."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from random import Random

from runner.app.git_notes import noted_heads, repository, write_note
from runner.app.provenance import ApprovalProvenance, manifest_record
from runner.errors import UsageError
from runner.journal.chain import Link
from runner.journal.events import Event, RunFinished
from runner.manifest.load import load
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.repositories import approval, checkout, git, operator, sprung, trap

_MANIFEST = """
version: 1
service: {url: "https://service.test"}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: KEY}, dataset: d, policy: p}}
"""


def _ask_everything(folder: Path) -> bool:
    """Ask git all that any command asks of a checkout, and return whether a head could be noted in it."""
    with chdir(folder):
        manifest_record(load([folder / "models.yaml"]))
        ApprovalProvenance(folder).trace(approval(folder))
        event = Event(seq=1, at=_AT, run_id="r", model=None, guard=None, prev="0" * 64, fact=RunFinished(exit_code=0))
        try:
            found = repository(folder)
            write_note(found, "retrain", [Link(event=event, body=b"", sha256="1" * 64)])
            return bool(noted_heads(found, "retrain", "1" * 64))
        except UsageError:
            return False


_AT = "2026-03-01T00:00:00.000000Z"
_STATUS = ("status",)
_READ = ("cat-file", "-p", "HEAD:approvals/a.yaml")
_SIGNED = ("log", "-1", "--format=%G?")
Setting = Callable[[Path, Path], Sequence[str]]  # sets a trap in a checkout; returns how whoever is careless springs it


def _fsmonitor(folder: Path, program: Path) -> Sequence[str]:
    git(folder, "config", "core.fsmonitor", str(program))
    return _STATUS


def _included(folder: Path, program: Path) -> Sequence[str]:
    (folder / "more").write_text(f'[core]\n\tfsmonitor = "{program}"\n', encoding="utf-8")
    git(folder, "config", "include.path", "../more")
    return _STATUS


def _of_a_worktree(folder: Path, program: Path) -> Sequence[str]:
    git(folder, "config", "extensions.worktreeConfig", "true")
    git(folder, "config", "--worktree", "core.fsmonitor", str(program))
    return _STATUS


def _filter(kind: str) -> Setting:
    def setting(folder: Path, program: Path) -> Sequence[str]:
        (folder / ".git" / "info" / "attributes").write_text("* filter=trap\n", encoding="utf-8")
        git(folder, "config", f"filter.trap.{kind}", str(program))
        os.utime(folder / "models.yaml", (1, 1))
        return _STATUS

    return setting


def _hook(name: str, *command: str) -> Setting:
    def setting(folder: Path, program: Path) -> Sequence[str]:
        shutil.copy(program, folder / ".git" / "hooks" / name)
        os.utime(folder / "models.yaml", (1, 1))
        return command

    return setting


def _signature(kind: str, name: str) -> Setting:
    def setting(folder: Path, program: Path) -> Sequence[str]:
        raw = git(folder, "cat-file", "commit", "HEAD")
        header = f"\ngpgsig -----BEGIN {kind} SIGNATURE-----\n \n x\n -----END {kind} SIGNATURE-----\n\n"
        (folder / "forged").write_text(raw.replace("\n\n", header, 1) + "\n", encoding="utf-8")
        git(folder, "update-ref", "HEAD", git(folder, "hash-object", "-t", "commit", "-w", "forged"))
        git(folder, "config", name, str(program))
        git(folder, "config", "gpg.ssh.allowedSignersFile", str(folder / "models.yaml"))
        git(folder, "config", "log.showSignature", "true")
        return _SIGNED

    return setting


def _lazy(url: str, name: str) -> Setting:
    """Let an object be missing that a remote promises, and the remote be a program."""

    def setting(folder: Path, program: Path) -> Sequence[str]:
        for key, value in {
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "origin",
            "remote.origin.promisor": "true",
            "remote.origin.url": url.format(program=program, folder=folder),
            "protocol.ext.allow": "always",
            name: str(program),
        }.items():
            git(folder, "config", key, value)
        missing = git(folder, "rev-parse", "HEAD:approvals/a.yaml", "HEAD:approvals", "HEAD^{tree}")
        for line in missing.splitlines():
            (folder / ".git" / "objects" / line[:2] / line[2:]).unlink()
        return _READ

    return setting


def _submodule(folder: Path, program: Path) -> Sequence[str]:
    inner = folder / "inner"
    checkout(inner)
    git(folder, "add", "inner")
    git(folder, "commit", "-q", "-m", "a submodule")
    git(inner, "config", "core.fsmonitor", str(program))
    return _STATUS


def _bare_in_the_folder(folder: Path, program: Path) -> Sequence[str]:
    """Let the manifest's folder be a repository itself: files that any branch can bring."""
    git(folder, "config", "core.fsmonitor", str(program))
    git(folder, "config", "core.worktree", str(folder))
    for path in (folder / ".git").iterdir():
        shutil.move(path, folder / path.name)
    (folder / ".git").rmdir()
    return _STATUS


def _pointed_to(folder: Path, program: Path) -> Sequence[str]:
    git(folder, "config", "core.fsmonitor", str(program))
    shutil.move(folder / ".git", folder / "hidden")
    (folder / ".git").write_text("gitdir: hidden\n", encoding="utf-8")
    return _STATUS


_SETTINGS: dict[str, tuple[Setting, ...]] = {
    "a repository in the folder runs a program": (_bare_in_the_folder, _submodule, _pointed_to),
    "a configuration runs a program": (_fsmonitor, _included, _of_a_worktree),
    "a filter runs a program": (_filter("clean"), _filter("process")),
    "a hook runs a program": (
        _hook("post-index-change", *_STATUS),
        _hook("reference-transaction", "notes", "--ref=other", "add", "-m", "x"),
    ),
    "a signature runs a program": (_signature("PGP", "gpg.program"), _signature("SSH", "gpg.ssh.program")),
    "a missing object runs a program": (
        _lazy("ext::{program}", "alias.unused"),
        _lazy("file://{folder}", "remote.origin.uploadpack"),
        _lazy("ssh://host/x", "core.sshCommand"),
    ),
}


def _of(settings: Sequence[Setting]) -> Callable[[Path, Random], Iterator[str]]:
    def play(folder: Path, rng: Random) -> Iterator[str]:
        for number, setting in enumerate(rng.sample(settings, len(settings))):
            own = folder / str(number)
            with operator(own / "home", EMAIL="ann@example.com", GIT_AUTHOR_NAME="Ann", GIT_COMMITTER_NAME="Ann"):
                place = own / "checkout"
                place.mkdir()
                (place / "models.yaml").write_text(_MANIFEST, encoding="utf-8")
                (place / "d.csv").write_text("a\n1\n", encoding="utf-8")
                git(place, "init", "-q")
                git(place, "add", "models.yaml")
                checkout(place)
                careless = setting(place, trap(own))
                git(place, *careless, check=False)
                if not sprung(own):
                    raise AssertionError(f"setting {settings.index(setting)}: careless git does not spring the trap")
                os.utime(place / "models.yaml", (2, 2))
                if not _ask_everything(place) and setting != _bare_in_the_folder:
                    raise AssertionError(f"setting {settings.index(setting)}: the head is not noted")
                if sprung(own):
                    yield f"setting {settings.index(setting)}: a program that the repository names was run"

    return play


def _program_of_the_folder(folder: Path, rng: Random) -> Iterator[str]:
    """Let the current folder have a program `git`, and PATH an entry that means the current folder."""
    place = folder / "checkout"
    place.mkdir()
    (place / "git").write_text(f"#!/bin/sh\ntouch '{folder}/sprung'\n", encoding="utf-8")
    (place / "git").chmod(0o755)
    (place / "bin").symlink_to(".")
    checkout_path = rng.choice([".", "", "./", "bin"])
    with operator(folder / "home"), chdir(place):
        git(place, "init", "-q")
        (place / "models.yaml").write_text(_MANIFEST, encoding="utf-8")
        path = f"{checkout_path}{os.pathsep}{os.environ['PATH']}"
        os.environ["PATH"] = path
        subprocess.run(["git", "version"], check=False, env={"PATH": path}, capture_output=True)
        if not sprung(folder):
            raise AssertionError(f"PATH={checkout_path!r} does not lead to the program")
        manifest_record(load([place / "models.yaml"]))
        if sprung(folder):
            yield f"PATH={checkout_path!r}: a program of the checkout was run in the place of git"


ATTACKS = (
    *(Attack(name=name, sentence="G1", play=_of(settings)) for name, settings in _SETTINGS.items()),
    Attack(name="a checkout has a program git", sentence="G1", play=_program_of_the_folder),
)

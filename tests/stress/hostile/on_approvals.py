"""Whoever can write a checkout, its `.git` too, tries to have an approval counted as another one's, or as signed."""

import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

from runner.app.provenance import ApprovalProvenance
from runner.journal.events import ApprovalSource
from runner.plan.approvals import doubts, said_by, why_followed
from runner.reports.text import origin
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.repositories import (
    CEO,
    MALLORY,
    TEXT,
    approval,
    checkout,
    git,
    new_key,
    operator,
    signers,
    signing,
)

_KINDS = ("bare", "whole", "pointer", "link", "both")
Play = Callable[[Path, Random], Iterator[str]]
_FORGED = "version: 1\n# what nobody approved\n"


def _told(folder: Path) -> ApprovalSource:
    return ApprovalProvenance(folder).trace(approval(folder))


def _is_vouched_for(found: ApprovalSource) -> bool:
    """Return whether anything of it looks as if somebody else than the file said so."""
    return bool(found.committed or found.commit or found.author or found.signature)


def _each(variations: Iterable[str], play: Callable[[Path, str], Iterator[str]]) -> Play:
    """Return a play of all variations, each in a folder of its own, in any order."""

    def played(folder: Path, rng: Random) -> Iterator[str]:
        names = list(variations)
        for name in rng.sample(names, len(names)):
            (folder / name).mkdir()
            yield from play(folder / name, name)

    return played


def _another_repository(folder: Path, kind: str) -> Iterator[str]:
    """Let another repository than the manifest's know the approval, signed by a key that it trusts itself."""
    with operator(folder / "home"):
        outer, approvals = folder / "outer", folder / "outer" / "approvals"
        outer.mkdir()
        (outer / "models.yaml").write_text(TEXT, encoding="utf-8")
        git(outer, "init", "-q")
        git(outer, "add", "models.yaml")
        git(outer, "commit", "-q", "-m", "models")
        key = new_key(folder, "key")
        inner = folder / "inner"
        inner.mkdir()
        (inner / "a.yaml").write_text(TEXT, encoding="utf-8")
        git(inner, "init", "-q")
        if kind == "both":
            checkout(outer)
        git(inner, "config", "gpg.ssh.allowedSignersFile", str(signers(folder / "signers", key, CEO[1])))
        git(inner, "add", ".")
        git(inner, *signing(key), "commit", "-q", "-m", "x", who=CEO)
        if kind == "bare":
            approvals.mkdir()
            git(inner, "config", "core.worktree", str(approvals))
            for path in (inner / ".git").iterdir():
                shutil.move(path, approvals / path.name)
            shutil.copy(inner / "a.yaml", approvals)
        elif kind == "whole":
            shutil.move(inner, approvals)
        elif kind in ("pointer", "both"):
            approvals.mkdir(exist_ok=True)
            shutil.copy(inner / "a.yaml", approvals)
            (approvals / ".git").write_text(f"gitdir: {inner}/.git\n", encoding="utf-8")
        else:
            approvals.symlink_to(inner)
        careless = git(approvals, "log", "-1", "--format=%an %G?", "--", "a.yaml")
        if careless != "CEO G":
            raise AssertionError(f"{kind}: careless git says {careless!r}")
        found = _told(outer)
        if _is_vouched_for(found):
            yield f"{kind}: a repository that is not the manifest's said {found}"


def _own_signers(folder: Path, name: str) -> Iterator[str]:
    """Let the manifest's repository say itself whose signatures are good."""
    with operator(folder / "home"):
        place, key = folder / "checkout", new_key(folder, "key")
        checkout(place, TEXT, *signing(key), who=CEO)
        _SAYS_GOOD[name](place, key)
        careless = git(place, "log", "-1", "--format=%G?")
        if careless != "G":
            raise AssertionError(f"{name}: careless git says {careless!r}")
        found = _told(place)
        if found.signature != "unknown" or found.author != "CEO <ceo@example.com>":
            yield f"{name}: a repository that names its own signers was believed: {found}"
        config = folder / "home" / ".gitconfig"
        mine = signers(folder / "mine", key, CEO[1])
        config.write_text(f'[gpg "ssh"]\n\tallowedSignersFile = {mine}\n', encoding="utf-8")
        if _told(place).signature != "good":
            raise AssertionError("a signer of the operator's own configuration does not count")


def _by_config(place: Path, key: Path) -> None:
    git(place, "config", "gpg.ssh.allowedSignersFile", str(signers(place / "signers", key, CEO[1])))


def _by_include(place: Path, key: Path) -> None:
    path = signers(place / "signers", key, CEO[1])
    (place / "more").write_text(f'[gpg "ssh"]\n\tallowedSignersFile = {path}\n', encoding="utf-8")
    git(place, "config", "include.path", "../more")


def _by_worktree(place: Path, key: Path) -> None:
    git(place, "config", "extensions.worktreeConfig", "true")
    path = signers(place / "signers", key, CEO[1])
    git(place, "config", "--worktree", "gpg.ssh.allowedSignersFile", str(path))


def _by_program(place: Path, key: Path) -> None:
    """Let a program say what ssh-keygen would."""
    program = place / "says-good"
    program.write_text(
        "#!/bin/sh\necho 'Good \"git\" signature for ceo@example.com with ED25519 key SHA256:x'\n", encoding="utf-8"
    )
    program.chmod(0o755)
    git(place, "config", "gpg.ssh.program", str(program))
    _by_config(place, key)


_SAYS_GOOD: dict[str, Callable[[Path, Path], None]] = {
    "config": _by_config,
    "include": _by_include,
    "worktree": _by_worktree,
    "program": _by_program,
}


def _shown_commit(folder: Path, name: str) -> Iterator[str]:
    """Let a commit that the chief signed show another file than the one that was signed."""
    with operator(folder / "home"):
        place, key = folder / "checkout", new_key(folder, "key")
        path = signers(folder / "signers", key, CEO[1])
        config = f'[gpg "ssh"]\n\tallowedSignersFile = {path}\n'
        (folder / "home" / ".gitconfig").write_text(config, encoding="utf-8")
        checkout(place, TEXT, *signing(key), who=CEO)
        _SHOWS[name](place)
        (place / "approvals" / "a.yaml").write_text(_FORGED, encoding="utf-8")
        careless = git(place, "log", "-1", "--format=%an %G?", "--", "approvals/a.yaml")
        held = git(place, "cat-file", "blob", "HEAD:approvals/a.yaml")
        if careless != "CEO G" or held.strip() != _FORGED.strip():
            raise AssertionError(f"{name}: careless git says {careless!r}, and {held!r}")
        found = _told(place)
        if found.committed and (found.author or "").startswith("CEO"):
            yield f"{name}: an approval that the chief never saw is as committed by them: {found}"


def _other_tree(place: Path) -> None:
    """Let the name of the signed folder lead to the content of another one."""
    signed = git(place, "rev-parse", "HEAD:approvals")
    forged = _blob(place)
    content = b"100644 a.yaml\0" + bytes.fromhex(forged)
    _store(place, signed, b"tree %d\0" % len(content) + content)


def _other_blob(place: Path) -> None:
    """Let the name of the signed file lead to the content of another one."""
    _store(place, git(place, "rev-parse", "HEAD:approvals/a.yaml"), b"blob %d\0" % len(_FORGED) + _FORGED.encode())


def _replaced(place: Path) -> None:
    """Let a replacement take the place of the signed folder."""
    forged = _blob(place)
    tree = place / "tree"
    tree.write_bytes(b"100644 a.yaml\0" + bytes.fromhex(forged))
    other = git(place, "hash-object", "-t", "tree", "-w", str(tree))
    git(place, "replace", git(place, "rev-parse", "HEAD:approvals"), other)


def _grafted(place: Path) -> None:
    """Let a commit on top, by nobody of note, be hidden: a graft says that the chief's has no parents."""
    _hide_the_last(place)
    top = git(place, "rev-parse", "HEAD")
    (place / ".git" / "info" / "grafts").write_text(f"{top}\n", encoding="utf-8")


def _made_shallow(place: Path) -> None:
    _hide_the_last(place)
    (place / ".git" / "shallow").write_text(f"{git(place, 'rev-parse', 'HEAD')}\n", encoding="utf-8")


def _hide_the_last(place: Path) -> None:
    """Bring the forged file by a commit of somebody else, and sign an innocent one over it."""
    (place / "approvals" / "a.yaml").write_text(_FORGED, encoding="utf-8")
    git(place, "commit", "-q", "-a", "-m", "forged", who=MALLORY)
    (place / "README").write_text("about\n", encoding="utf-8")
    git(place, "add", "README")
    git(place, *signing(place.parent / "key"), "commit", "-q", "-m", "a page", who=CEO)


def _blob(place: Path) -> str:
    path = place / "forged"
    path.write_text(_FORGED, encoding="utf-8")
    return git(place, "hash-object", "-w", str(path))


def _store(place: Path, name: str, content: bytes) -> None:
    path = place / ".git" / "objects" / name[:2] / name[2:]
    path.unlink()
    path.write_bytes(zlib.compress(content))


_SHOWS: dict[str, Callable[[Path], None]] = {
    "tree": _other_tree,
    "blob": _other_blob,
    "replacement": _replaced,
    "graft": _grafted,
    "shallow": _made_shallow,
}


def _other_name(folder: Path, rng: Random) -> Iterator[str]:
    """Let the file name another approver than whoever committed it."""
    approver = rng.choice(("ceo@example.com", "CEO", "CEO <ceo@example.com>", "Mallory <ceo@example.com>"))
    with operator(folder / "home"):
        place = folder / "checkout"
        checkout(place)
        word = approval(place, approver)
        found = ApprovalProvenance(place).trace(word)
        told = list(doubts(found))
        author = "Mallory <mallory@example.com> (unsigned)"
        if said_by(found) != author or not why_followed(word, found).startswith(
            f"Candidate j was approved by {author}"
        ):
            yield f"the approval of {approver!r} is not first of all that of {author}"
        if not any("by Mallory <mallory@example.com>" in one and approver in one for one in told):
            yield f"no warning says that {approver!r} did not commit the file"
        if list(doubts(ApprovalProvenance(place).trace(approval(place, "MALLORY@example.com")))):
            raise AssertionError("the author's own name is warned of")


def _made_up_author(folder: Path, rng: Random) -> Iterator[str]:
    """Commit in the chief's name, which needs no key."""
    with operator(folder / "home"):
        place = folder / "checkout"
        checkout(place, who=CEO)
        word = approval(place, rng.choice(("ceo@example.com", "CEO", "CEO <ceo@example.com>")))
        found = ApprovalProvenance(place).trace(word)
        if found.author != "CEO <ceo@example.com>" or found.signature != "none":
            raise AssertionError(found)
        if "by CEO <ceo@example.com> (unsigned) in" not in why_followed(word, found):
            yield f"anybody is named as the chief: {why_followed(word, found)}"


def _other_signer(folder: Path, rng: Random) -> Iterator[str]:
    """Commit in the chief's name, and sign with a key of one's own that the operator allows."""
    with operator(folder / "home"):
        place, key = folder / "checkout", new_key(folder, "key")
        address = rng.choice(("mallory@example.com", "ceo@example.com.evil", "xceo@example.com"))
        path = signers(folder / "signers", key, address)
        (folder / "home" / ".gitconfig").write_text(f'[gpg "ssh"]\n\tallowedSignersFile = {path}\n', encoding="utf-8")
        checkout(place, TEXT, *signing(key), who=CEO)
        if git(place, "log", "-1", "--format=%ae %G?") != "ceo@example.com G":
            raise AssertionError("git does not take the signature for good")
        found = _told(place)
        if found.signer != address or f"of {address}" not in origin(found):
            yield f"a good signature is not shown with its signer {address}: {found}"
        if not any(address in doubt and "CEO" in doubt for doubt in doubts(found)):
            yield f"no warning says that {address} signed what the chief is said to have committed"


ATTACKS = (
    Attack(name="another repository knows the approval", sentence="G2", play=_each(_KINDS, _another_repository)),
    Attack(name="a repository names its own signers", sentence="G3", play=_each(_SAYS_GOOD, _own_signers)),
    Attack(name="a signed commit shows another file", sentence="G4", play=_each(_SHOWS, _shown_commit)),
    Attack(name="an approval names another approver", sentence="G5", play=_other_name),
    Attack(name="an unsigned commit in the chief's name", sentence="G7", play=_made_up_author),
    Attack(name="an allowed signer signs as another author", sentence="G6", play=_other_signer),
)

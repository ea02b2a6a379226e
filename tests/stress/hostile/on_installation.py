"""Whoever takes the runner's name on an index, or moves a tag of its repository, gets into nobody's pipeline."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from runner.app.init import NOT_SET
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_GIT = "retrain-runner @ git+https://git.example/retrain-runner"
_FILE = "retrain-runner @ https://files.example/retrain_runner-1.0.0-py3-none-any.whl"
_COMMIT = "0c" * 20
_OPEN = (
    *("retrain-runner", "retrain-runner==0.2.0", "retrain-runner>=0.2", "retrain-runner==0.2.0 --hash=sha256:0c"),
    *(
        _GIT,
        f"{_GIT}@v1.0.0",
        f"{_GIT}@main",
        f"{_GIT}@{_COMMIT[:8]}",
        f"{_GIT}@{_COMMIT}-moved",
        f"{_GIT}@{_COMMIT.upper()}",
    ),
    *(f"r @ git+http://git.example/r@{_COMMIT}", f"r @ git+https://token@git.example/r@{_COMMIT}"),
    *(f"r @ git+https://${{HOST}}/r@{_COMMIT}", f"{_GIT}@{_COMMIT}\nevil", f"evil ; {_GIT}@{_COMMIT}"),
    *(_FILE, f"{_FILE}#sha256=0c", f"{_FILE}#md5={_COMMIT[:32]}", f"r @ http://files.example/r.whl#sha256={'0c' * 32}"),
    *("https://files.example/r.whl", "/srv/r.whl", "../r.whl", "./r.whl evil", "./$(evil)", "-e ./runner", ""),
    *("-r https://files.example/r.txt", "--index-url https://files.example/ retrain-runner==1"),
)


def _init(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "runner", "init", str(folder), *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def _requirements(folder: Path, random: Random) -> Iterator[str]:
    """Let pipelines install what can become something else."""
    for number, requirement in enumerate(random.sample(_OPEN, 3)):
        done = _init(folder / str(number), "--requirement", requirement)
        if done.returncode not in {0, 2} or "Traceback" in done.stderr:
            raise LookupError(done.stderr)
        if done.returncode == 0:
            yield f"pipelines install {requirement!r}"


def _defaults(folder: Path, random: Random) -> Iterator[str]:
    """Lay pipelines out by an installation whose source pip did not record, as one from a checkout."""
    done = _init(folder, "--only", random.choice(("github", "gitlab", "kubernetes")), "--only", "pre-commit")
    if done.returncode != 0:
        raise LookupError(done.stderr)
    for name in ("retrain-requirements.txt", ".pre-commit-config.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        if NOT_SET not in text:
            yield f"{name} names a source that nobody gave"
        if re.search(r"^(?! *#).*retrain-runner *(==|>=|@ git|$)", text, re.MULTILINE):
            yield f"{name} asks an index for the runner's name"


ATTACKS = (
    Attack(name="a requirement that can become something else", sentence="I1", play=_requirements),
    Attack(name="pipelines of an installation without a source", sentence="I1", play=_defaults),
)

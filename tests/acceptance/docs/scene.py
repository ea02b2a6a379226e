"""The project that the pages speak of: what `retrain init` lays out, in git, after three runs on the emulator.

Nothing is recorded of what served before the first run, so a person approves its candidate. The first two candidates of
`churn` serve or have served; the third waits for a person.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.acceptance.conftest import ROOT

_URL_LINE = "  url: https://developer-api.predictionone.sony.biz"


def make_scene(folder: Path, home: Path) -> Path:
    """Lay the project out under a folder and return it; takes a few seconds."""
    project = folder / "project"
    _call(folder, home, sys.executable, "-m", "runner", "init", str(project))
    shutil.copytree(ROOT / "examples", project / "examples")
    _write_home(home)
    manifest = project / "models.yaml"
    lines = manifest.read_text(encoding="utf-8").splitlines()
    served = ["  emulator: true" if line.startswith(_URL_LINE) else line for line in lines]
    assert served != lines, "the manifest of `retrain init` has another line for the service now"
    manifest.write_text("\n".join([*served, "    tags: [daily]"]) + "\n", encoding="utf-8")
    _commit(project, home, "lay out")
    for number, text in enumerate(("on_pass: switch", "on_pass: switch", "on_pass: ask")):
        manifest.write_text(manifest.read_text("utf-8").replace("on_pass: switch", text), encoding="utf-8")
        drop_rows(project / "data" / "churn" / "train.csv", number)
        _call(project, home, sys.executable, "-m", "runner", "run", "models.yaml", "-q")
        if number == 0:
            words = ("approve", "churn", "--reason", "the first one", "--yes")
            _call(project, home, sys.executable, "-m", "runner", *words)
    _commit(project, home, "new data")
    return project


def drop_rows(data: Path, count: int) -> None:
    """Take the last rows off a file, so that its content is another one."""
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[: len(lines) - count]), encoding="utf-8")


def _write_home(home: Path) -> None:
    identity = "[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = main\n"
    (home / ".gitconfig").write_text(identity, encoding="utf-8")


def _commit(project: Path, home: Path, message: str) -> None:
    _call(project, home, "git", "init", "-q")
    _call(project, home, "git", "add", "-A")
    _call(project, home, "git", "commit", "-q", "-m", message)


def _call(folder: Path, home: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "CHURN_API_KEY": "rehearsal"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"

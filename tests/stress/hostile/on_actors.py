"""Whoever sets environment variables tries to have acted as somebody else."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import chdir
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from runner.app.service import TargetService
from runner.app.state.session import session
from runner.errors import ExitCode
from runner.journal.events import RunOptions
from runner.manifest.load import load
from tests.stress.hostile.attack import Attack

_MANIFEST = """
version: 1
service: {url: "https://service.test"}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: KEY}, dataset: d, policy: p}}
"""
_USER = ("USER", "LOGNAME", "LNAME", "USERNAME", "SUDO_USER")
_PIPELINE = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")


def _somebody_else(folder: Path, rng: Random) -> Iterator[str]:
    """Run a command as the chief, says the environment."""
    (folder / "models.yaml").write_text(_MANIFEST, encoding="utf-8")
    lies = dict.fromkeys(_USER, "ceo") | dict.fromkeys(rng.sample(_PIPELINE, rng.randrange(3)), "ceo")
    kept = {name: value for name, value in os.environ.items() if name not in (*_USER, *_PIPELINE)}
    real = pwd.getpwuid(os.getuid()).pw_name
    with patch.dict(os.environ, {**kept, **lies}, clear=True), chdir(folder):
        report = _report(folder)
        holder = _holder(folder)
    if not report["actor"].startswith(f"{real}@"):
        yield f"the report says that {report['actor']} acted"
    said = next((source for source in _PIPELINE if source in lies), None)
    if report["ci_actor"] != (None if said is None else {"name": "ceo", "source": said}):
        yield f"the report does not say where the pipeline's actor comes from: {report['ci_actor']}"
    if holder != real:
        yield f"the lock says that {holder} holds it"
    page = (folder / "state" / "runs" / "latest" / "report.md").read_text(encoding="utf-8")
    if ("ceo" in page) != (said is not None) or (said is not None and said.replace("_", "") not in _plain(page)):
        yield "the page shows a name without the variable that it comes from"


def _plain(page: str) -> str:
    return page.replace("\\", "").replace("_", "")


def _report(folder: Path) -> dict[str, Any]:
    manifest = load([folder / "models.yaml"])
    with session(str(folder / "state"), lock_timeout=timedelta(0)) as opened:
        opened.start(manifest, TargetService(name="service.test", emulator=False), ("models.yaml",), RunOptions())
        opened.finish(ExitCode.OK, None)
    found: dict[str, Any] = json.loads((folder / "state" / "runs" / "latest" / "report.json").read_bytes())
    return found


def _holder(folder: Path) -> str:
    with session(str(folder / "state"), lock_timeout=timedelta(0)) as opened:
        return str(json.loads(opened.folder.holder.read_bytes())["user"])


ATTACKS = (Attack(name="the environment says who acts", sentence="A1", play=_somebody_else),)

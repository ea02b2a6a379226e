"""The real command in a real process, with an empty home and nothing of the caller's environment but PATH."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import preloaded

Retrain = Callable[..., subprocess.CompletedProcess[str]]
# The yes of the reader at a terminal, for pages whose commands are run without one.
ANSWERS = ("RETRAIN_APPROVE_YES", "RETRAIN_REJECT_YES", "RETRAIN_ROLLBACK_YES")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def retrain(tmp_path: Path) -> Retrain:
    """Return a function that runs `retrain WORD...` with its state in the test's own folder."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"HOME": str(home), "RETRAIN_STATE": str(tmp_path / "state"), **environment}
        ended = preloaded.retrain(words, folder=cwd, environment=variables)
        return subprocess.CompletedProcess(words, ended.code, ended.out.decode(), ended.err.decode())

    return run

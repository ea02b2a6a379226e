"""A run whose standard streams are closed, as some schedulers start it."""

import os
import re
import subprocess
import sys

import pytest

from tests.acceptance.contract.contract_project import ROOT, Project

CLOSED = {"stdout": ">&-", "all": "<&- >&- 2>&-"}


def run_with(project: Project, redirection: str) -> int:
    line = f'exec "{sys.executable}" -m runner run --state "{project.state}" models.yaml {redirection}'
    environment = {"PATH": os.environ["PATH"], "HOME": str(project.folder / "home"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=project.folder, env=environment, capture_output=True, check=False, timeout=100
    ).returncode


@pytest.mark.parametrize("redirection", CLOSED.values(), ids=CLOSED)
def test_the_number_of_a_closed_stream_never_becomes_that_of_a_file(project: Project, redirection: str) -> None:
    project.add("churn")
    look = 'for n in 0 1 2; do readlink /proc/$PPID/fd/$n || echo closed; done > streams; echo "$0"'
    key = project.environment["KEY_OF_CHURN"]
    project.manifest["models"]["churn"]["api_key"] = {"command": ["/bin/sh", "-c", look, key]}
    project.save()
    assert run_with(project, redirection) == 0
    seen = (project.folder / "streams").read_text(encoding="utf-8").split()
    assert len(seen) == 3
    assert [one for one in seen if not re.fullmatch(r"/dev/null|pipe:.*|socket:.*", one)] == []
    assert len(project.service.switches("churn")) == 1
    assert project.retrain("verify").code == 0

"""What a shell sees: closed pipes, full disks, codes of commands that do nothing, next steps that can be copied."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT, Retrain

MINIMAL = str(ROOT / "examples" / "configs" / "minimal")
DEMO = str(ROOT / "examples" / "configs" / "demo")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `retrain` is the command under test."""
    command = f'retrain() {{ "{sys.executable}" -m runner "$@"; }}; set -o pipefail; {line}'
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "BASH_ENV": ""}
    return subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ["--help", "run --help", "--version", "schema"])
def test_a_reader_that_has_gone_away_is_not_an_error(words: str, tmp_path: Path) -> None:
    done = shell(f"retrain {words} | true", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["schema", f"plan {MINIMAL} --format json", f"validate {MINIMAL}", "--help"])
def test_a_result_that_could_not_be_printed_is_an_error(words: str, tmp_path: Path) -> None:
    done = shell(f"retrain {words} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "bug" not in done.stderr


def test_a_plan_with_a_model_that_would_fail_exits_with_1(retrain: Retrain, tmp_path: Path) -> None:
    manifest = (Path(MINIMAL) / "models.yaml").read_text(encoding="utf-8")
    (tmp_path / "models.yaml").write_text(manifest, encoding="utf-8")
    done = retrain("plan", str(tmp_path / "models.yaml"), "--detailed-exitcode")
    assert done.returncode == 1
    assert "wine.csv" in done.stdout


def test_the_next_steps_name_the_state_that_was_given(retrain: Retrain, tmp_path: Path) -> None:
    state = str(tmp_path / "my state")
    done = retrain("run", DEMO, "--state", state, "--select", "wine")
    assert f"next: retrain approve wine --reason \"...\" --state '{state}'\n" in done.stdout
    assert f"  or: retrain reject wine --reason \"...\" --state '{state}'\n" in done.stdout
    assert f"--state '{state}'" in done.stdout.split("check: retrain verify ")[1]
    approved = retrain("approve", "wine", "--yes", "--state", state, "--reason", "seen")
    assert approved.returncode == 0, approved.stderr


def test_status_names_the_folder_it_found_nothing_in(retrain: Retrain, tmp_path: Path) -> None:
    done = retrain("status", "--state", str(tmp_path / "typo"))
    assert (done.returncode, "typo" in done.stdout) == (0, True)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    done = retrain("status", "--state", str(tmp_path / "file"))
    assert done.returncode == 7
    assert "is a file" in done.stderr


def test_status_shows_a_switch_that_is_due_and_a_candidate_that_is_held(retrain: Retrain) -> None:
    retrain("run", DEMO, "--no-switch")
    shown = retrain("status").stdout
    assert "is due at the next run" in shown
    assert "is held" in shown
    assert "waits for approval" in shown
    only = retrain("status", "--outcome", "awaiting_approval").stdout
    assert [line.split(" ")[0] for line in only.splitlines()[:3]] == ["wine", "", ""], only


def test_approve_away_from_the_manifest_says_how_to_name_it(retrain: Retrain, tmp_path: Path) -> None:
    retrain("run", "examples/configs/demo", "--select", "wine")
    done = retrain("approve", "wine", "--yes", "--reason", "seen", cwd=tmp_path)
    assert done.returncode == 2
    assert "--manifest" in done.stderr

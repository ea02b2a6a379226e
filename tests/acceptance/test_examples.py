"""Every manifest in examples/configs does what its comments say, on the emulator."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT, Retrain

CONFIGS = ROOT / "examples" / "configs"
FOLDERS = sorted(folder.name for folder in CONFIGS.iterdir() if folder.is_dir())

# What the first run of each example comes to: its exit code and each model's outcome.
FIRST_RUN = {
    "minimal": (0, {"wine": "switched"}),
    "demo": (4, {"breast_cancer": "switched", "diabetes": "held", "wine": "awaiting_approval"}),
    "guarded": (0, {"screening": "switched"}),
    "japanese": (0, {"糖尿病の進行度": "switched"}),
    "fleet": (
        0,
        {
            "screening-north": "switched",
            "screening-south": "switched",
            "progression": "switched",
            "cellar": "switched",
        },
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_an_example_runs_as_it_says_and_verifies(name: str, retrain: Retrain) -> None:
    path = str(CONFIGS / name)
    valid = retrain("validate", path)
    assert (valid.returncode, valid.stderr) == (0, ""), valid.stdout
    first = retrain("run", path, "--format", "json", LC_ALL="C")
    report = json.loads(first.stdout)
    outcomes = {model["name"]: model["outcome"] for model in report["models"]}
    assert (first.returncode, outcomes) == FIRST_RUN[name], first.stderr
    assert "Traceback" not in first.stderr
    again = json.loads(retrain("run", path, "--format", "json").stdout)
    assert all(model["calls"]["put"] == 0 for model in again["models"])
    verified = retrain("verify")
    assert verified.returncode == 0, verified.stdout


def test_the_japanese_example_names_its_metrics_in_japanese(retrain: Retrain, tmp_path: Path) -> None:
    assert retrain("run", str(CONFIGS / "japanese")).returncode == 0
    result = next((tmp_path / "state" / "runs").glob("2*/results/*/result.zip"))
    with zipfile.ZipFile(result) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/metrics.csv") or name == "metrics.csv")
        assert "決定係数" in archive.read(member).decode("cp932")


def test_the_example_data_is_what_its_script_writes(tmp_path: Path) -> None:
    script = (ROOT / "examples" / "make_data.py").read_text(encoding="utf-8")
    (tmp_path / "make_data.py").write_text(script, encoding="utf-8")
    subprocess.run([sys.executable, str(tmp_path / "make_data.py")], check=True)
    written = sorted(path.relative_to(tmp_path / "configs") for path in (tmp_path / "configs").rglob("*.csv"))
    assert written == sorted(path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.csv"))
    assert all((tmp_path / "configs" / name).read_bytes() == (CONFIGS / name).read_bytes() for name in written)

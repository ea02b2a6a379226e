"""What `pip install` gets: the wheel carries schemas and templates, and works without the checkout beside it."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and lay it out as an installation does."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=site.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(site.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["manifest", "plan", "report", "journal"])
def test_the_wheel_carries_each_schema(installed: Path, name: str) -> None:
    shown = run(installed, "schema", name)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == (ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")


def test_the_wheel_runs_the_smallest_example_and_renders_its_report(installed: Path) -> None:
    done = run(installed, "run", str(ROOT / "examples" / "configs" / "minimal"))
    assert done.returncode == 0, done.stderr
    assert (installed.parent / ".retrain" / "runs" / "latest" / "report.html").is_file()


def test_the_wheel_lays_out_a_repository_that_validates(installed: Path) -> None:
    laid = run(installed, "init", "laid")
    assert laid.returncode == 0, laid.stderr
    assert run(installed, "validate", "laid/models.yaml").returncode == 0


def test_every_package_the_lock_installs_for_users_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["emulator"], *extras["fast"], *extras["keyring"]]
    locked = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8").lower()
    assert all(f"\n{one.split('>=')[0].lower()}==" in f"\n{locked}" for one in wanted)

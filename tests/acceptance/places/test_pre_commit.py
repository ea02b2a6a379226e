"""The hook of .pre-commit-hooks.yaml, installed by pre-commit from a clone of this checkout and run on commits.

The hook's environment is really built, with this test's own libraries in place of downloads, so it works offline.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from runner.app.init import init
from tests.acceptance.conftest import ROOT

SHIPPED = (
    "runner",
    "emulator",
    "schemas",
    "requirements",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".pre-commit-hooks.yaml",
)
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not on PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A user's repository whose .pre-commit-config.yaml takes the hook from a clone of this checkout."""

    folder: Path
    home: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "PYTHONPATH": sysconfig.get_path("purelib"),
                "PIP_NO_INDEX": "1",
                "PIP_NO_DEPS": "1",
                "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as: no isolation
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": "user.name",
                "GIT_CONFIG_VALUE_0": "a person",
                "GIT_CONFIG_KEY_1": "user.email",
                "GIT_CONFIG_VALUE_1": "person@example.com",
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def commit(self, message: str) -> subprocess.CompletedProcess[str]:
        assert self.run("git", "add", "--all").returncode == 0
        return self.run("git", "commit", "--quiet", "--message", message)


@pytest.fixture(scope="module")
def hook_source(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("clone")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    clone = Repository(folder=folder, home=tmp_path_factory.mktemp("home"))
    clone.run("git", "init", "--quiet")
    assert clone.commit("a release").returncode == 0
    return clone


@pytest.fixture(scope="module")
def repository(hook_source: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("repository")
    init(folder, ("manifest",))
    text = (folder / "models.yaml").read_text(encoding="utf-8")
    head, policies = text.split("policies:\n")
    policies, models = policies.split("models:\n")
    (folder / "models.yaml").write_text(f"{head}models:\n{models}", encoding="utf-8")
    (folder / "policies.yaml").write_text(f"policies:\n{policies}", encoding="utf-8")
    revision = hook_source.run("git", "rev-parse", "HEAD").stdout.strip()
    hook = {"id": "retrain-validate", "args": ["models.yaml", "policies.yaml"]}
    config = {"repos": [{"repo": str(hook_source.folder), "rev": revision, "hooks": [hook]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    user = Repository(folder=folder, home=hook_source.home)
    user.run("git", "init", "--quiet")
    installed = user.run("pre-commit", "install", "--install-hooks")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return user


def test_pre_commit_accepts_the_hooks_and_the_config_of_init(repository: Repository, tmp_path: Path) -> None:
    init(tmp_path, ("pre-commit",))
    assert repository.run("pre-commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")).returncode == 0
    config = tmp_path / ".pre-commit-config.yaml"
    assert repository.run("pre-commit", "validate-config", str(config)).returncode == 0


def test_a_commit_is_checked_with_all_files_of_the_manifest_together(repository: Repository) -> None:
    good = repository.commit("a manifest in two files")
    assert good.returncode == 0, good.stderr
    policies = repository.folder / "policies.yaml"
    text = policies.read_text(encoding="utf-8")

    policies.write_text(text.replace("guarded:", "careful:"), encoding="utf-8")
    renamed = repository.commit("rename a policy that models.yaml refers to")
    assert renamed.returncode == 1
    assert "models.yaml:" in renamed.stderr
    assert "guarded" in renamed.stderr

    policies.unlink()
    deleted = repository.commit("delete a file that models.yaml refers to")
    assert deleted.returncode == 1

    policies.write_text(text, encoding="utf-8")
    (repository.folder / "notes.txt").write_text("nothing to do with it", encoding="utf-8")
    mended = repository.commit("mended")
    assert mended.returncode == 0, mended.stderr

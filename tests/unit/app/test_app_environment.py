"""What the programs that a command starts see of its environment."""

import os
from pathlib import Path

import pytest

from runner.app.provenance import manifest_record
from runner.lib.git import identity
from runner.manifest.load import load

MANIFEST = """
version: 1
service: {url: "https://service.test"}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models:
  churn: {api_key: {env: CHURN_KEY}, dataset: d, policy: p}
  sales: {api_key: {secret_key: {env: ACCOUNT_KEY}, model_id: 3}, dataset: d, policy: p}
  leads: {api_key: {file: key}, dataset: d, policy: p}
notify:
  - {on: [failed], to: {env: CHAT_URL}}
  - {ping: {env: PING_URL}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


def test_git_sees_no_api_key_and_finds_its_settings(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of git writes down the environment of those that ask it."""
    folder = manifest.parent
    (folder / ".git").mkdir()
    git = folder / "git"
    git.write_text(f'#!/bin/sh\nenv >> "{folder}/seen"\nexit 128\n', encoding="utf-8")
    git.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CHURN_KEY", "CANARY")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann")
    assert manifest_record(load([manifest])).git is None
    assert identity(folder) is None
    seen = (folder / "seen").read_text()
    assert seen.count("GIT_AUTHOR_NAME=Ann") == 1
    assert seen.count("\nPATH=") == seen.count("\nHOME=") == 2
    assert "CANARY" not in seen

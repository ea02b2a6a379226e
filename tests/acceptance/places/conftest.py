"""A machine on which `retrain` is a command, and a repository as `retrain init` lays it out."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.app.init import MANIFEST, init
from tests.acceptance.conftest import ROOT

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder for PATH whose `retrain` is this checkout's."""
    folder = tmp_path / "programs"
    folder.mkdir()
    command = folder / "retrain"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m runner "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a fresh repository whose manifest names the emulator, so that nothing asks the real service."""
    folder = tmp_path / "project"
    init(folder, ())
    manifest = folder / MANIFEST
    text = manifest.read_text(encoding="utf-8")
    head, rest = text.split("service:\n", 1)
    rest = rest.split("\n", 1)[1]
    quick = rest.replace("wait: {timeout: 6h}", "wait: {timeout: 6h, poll: 500ms}")
    manifest.write_text(f"{head}service: {{emulator: true}}\n{quick}", encoding="utf-8")
    return folder


@pytest.fixture
def shell(project: Path, programs: Path, tmp_path: Path) -> Shell:
    """Return a function that runs a script in the repository, with nothing of the caller's environment."""

    def run(
        script: str, program: tuple[str, ...] = ("bash", "-e"), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, "-c", script],
            cwd=project,
            env={"PATH": f"{programs}:{os.defpath}", "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run

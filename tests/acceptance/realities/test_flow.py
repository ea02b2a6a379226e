"""The whole way of a model under both profiles that ship: run, status, approve, another run, rollback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.profile_file import read_profile
from tests.acceptance.realities.scene import MODELS, Said, Scene


@pytest.fixture(params=["documented", "cautious"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(folder=tmp_path / "project", profile=read_profile(request.param, MODELS))
    try:
        scene.serve(scene.profile)
        yield scene
    finally:
        scene.stop()


def ran(scene: Scene, *words: str, code: int = 0) -> Said:
    said = scene.retrain(*words)
    assert said.code == code, f"{said.command}\n{said.text}"
    return said


def outcomes(scene: Scene) -> dict[str, str]:
    return {name: entry["outcome"] for name, entry in scene.entries().items()}


def test_a_model_is_trained_approved_trained_again_and_rolled_back(scene: Scene) -> None:
    ran(scene, "run", "models.yaml", code=4)
    usual = {"auto": "switched", "manual": "awaiting_approval", "good": "switched", "bad": "held"}
    assert outcomes(scene) == usual
    assert scene.trainings() == dict.fromkeys(MODELS, 1)
    first = scene.serving_job("auto")
    assert "awaiting approval" in ran(scene, "status").text
    ran(scene, "approve", "manual", "--reason", "looked at it", "--yes")
    assert scene.serving("manual")

    data = scene.folder / "data" / "auto.csv"
    data.write_bytes(data.read_bytes() + b"9999,3,yes\n")
    ran(scene, "run", "models.yaml")
    assert outcomes(scene) == {"auto": "switched", "manual": "unchanged", "good": "unchanged", "bad": "held"}
    assert scene.trainings() == {**dict.fromkeys(MODELS, 1), "auto": 2}
    assert scene.serving_job("auto") != first
    ran(scene, "rollback", "auto", "--reason", "it was better before", "--yes")
    assert scene.serving_job("auto") == first
    assert json.loads(ran(scene, "status", "--format", "json").text)
    ran(scene, "verify")

"""A disk that fails while a result is stored: a sentence and an outcome, and nothing left that nobody recorded."""

import errno
from pathlib import Path

import pytest

from runner.execute import evaluation as candidate
from tests.fakes.world import World

MANIFEST = """\
version: 1
service: {url: "https://service.example"}
datasets: {d: {train: data.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: KEY}, dataset: d, policy: p}}
"""


FULL = OSError(errno.ENOSPC, "No space left on device")
_rename = Path.replace


def _full(_folder: Path) -> None:
    raise FULL


def _full_for_results(path: Path, target: Path) -> Path:
    if path.name == "result.download":
        raise FULL
    return _rename(path, target)


def _result_files(world: World) -> list[str]:
    return sorted(path.name for path in world.folder.rglob("result.*"))


@pytest.mark.parametrize("step", ["replace", "sync"])
def test_a_disk_error_while_the_result_is_named_fails_the_model_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world = World(tmp_path, MANIFEST)
    with monkeypatch.context() as patched:
        if step == "sync":
            patched.setattr(candidate, "sync_folder", _full)
        else:
            patched.setattr(Path, "replace", _full_for_results)
        end = world.run()["m"]
    assert end.outcome == "failed"
    assert end.error is not None
    assert end.error.kind == "result"
    assert "No space left on device" in end.error.message
    assert _result_files(world) == []


def test_the_run_after_a_disk_error_stores_the_same_training_s_result_and_switches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, MANIFEST)
    with monkeypatch.context() as patched:
        patched.setattr(candidate, "sync_folder", _full)
        world.run()
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("put") == 1
    assert _result_files(world) == ["result.zip"]

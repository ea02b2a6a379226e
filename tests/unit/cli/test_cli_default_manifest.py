"""PATH may be left out where the manifest has one of the usual names, for every command that takes PATH."""

from pathlib import Path

import pytest

from runner.cli.main import group
from runner.errors import UsageError
from runner.manifest.load import named_paths

COMMANDS = ["validate", "plan", "run", "doctor", "replay"]
VALID = """
version: 1
service: {url: "https://developer-api.predictionone.sony.biz"}
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: NO_SUCH_KEY}, dataset: d, policy: p}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETRAIN_MANIFEST", raising=False)


def test_what_is_given_wins_over_every_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("models.yaml").write_text(VALID)
    monkeypatch.setenv("RETRAIN_MANIFEST", "other.yaml")
    assert named_paths([Path("given.yaml")]) == (Path("given.yaml"),)


def test_the_variable_wins_over_the_folder_and_may_name_several(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("models.yaml").write_text(VALID)
    monkeypatch.setenv("RETRAIN_MANIFEST", "a.yaml:b")
    assert named_paths(()) == (Path("a.yaml"), Path("b"))


def test_models_yaml_goes_before_retrain_yaml() -> None:
    Path("retrain.yaml").write_text(VALID)
    assert named_paths(()) == (Path("retrain.yaml"),)
    Path("models.yaml").write_text(VALID)
    assert named_paths(()) == (Path("models.yaml"),)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_the_same_where_there_is_no_manifest(command: str) -> None:
    with pytest.raises(UsageError) as caught:
        group.main([command, "--state", "state"], standalone_mode=False)
    assert caught.value.message == "No manifest is named, and this folder has no models.yaml and no retrain.yaml."
    assert "RETRAIN_MANIFEST" in caught.value.hint


def test_a_command_finds_the_manifest_of_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("retrain.yaml").write_text(VALID)
    Path("d.csv").write_text("a,b\n" + "1,2\n" * 100)
    assert group.main(["validate"], standalone_mode=False) == 0
    assert "valid: 1 model in 1 file" in capsys.readouterr().out

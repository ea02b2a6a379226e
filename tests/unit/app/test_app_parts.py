"""Selection, realms, provenance and the lazy command line."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from runner.app.git_notes import without_userinfo
from runner.app.planning.scope import model_scope
from runner.app.provenance import manifest_record
from runner.app.service import service_of
from runner.app.state.read_state import last_paths
from runner.cli.main import COMMANDS
from runner.errors import UsageError
from runner.journal.progress import Progress
from runner.journal.store import open_store
from runner.manifest.load import load
from runner.manifest.model import Manifest
from runner.manifest.service import select
from tests.fakes.run_ids import run_id
from tests.fakes.world import ONE_MODEL, World

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fleet() -> Manifest:
    return load([ROOT / "examples" / "configs" / "fleet"])


def names(manifest: Manifest, *selectors: str) -> list[str]:
    return [model.name for model in select(manifest, selectors)]


def test_selectors_name_models_and_tags_and_add_up(fleet: Manifest) -> None:
    assert len(names(fleet)) == 4
    assert names(fleet, "cellar") == ["cellar"]
    assert names(fleet, "tag:north", "cellar") == ["cellar", "screening-north"]


@pytest.mark.parametrize("selector", ["celar", "tag:nroth", "tag:", "north"])
def test_a_selector_that_matches_nothing_is_an_error(fleet: Manifest, selector: str) -> None:
    with pytest.raises(UsageError, match="No model matches"):
        select(fleet, ["cellar", selector])


def test_a_misspelt_selector_gets_a_guess(fleet: Manifest) -> None:
    with pytest.raises(UsageError) as caught:
        select(fleet, ["celar"])
    assert "Did you mean `cellar`?" in caught.value.hint


def test_a_command_in_another_folder_is_told_where_the_manifest_of_its_model_lies(tmp_path: Path) -> None:
    """A run that was started where its state lies names the manifest from there."""
    world = World(tmp_path, ONE_MODEL)
    world.run()
    store = open_store(world.state)
    progress = Progress(store.read())
    store.close()
    run = progress.runs[run_id(1)]
    progress.runs[run_id(1)] = replace(run, started=msgspec.structs.replace(run.started, paths=("models.yaml",)))
    with pytest.raises(UsageError, match="is not found from this folder") as caught:
        model_scope(progress, "m", (), state=str(world.state.root))
    assert f"Go to {tmp_path}, where it is found, or" in caught.value.hint
    (tmp_path / "models.yaml").unlink()
    with pytest.raises(UsageError) as caught:
        model_scope(progress, "m", (), state=str(world.state.root))
    assert "Go to the folder that run was started in, or" in caught.value.hint


def test_a_state_without_a_run_names_no_manifest() -> None:
    with pytest.raises(UsageError, match="No manifest is recorded in this state"):
        last_paths([])


def test_the_emulators_history_is_kept_apart_from_the_services(tmp_path: Path, fleet: Manifest) -> None:
    (tmp_path / "m.yaml").write_text(
        (ROOT / "examples/configs/minimal/models.yaml").read_text(encoding="utf-8").replace("{emulator: true}", "{}")
    )
    real = load([tmp_path / "m.yaml"])
    assert service_of(fleet, emulator=False).name == "emulator"
    assert service_of(real, emulator=True).name == "emulator"
    assert service_of(real, emulator=False).name == "developer-api.predictionone.sony.biz"


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://user:token@host.test/a/b.git", "https://host.test/a/b.git"),
        ("https://token@host.test:8443/a.git?x=1", "https://host.test:8443/a.git"),
        ("git@host.test:a/b.git", "git@host.test:a/b.git"),
        ("https://user:to?ken@host.test/a.git", "https://host.test/a.git"),
        ("https://host.test/@a/b.git;token=1", "https://host.test/@a/b.git"),
        ("https://host.test?token", "https://host.test"),
        ("helper::https://user:token@host.test/a", "helper::https://host.test/a"),
        ("ext::sh -c 'fetch https://user:token@host.test'", "a URL that cannot be read"),
        ("user:token@host.test:a", "host.test:a"),
        ("//user:token@host.test/a", "//host.test/a"),
        ("ssh://git@[::1]:22/a", "ssh://[::1]:22/a"),
        ("/srv/models?token", "/srv/models"),
    ],
)
def test_a_remote_is_recorded_without_its_token(remote: str, shown: str) -> None:
    assert without_userinfo(remote) == shown


def test_a_manifest_outside_git_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text((ROOT / "examples/configs/minimal/models.yaml").read_text(encoding="utf-8"))
    assert manifest_record(load([tmp_path / "m.yaml"])).git is None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_in_its_help(name: str) -> None:
    words = [name, "serve", "--help"] if name == "emulator" else [name, "--help"]
    shown = subprocess.run([sys.executable, "-m", "runner", *words], capture_output=True, text=True, check=True)
    assert "Example: retrain" in shown.stdout


def test_starting_imports_nothing_heavy() -> None:
    code = "import sys; import runner.cli.main; print(sorted({name.split('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"requests", "jsonschema", "yaml", "jinja2", "sklearn", "msgspec"} & set(eval(shown))  # noqa: S307 -- our own list

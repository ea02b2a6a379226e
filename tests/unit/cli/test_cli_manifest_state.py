"""Where the state is: --state, then RETRAIN_STATE, then `state:` in the manifest, then .retrain."""

import threading
from pathlib import Path

import pytest

from runner.cli.main import main
from runner.journal.folder import StateFolder
from runner.journal.store import open_store


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a manifest beside the working folder, which names the state `kept` beside itself."""
    text = next(Path("examples/configs/minimal").glob("*.yaml")).read_text(encoding="utf-8")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "models.yaml").write_text(f"{text}\nstate: kept\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RETRAIN_STATE", raising=False)
    return folder


def shown_state(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    code, said = run(["state", "show", *words], capsys)
    assert code == 0, said
    return said.splitlines()[0]


def test_the_manifest_names_the_state_and_flag_and_variable_come_first(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "by-variable", "by-flag", ".retrain"):
        open_store(StateFolder(project / name)).close()
    assert shown_state([], capsys) == "state: kept"
    monkeypatch.setenv("RETRAIN_STATE", "by-variable")
    assert shown_state([], capsys) == "state: by-variable"
    assert shown_state(["--state", "by-flag"], capsys) == "state: by-flag"
    monkeypatch.delenv("RETRAIN_STATE")
    (project / "models.yaml").write_text((project / "models.yaml").read_text().replace("state: kept", ""))
    assert shown_state([], capsys) == "state: .retrain"


def test_a_manifest_that_is_named_counts_wherever_it_stands_and_its_folder_is_beside_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    (project / "kept").write_text("a file")
    for words in (["plan", "project/models.yaml"], ["plan", "--trust-state", "project"]):
        code, said = run(words, capsys)
        assert (code, "project/kept" in said) == (7, True), said


def test_a_manifests_state_is_looked_at_like_any_other(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "kept").mkdir()
    (project / "kept").chmod(0o777)
    code, said = run(["status"], capsys)
    assert (code, "Others may write kept" in said) == (7, True), said


@pytest.mark.plays("Y3")
@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("s3://key:hunter2hunter2@bucket/prod", 3, "carries a user name, a password or a port"),
        ("s3://bucket/prod?endpoint=https://store.example.com", 2, "sent to store.example.com"),
        ("postgresql://db.example.com/retrain", 2, "sent to db.example.com"),
        ("Postgres://me@127.0.0.1,db.example.com:5433/retrain", 2, "sent to db.example.com"),
        ("postgresql://me:hunter2hunter2@127.0.0.1/m", 2, "carries a password"),
        ("postgresql:///retrain?host=db.example.com", 2, "sent to db.example.com"),
        ("postgresql:///m?blobs=s3://bucket/p?endpoint=https://store.example.com", 2, "sent to store.example.com"),
        ("ftp://bucket/prod", 2, "A state at ftp:// is not available"),
    ],
)
def test_a_manifests_state_that_cannot_be_used_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], state: str, code: int, words: str
) -> None:
    manifest = project / "models.yaml"
    manifest.write_text(manifest.read_text().replace("state: kept", f"state: {state}"))
    found, said = run(["plan"], capsys)
    assert (found, words in said, "hunter2" in said) == (code, True, False), said


def test_a_program_with_threads_of_its_own_outlives_a_command_that_it_calls(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the threads that a command started and abandoned end with its process at once."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, daemon=True)
    thread.start()
    try:
        assert run(["--version"], capsys)[0] == 0
    finally:
        done.set()

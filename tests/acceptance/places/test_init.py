"""`retrain init` as a user meets it: what it lays out works as it is, and nothing of theirs is touched."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runner.app.init import PARTS
from tests.acceptance.conftest import ROOT, Retrain
from tests.acceptance.places.conftest import Shell


def written(stdout: str) -> list[str]:
    return re.findall(r"^wrote  (\S+)$", stdout, flags=re.MULTILINE)


def test_the_commands_that_init_names_next_work(retrain: Retrain, shell: Shell, tmp_path: Path) -> None:
    done = retrain("init", "models", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line.split("#")[0].strip() for line in done.stdout.split("next:\n")[1].splitlines()]
    assert steps[0] == "cd models"
    assert any("--emulator" in step for step in steps)
    own_data = "for file in train eval; do sed -i '$d' data/churn/$file.csv; done"  # the sample is for the emulator
    steps.insert(steps.index("retrain plan models.yaml"), f"{own_data}; git commit -q -a -m data")
    people = {f"GIT_{who}_{what}": "ann@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = shell("\n".join([f"cd {tmp_path}", *steps]), **people)
    assert ran.returncode == 0, ran.stderr
    assert "valid: 1 model in 1 file" in ran.stdout
    assert "churn  awaiting approval" in ran.stdout
    status = shell(f"cd {tmp_path}/models && retrain validate . && retrain verify && git status --porcelain")
    assert status.returncode == 0, status.stderr
    assert status.stdout.splitlines()[-1].startswith("verified"), "and everything is committed but the state"


def test_the_commands_that_init_names_next_work_where_the_manifest_was_not_asked_for(
    retrain: Retrain, shell: Shell, tmp_path: Path
) -> None:
    done = retrain("init", "models", "--only", "github", cwd=tmp_path)
    steps = [line.split("#")[0].strip() for line in done.stdout.split("next:\n")[1].splitlines()]
    steps.remove("retrain plan models.yaml")  # the sample is for the emulator
    people = {f"GIT_{who}_{what}": "ann@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = shell("\n".join([f"cd {tmp_path}", *steps]), **people)
    assert ran.returncode == 0, ran.stderr
    assert "valid: 1 model in 1 file" in ran.stdout
    assert "init --only manifest" not in retrain("init", "--only", "gitlab", cwd=tmp_path / "models").stdout


def test_init_lays_out_every_part_and_lists_each_file(retrain: Retrain, tmp_path: Path) -> None:
    names = written(retrain("init", str(tmp_path / "new")).stdout)
    there = [path.relative_to(tmp_path / "new") for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert sorted(names) == sorted(map(str, there))
    assert {name for part in PARTS.values() for name in part} <= set(names)


def test_init_never_writes_over_a_file_and_names_it(retrain: Retrain, tmp_path: Path) -> None:
    mine = tmp_path / ".gitlab-ci.yml"
    mine.write_text("mine", encoding="utf-8")
    done = retrain("init", cwd=tmp_path)
    assert done.returncode == 0
    assert "kept   .gitlab-ci.yml: it already exists, and was not changed" in done.stdout
    assert mine.read_text(encoding="utf-8") == "mine"


def test_init_writes_through_no_link(retrain: Retrain, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "models.yaml").symlink_to(elsewhere)
    done = retrain("init", str(folder))
    assert "kept   models.yaml" in done.stdout
    assert not elsewhere.exists()


def test_a_second_init_writes_nothing(retrain: Retrain, tmp_path: Path) -> None:
    retrain("init", cwd=tmp_path)
    again = retrain("init", cwd=tmp_path)
    assert (again.returncode, written(again.stdout)) == (0, [])
    assert "kept" not in again.stdout


def test_only_takes_the_parts_that_are_named(retrain: Retrain, tmp_path: Path) -> None:
    done = retrain("init", "--only", "systemd", "--only", "pre-commit", cwd=tmp_path)
    assert sorted(written(done.stdout)) == sorted([*PARTS["systemd"], *PARTS["pre-commit"]])


def test_beside_a_manifest_of_your_own_no_example_data_is_laid(retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("version: 1\n", encoding="utf-8")
    done = retrain("init", cwd=tmp_path)
    assert "kept   models.yaml" in done.stdout
    assert not (tmp_path / "data").exists()


def test_a_gitignore_of_your_own_without_the_state_is_told(retrain: Retrain, tmp_path: Path) -> None:
    ignored = tmp_path / ".gitignore"
    ignored.write_text("*.pyc\n", encoding="utf-8")
    assert "echo .retrain/ >> .gitignore" in retrain("init", cwd=tmp_path).stdout
    ignored.write_text("*.pyc\n/.retrain\n", encoding="utf-8")
    assert "echo .retrain/" not in retrain("init", cwd=tmp_path).stdout


def test_git_is_named_next_only_where_there_is_no_checkout(retrain: Retrain, tmp_path: Path) -> None:
    assert "git init" in retrain("init", "alone", cwd=tmp_path).stdout
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / ".git").write_text("gitdir: elsewhere", encoding="utf-8")
    assert "git init" not in retrain("init", "checkout/below", cwd=tmp_path).stdout


PINNED = f"retrain-runner @ git+https://git.example/retrain-runner@{'0c' * 20}"


def test_that_pipelines_have_no_source_yet_is_told_unless_one_was_given(retrain: Retrain, tmp_path: Path) -> None:
    assert "stop until retrain-requirements.txt names a source" in retrain("init", "unset", cwd=tmp_path).stdout
    assert "names a source" not in retrain("init", "given", "--requirement", PINNED, cwd=tmp_path).stdout
    assert "names a source" not in retrain("init", "alone", "--only", "manifest", cwd=tmp_path).stdout


@pytest.mark.parametrize("place", ["here", "here/below", "here/models.yaml/x"])
def test_a_file_in_the_way_is_named(place: str, retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file", encoding="utf-8")
    done = retrain("init", place, cwd=tmp_path)
    assert done.returncode == 2
    assert "here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_where_a_folder_is_needed_is_named(retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "deploy").write_text("a file", encoding="utf-8")
    done = retrain("init", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: deploy is not a folder." in done.stderr


def test_a_folder_that_cannot_be_made_is_a_sentence(retrain: Retrain, tmp_path: Path) -> None:
    done = retrain("init", "x" * 300, cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


@pytest.mark.plays("I2")
def test_what_the_runner_needs_is_laid_out_with_the_hash_of_each_file(retrain: Retrain, tmp_path: Path) -> None:
    retrain("init", "--only", "gitlab", cwd=tmp_path)
    lock = (tmp_path / "retrain-dependencies.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)
    hashed = re.findall(r"^([\w.-]+)==.+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert {"click", "requests", "hatchling"} <= set(names) == set(hashed)
    pipeline = (tmp_path / ".gitlab-ci.yml").read_text(encoding="utf-8").splitlines()
    installs = [line for line in pipeline if "/pip install" in line]
    assert ["--require-hashes" in line or "--no-deps" in line for line in installs] == [True, True]


def test_the_requirement_stands_wherever_pipelines_install(retrain: Retrain, tmp_path: Path) -> None:
    retrain("init", "--requirement", PINNED, cwd=tmp_path)
    assert PINNED in (tmp_path / "retrain-requirements.txt").read_text(encoding="utf-8")
    assert f"'{PINNED}'" in (tmp_path / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    leftovers = [path for path in tmp_path.rglob("*") if path.is_file() and b"@REQUIREMENT@" in path.read_bytes()]
    assert leftovers == []


def test_files_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "runner", "init"]
    subprocess.run(words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, umask=0o027, capture_output=True, check=True)
    assert stat.S_IMODE((tmp_path / "models.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750


@pytest.mark.parametrize("form", ["retrain-runner==1.0.0", f"{PINNED[:-40]}v1.0.0", f"{PINNED[:-40]}main", "it's"])
def test_a_requirement_that_can_become_something_else_is_refused(form: str, retrain: Retrain, tmp_path: Path) -> None:
    done = retrain("init", "--requirement", form, cwd=tmp_path)
    assert done.returncode == 2
    assert "can become something else later" in done.stderr
    assert not (tmp_path / "models.yaml").exists()


def test_the_line_in_the_place_of_a_source_stops_pip_with_its_own_words(retrain: Retrain, tmp_path: Path) -> None:
    retrain("init", "--only", "github", cwd=tmp_path)
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip is None:
        pytest.skip("no pip is on PATH")
    words = [pip, "install", "--no-index", "--dry-run", "-r", "retrain-requirements.txt"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Invalid requirement: 'Name the source of retrain-runner here" in done.stderr


@pytest.mark.parametrize("place", ["deploy", ".github", "schemas", "data"])
def test_nothing_is_laid_out_through_a_link_to_elsewhere(place: str, retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / place).symlink_to("../elsewhere")
    done = retrain("init", cwd=tmp_path / "checkout")
    assert done.returncode == 2
    assert f"error: {place} leads out of .; nothing is written there." in done.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_git_takes_none_of_what_the_commands_of_the_documentation_leave(retrain: Retrain, tmp_path: Path) -> None:
    laid = written(retrain("init", cwd=tmp_path).stdout)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    left = ("audit.key", "journal.head", "evidence.zip", "plan.json", ".retrain-moved/journal.sqlite3", "public/a.html")
    for name in (*left, "statement.json", "statement.json.sig", "state-backup.tgz", ".retrain/journal.sqlite3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    words = ["git", "ls-files", "--others", "--exclude-standard"]
    taken = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()
    assert sorted(taken) == sorted(laid)

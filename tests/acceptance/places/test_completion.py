"""Completion in shells: the scripts are printed, and a completed word is the command's."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import Retrain
from tests.acceptance.places.conftest import Shell


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(name: str, retrain: Retrain) -> None:
    shown = retrain(_RETRAIN_COMPLETE=f"{name}_source")
    assert shown.returncode == 0
    assert f"_RETRAIN_COMPLETE={name}_complete" in shown.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("retrain pl", {"plan"}),
        ("retrain re", {"reject", "resolve", "replay", "report"}),
        ("retrain validate --fo", {"--format"}),
        ("retrain validate --format g", {"github", "gitlab"}),
        ("retrain init --only k", {"kubernetes"}),
    ],
)
def test_bash_completes_a_word_after_its_script_was_read(line: str, offered: set[str], shell: Shell) -> None:
    words = line.split()
    done = shell(
        'eval "$(_RETRAIN_COMPLETE=bash_source retrain)"\n'
        f"COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}\n"
        "_retrain_completion retrain || :\n"
        'printf "%s\\n" "${COMPREPLY[@]}"',
        ("bash",),
    )
    assert set(done.stdout.split()) == offered, done.stderr


def test_names_of_models_are_completed_from_the_state_and_no_state_offers_none(shell: Shell, project: Path) -> None:
    def offered(line: str) -> list[str]:
        words = f"COMP_WORDS='{line}' COMP_CWORD={len(line.split()) - 1}"
        done = shell(f"_RETRAIN_COMPLETE=bash_complete {words} retrain")
        assert done.stderr == ""
        return done.stdout.split()

    assert offered("retrain approve ch") == []
    manifest = project / "models.yaml"
    nobody = manifest.read_text(encoding="utf-8").replace("emulator: true", 'url: "http://127.0.0.1:9"')
    manifest.write_text(nobody, encoding="utf-8")
    (project / "data" / "churn" / "train.csv").unlink()
    assert shell("retrain run models.yaml -q", CHURN_API_KEY="rehearsal").returncode == 1
    assert offered("retrain approve ch") == ["plain,churn"]
    assert offered("retrain run --select ch") == ["plain,churn"]
    assert offered("retrain approve x") == []
    (project / ".retrain" / "journal.sqlite3").write_bytes(b"damaged")
    assert offered("retrain approve ch") == []

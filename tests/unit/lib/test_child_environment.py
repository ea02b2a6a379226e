"""What programs that are started here see: named variables, and nothing else, whatever a key is called."""

import os

import pytest

from runner.lib.programs import child_environment, command_environment, python_environment

SECRETS = (
    *("CHURN_API_KEY", "RETRAIN_SIGNING_KEY", "GITHUB_TOKEN", "CI_JOB_TOKEN", "AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET", "OP_SESSION_team", "HTTPS_PROXY", "PGPASSWORD"),
)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.delenv("RETRAIN_COMMAND_ENV", raising=False)


def test_no_child_gets_a_secret_unasked() -> None:
    for environment in (child_environment(), python_environment(), command_environment()):
        assert "canary" not in environment.values()
        assert (environment["HOME"], environment["LC_TIME"]) == (os.environ["HOME"], "C")


def test_a_child_gets_the_variables_it_is_given_by_name_or_beginning() -> None:
    assert child_environment("VAULT_TOKEN", "AWS_SECRET_*").keys() - child_environment().keys() == {
        "VAULT_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
    }


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        ("VAULT_TOKEN", {"VAULT_TOKEN"}),
        (" VAULT_TOKEN,OP_SESSION_*\nNONE ", {"VAULT_TOKEN", "OP_SESSION_team"}),
        ("*", set()),
        ("V*T VAULT_TOKEN=x **", set()),
    ],
)
def test_a_command_gets_what_the_operator_names(named: str, seen: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = command_environment().keys()
    monkeypatch.setenv("RETRAIN_COMMAND_ENV", named)
    assert command_environment().keys() - before == seen


def test_a_program_is_not_looked_for_in_the_folder_one_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ".:/usr/bin::bin:/bin")
    assert child_environment()["PATH"] == command_environment()["PATH"] == "/usr/bin:/bin"

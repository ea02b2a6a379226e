"""Keys come from their source as `Secret`, or a message says what to do without showing any of them."""

import os
import sys
import time
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from runner import credentials
from runner.credentials import read_end, resolve
from runner.errors import Kind, ModelError
from runner.manifest.model import CommandKey, EnvKey, FileKey, KeyringKey, StoredKey

CANARY = "canary-4f1d8a"


def command(folder: Path, code: str) -> CommandKey:
    return CommandKey(argv=(sys.executable, "-c", code), folder=folder)


def refused(source: StoredKey) -> ModelError:
    with pytest.raises(ModelError) as caught:
        resolve(source, model="churn")
    error = caught.value
    assert error.kind is Kind.CREDENTIALS
    assert "churn" in error.message
    assert error.hint.endswith((".", "?"))
    assert CANARY not in f"{error} {error!r} {error.__cause__} {error.__suppress_context__ or error.__context__}"
    return error


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> FileKey:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return FileKey(path=path)


def test_a_variable_gives_its_value_as_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_KEY", CANARY)
    secret = resolve(EnvKey(name="CHURN_KEY"), model="churn")
    assert secret.reveal() == CANARY
    assert CANARY not in f"{secret} {secret!r}"


@pytest.mark.parametrize(("value", "state"), [(None, "not set"), ("", "empty")])
def test_a_variable_without_a_value_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None, state: str) -> None:
    monkeypatch.delenv("CHURN_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("CHURN_KEY", value)
    error = refused(EnvKey(name="CHURN_KEY"))
    assert "CHURN_KEY" in error.message
    assert state in error.message


@pytest.mark.parametrize("content", [CANARY.encode(), f"{CANARY}\n".encode(), f"{CANARY}\r\n".encode()])
def test_a_file_gives_its_content_without_the_last_line_break(tmp_path: Path, content: bytes) -> None:
    assert resolve(key_file(tmp_path, content), model="churn").reveal() == CANARY


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o601, 0o644, 0o660, 0o777])
def test_a_file_that_others_can_open_is_refused_with_the_way_to_close_it(tmp_path: Path, mode: int) -> None:
    source = key_file(tmp_path, CANARY.encode(), mode)
    assert f"whose mode is {mode:04o}" in refused(source).message
    assert f"chmod 600 {source.path}" in refused(source).hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_group_may_read_a_key_of_root_and_no_key_of_anybody_else(tmp_path: Path) -> None:
    source = key_file(tmp_path, CANARY.encode(), 0o440)
    assert resolve(source, model="churn").reveal() == CANARY
    os.chown(source.path, 10001, 10001)
    assert "whose mode is 0440" in refused(source).message


def test_a_mounted_key_that_all_may_read_is_read_by_the_command_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = key_file(tmp_path, CANARY.encode(), 0o444)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == source.path)
    hint = refused(source).hint
    assert "chmod" not in hint
    argv = yaml.safe_load(hint.partition("`api_key: ")[2].partition("`.")[0])["command"]
    assert resolve(CommandKey(argv=tuple(argv), folder=tmp_path), model="churn").reveal() == CANARY


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_line_end_is_not_part_of_a_key_wherever_it_comes_from(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("CHURN_KEY", CANARY + end)
    assert resolve(EnvKey(name="CHURN_KEY"), model="churn").reveal() == CANARY


@pytest.mark.parametrize("quotes", ['""', "''", "``", "\u201c\u201d"])
def test_a_key_in_quotes_is_refused_with_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch, quotes: str) -> None:
    monkeypatch.setenv("CHURN_KEY", f"{quotes[0]}{CANARY}{quotes[1]}")
    error = refused(EnvKey(name="CHURN_KEY"))
    assert "the environment variable CHURN_KEY holds a key in quotes" in error.message
    assert CANARY not in f"{error} {error.hint}"


def test_a_file_that_is_empty_missing_a_folder_or_a_pipe_is_refused(tmp_path: Path) -> None:
    assert "empty" in refused(key_file(tmp_path, b"\n")).message
    assert "missing" in refused(FileKey(path=tmp_path / "missing")).message
    assert "Is a directory" in refused(FileKey(path=tmp_path)).message
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a file" in refused(FileKey(path=tmp_path / "pipe")).message


@pytest.mark.parametrize(
    "content",
    [f"{CANARY} x", f"{CANARY}\n\n", f"{CANARY}\nx", f" {CANARY}", f"{CANARY}\x00", f"{CANARY}\x1b", f"{CANARY}\xa0", f"{CANARY}解", CANARY * 1000],  # noqa: E501 - a list
)  # fmt: skip
def test_a_key_that_would_break_a_header_is_refused(tmp_path: Path, content: str) -> None:
    source = key_file(tmp_path, content.encode())
    assert f"the file {source.path} holds" in refused(source).message
    assert "\u89e3" not in refused(source).message


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    assert "not text" in refused(key_file(tmp_path, CANARY.encode() + b"\xff")).message


@pytest.mark.parametrize("output", [CANARY, f'{{"api_key": "{CANARY}", "end_date": "x"}}', f' "{CANARY}" '])
def test_a_command_prints_the_key_plain_or_as_json(tmp_path: Path, output: str) -> None:
    assert resolve(command(tmp_path, f"print({output!r})"), model="churn").reveal() == CANARY


@pytest.fixture
def input_waiting() -> Iterator[None]:
    """Let text wait on this process's standard input."""
    kept, (reader, writer) = os.dup(0), os.pipe()
    os.write(writer, b"from-the-terminal")
    os.close(writer)
    os.dup2(reader, 0)
    yield
    os.dup2(kept, 0)
    os.close(kept)
    os.close(reader)


@pytest.mark.usefixtures("input_waiting")
def test_a_command_runs_in_the_manifests_folder_without_a_shell_and_without_input(tmp_path: Path) -> None:
    code = "import os, sys; print(os.path.basename(os.getcwd()) + sys.argv[1] + sys.stdin.read())"
    folder = tmp_path / "folder"
    folder.mkdir()
    source = CommandKey(argv=(sys.executable, "-c", code, "$HOME;id"), folder=folder)
    assert resolve(source, model="churn").reveal() == "folder$HOME;id"


@pytest.mark.parametrize(
    "output",
    [
        "",
        f'{{"key": "{CANARY}"}}',
        f'{{"api_key": ["{CANARY}"]}}',
        f'{{"api_key": "{CANARY}"',
        f"{CANARY}\nx",
        "{" * 9999,
    ],
)
def test_a_command_that_prints_no_key_is_refused(tmp_path: Path, output: str) -> None:
    assert "churn" in refused(command(tmp_path, f"print({output!r})")).message


def test_a_command_that_fails_is_refused_without_showing_its_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit(3)"
    assert "exit code 3" in refused(command(tmp_path, code)).message
    assert CANARY not in "".join(capfd.readouterr())


def test_a_command_that_does_not_exist_or_may_not_run_is_refused(tmp_path: Path) -> None:
    assert "no-such-program" in refused(CommandKey(argv=("no-such-program",), folder=tmp_path)).message
    (tmp_path / "plain").write_text("x")
    assert "cannot be started" in refused(CommandKey(argv=(str(tmp_path / "plain"),), folder=tmp_path)).message


def test_a_command_that_does_not_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 0.2)
    began = time.monotonic()
    assert "did not end" in refused(command(tmp_path, "import time; time.sleep(60)")).message
    assert time.monotonic() - began < 20


def test_a_command_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    began = time.monotonic()
    endless = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    assert "printed more than 64 KiB and was stopped" in refused(command(tmp_path, endless)).message
    assert time.monotonic() - began < 20


def test_a_command_sees_the_session_and_what_the_operator_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_KEY", CANARY)
    monkeypatch.setenv("VAULT_ADDR", "vault.test")
    monkeypatch.setenv("SSH_AUTH_SOCK", "agent")
    names = "[name for name in ('CHURN_KEY', 'VAULT_ADDR', 'SSH_AUTH_SOCK', 'HOME') if name in os.environ]"
    source = command(tmp_path, f"import os; print('+'.join({names}))")
    assert resolve(source, model="sales").reveal() == "SSH_AUTH_SOCK+HOME"
    monkeypatch.setenv("RETRAIN_COMMAND_ENV", "VAULT_*")
    assert resolve(source, model="sales").reveal() == "VAULT_ADDR+SSH_AUTH_SOCK+HOME"


def test_the_hint_of_a_command_that_fails_says_how_it_gets_a_variable(tmp_path: Path) -> None:
    assert "RETRAIN_COMMAND_ENV" in refused(command(tmp_path, "raise SystemExit(1)")).hint


class KeyringStub(types.ModuleType):
    """A keyring with one entry; `locked` makes it refuse."""

    locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise sys.modules["keyring.errors"].KeyringLocked(CANARY)
        return {("prediction-one", "churn"): CANARY}.get((service, username))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> KeyringStub:
    errors = types.ModuleType("keyring.errors")
    base = type("KeyringError", (Exception,), {})
    vars(errors).update(KeyringError=base, KeyringLocked=type("KeyringLocked", (base,), {}))
    keyring = KeyringStub("keyring")
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return keyring


def test_a_keyring_gives_its_entry(stub: KeyringStub) -> None:
    assert stub.locked is False
    assert resolve(KeyringKey(service="prediction-one", username="churn"), model="churn").reveal() == CANARY


def test_a_keyring_without_the_entry_or_locked_is_refused(stub: KeyringStub) -> None:
    assert "keyring set prediction-one other" in refused(KeyringKey(service="prediction-one", username="other")).hint
    stub.locked = True
    assert "KeyringLocked" in refused(KeyringKey(service="prediction-one", username="churn")).message


def test_an_absent_keyring_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert ".[keyring]" in refused(KeyringKey(service="s", username="u")).hint


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-30T09:00:00Z",
        "2026-12-30 09:00:00",
        "2026/12/30 09:00:00",
        "2026-12-30T18:00:00+09:00",
        "2026-12-30T09:00:00.000Z",
        "1798621200",
        "1798621200000",
        "Wed, 30 Dec 2026 09:00:00 GMT",
    ],
)
def test_the_end_of_a_key_is_read_in_every_usual_form(text: str) -> None:
    assert read_end(text) == datetime(2026, 12, 30, 9, tzinfo=UTC)


@pytest.mark.parametrize(("text", "day"), [("2026-12-30", 30), ("20261230", 30), ("2026/12/01", 1)])
def test_a_key_that_ends_on_a_day_ends_at_its_beginning(text: str, day: int) -> None:
    assert read_end(text) == datetime(2026, 12, day, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+14:00", "9" * 400, "2026-13-45", "30 days"])
def test_an_end_that_is_not_a_moment_is_none(text: str) -> None:
    assert read_end(text) is None

"""An internal error: what the user sees, and the file that is left for whoever mends it."""

from pathlib import Path

import pytest

from runner.cli.console import Console
from runner.cli.errors import failure_code
from runner.errors import ExitCode

KEY = "CANARYkey/9e+4b"


def _internal_error() -> Exception:
    try:
        int(KEY)
    except ValueError as error:
        found = LookupError(f"no {KEY}")
        found.__cause__ = error
        return found
    raise AssertionError(KEY)


def _shown(capsys: pytest.CaptureFixture[str], state: Path, *, verbosity: int = 0) -> str:
    Console(state=str(state), verbosity=verbosity)
    assert failure_code(_internal_error()) == ExitCode.BUG
    return capsys.readouterr().err


def test_the_traceback_is_kept_in_the_state_folder_without_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _shown(capsys, tmp_path)
    (kept,) = (tmp_path / "internal-errors").iterdir()
    assert said.startswith(f"error: Internal error: LookupError. The traceback was written to {kept}.\nhint: ")
    text = kept.read_text()
    assert "in _internal_error" in text
    assert "LookupError" in text
    assert "ValueError" in text
    assert KEY not in text + said
    assert kept.stat().st_mode & 0o777 == 0o600


def test_without_a_state_folder_it_is_kept_among_temporary_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = _shown(capsys, tmp_path / "absent")
    (kept,) = tmp_path.iterdir()
    assert f"The traceback was written to {kept}." in said
    assert not (tmp_path / "absent").exists()


def test_where_no_file_can_be_written_and_with_v_it_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "internal-errors").write_text("in the way")
    said = _shown(capsys, tmp_path)
    assert "in _internal_error" in said
    assert "The traceback is above." in said
    assert KEY not in said
    (tmp_path / "internal-errors").unlink()
    assert "in _internal_error" in _shown(capsys, tmp_path, verbosity=1)


def test_a_traceback_goes_through_no_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    state.mkdir()
    elsewhere.mkdir()
    (state / "internal-errors").symlink_to(elsewhere)
    assert "Internal error: LookupError." in _shown(capsys, state)
    (tmp_path / "linked").symlink_to(elsewhere)
    Path(_shown(capsys, tmp_path / "linked").partition("written to ")[2].partition(".txt")[0] + ".txt").unlink()
    assert list(elsewhere.iterdir()) == []

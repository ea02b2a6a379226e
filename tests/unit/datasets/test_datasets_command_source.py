"""What a command prints as data: started only where programs of a manifest may be, and once a run."""

import sys
from pathlib import Path

import pytest

from runner.datasets import command_source
from runner.datasets.file_cache import FileCache
from runner.datasets.packing import package
from runner.datasets.resolve import ResolvedFile, resolve, resolve_file
from runner.datasets.source import DataAccess
from runner.errors import Kind, ModelError
from runner.http.upload_body import UploadBody
from runner.manifest.model import Place, Source
from runner.providers.prediction_one.facts import FACTS
from tests.unit.datasets.conftest import dataset

PLACE = Place(file="retrain.yaml", line=2, column=3)
PRINTING = "open('runs', 'a').write('x'); print('id,label'); [print(f'{n},{n % 2}') for n in range(1000)]"


def source_of(folder: Path, code: str, version: str | None = None) -> Source:
    program = (sys.executable, "-c")
    stamp = None if version is None else (*program, version)
    return Source(pattern="", folder=folder, pick=None, place=PLACE, command=(*program, code), version_command=stamp)


def access(folder: Path) -> DataAccess:
    return DataAccess(starts_commands=True, spool=lambda: folder)


def found(folder: Path, code: str, version: str | None = None) -> ResolvedFile:
    return resolve_file(source_of(folder, code, version), None, "churn", access(folder))


def refusal(file: ResolvedFile) -> ModelError:
    with pytest.raises(ModelError) as caught:
        FileCache().metadata(file)
    assert caught.value.kind is Kind.DATA
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def test_a_command_is_started_once_and_what_it_printed_is_uploaded(tmp_path: Path) -> None:
    may = access(tmp_path)
    resolved = resolve(dataset(source_of(tmp_path, PRINTING)), may)
    assert not (tmp_path / "runs").exists(), "finding it starts nothing"
    readings = FileCache(may)
    total = readings.metadata(resolved.train)
    again = resolve(dataset(source_of(tmp_path, PRINTING)), may)
    assert readings.checked(again.train, "label", 200).file.rows == 1000
    upload = package(again, total, None, tmp_path / "spool", FACTS.archive)
    sent = b"".join(UploadBody(upload.file, content=upload.content, watch=None, read_ahead=False))
    assert (upload.filename, sent[:9], len(sent)) == ("churn.csv", b"id,label\n", total.bytes)
    assert (tmp_path / "runs").read_text("utf-8") == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"], "the copy has no name"


def test_no_command_is_started_where_none_may_be(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="starts no program that a manifest names") as caught:
        resolve_file(source_of(tmp_path, PRINTING, "open('runs', 'w')"), None, "churn")
    assert "retrain plan --refresh" in caught.value.hint
    assert not (tmp_path / "runs").exists()


def test_the_output_of_its_version_command_names_the_content(tmp_path: Path) -> None:
    one, same, other = (found(tmp_path, PRINTING, f"print({text!r})") for text in ("2026-11-30", "2026-11-30", "12-01"))
    assert one.version == "version 2026-11-30"
    assert one.content_id is not None
    assert one.content_id == same.content_id != other.content_id
    assert not (tmp_path / "runs").exists()
    assert found(tmp_path, PRINTING).content_id is None


@pytest.mark.parametrize("code", ["", "print()", "print('a'); print('b')", "print('x' * 5000)", "raise SystemExit(3)"])
def test_a_version_that_is_none_is_told(tmp_path: Path, code: str) -> None:
    with pytest.raises(ModelError, match="has no version"):
        found(tmp_path, PRINTING, code)


def test_a_command_that_fails_is_told_without_its_output(tmp_path: Path) -> None:
    code = "import sys; print('canary'); print('canary', file=sys.stderr); sys.exit(3)"
    assert "ended with the exit code 3" in refusal(found(tmp_path, code)).message
    missing = Source(pattern="", folder=tmp_path, pick=None, place=PLACE, command=("no-such-program",))
    file = resolve_file(missing, None, "churn", access(tmp_path))
    assert "cannot be started" in refusal(file).message


def test_a_command_has_limits_of_time_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_source, "SECONDS", 1)
    assert "did not end within 1 seconds" in refusal(found(tmp_path, "import time; time.sleep(60)")).message
    monkeypatch.setattr(command_source, "MOST_BYTES", 1000)
    assert "printed more than 1,000 bytes" in refusal(found(tmp_path, "while True: print('x' * 100)")).message


def test_a_command_sees_no_secret_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("WAREHOUSE", "w")
    monkeypatch.setenv("RETRAIN_COMMAND_ENV", "WAREHOUSE")
    code = "import os; print('id,label'); print(os.environ.get('AWS_SECRET_ACCESS_KEY', 1), os.environ['WAREHOUSE'])"
    with found(tmp_path, code).parts[0].open() as printed:
        assert printed.read(100) == b"id,label\n1 w\n"

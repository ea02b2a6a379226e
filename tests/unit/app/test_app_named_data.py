"""`retrain validate` names data files that are missing and targets that no header has, at their places."""

import os
from pathlib import Path

import pytest

from runner.app.validate import Validation, validate

MANIFEST = """\
version: 1
service: {url: "https://service.test"}
datasets:
  d:
    train: train.csv
    eval: {glob: "eval*.csv"}
policies: {p: {type: auto}}
models:
  m:
    api_key: {env: KEY}
    dataset: d
    policy: p
    checks: {target: churned}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()


def write(old: str = "", new: str = "") -> None:
    Path("models.yaml").write_text(MANIFEST.replace(old, new, 1), encoding="utf-8")


def found() -> Validation:
    return validate([Path("models.yaml")])


def lines() -> list[str]:
    return [problem.line_text() for problem in found().problems]


def test_missing_files_are_warnings_where_their_paths_are_written() -> None:
    assert lines() == [
        "models.yaml:5:12: data-file: train.csv does not exist. (Provide the file or correct its path.) [warning]",
        (
            "models.yaml:6:18: data-file: No file matches eval*.csv. (Patterns start at the folder of the manifest "
            "file; correct the pattern or provide the file.) [warning]"
        ),
    ]
    assert found().valid


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_target_that_is_not_a_column_is_an_error_with_the_nearest_one(encoding: str) -> None:
    write("churned", "解約しました")
    Path("train.csv").write_bytes("番号,解約した\n1,a\n".encode(encoding))
    Path("eval1.csv").write_bytes("番号,解約しました\n1,a\n".encode(encoding))
    assert lines() == [
        "models.yaml:13:22: unknown-column: train.csv has no column `解約しました`. (Did you mean `解約した`?)"
    ]
    assert not found().valid


def test_both_files_and_the_target_of_the_emulator_are_looked_at() -> None:
    write("checks: {target: churned}", "emulator: {task: regression, target: churned}")
    Path("train.csv").write_text("id,label\n1,a\n")
    Path("eval1.csv").write_text("id,label\n1,a\n")
    assert [(problem.line, problem.column, problem.message) for problem in found().problems] == [
        (13, 42, "eval1.csv has no column `churned`."),
        (13, 42, "train.csv has no column `churned`."),
    ]


@pytest.mark.parametrize("on_fail", ["warn", "off"])
def test_where_the_checks_stop_nothing_an_unknown_target_is_a_warning(on_fail: str) -> None:
    write("target: churned", f"target: churned, on_fail: {on_fail}")
    Path("train.csv").write_text("id,label\n1,a\n")
    Path("eval1.csv").write_text("id,churned\n1,a\n")
    assert [problem.severity for problem in found().problems] == ["warning"]


@pytest.mark.parametrize("content", [b"", b"\n", b'"id,churn\n', b"\xff\0\n", b'id,"a\rb"x,c\n1,2\n'])
def test_a_header_that_cannot_be_read_says_nothing_of_the_target(content: bytes) -> None:
    Path("train.csv").write_bytes(content)
    Path("eval1.csv").write_text("id,churned\n1,a\n")
    assert found().problems == ()


def test_a_long_header_is_read_and_the_rows_after_it_are_not() -> None:
    columns = ",".join(f"a column with a rather long name {number}" for number in range(5000))
    Path("eval1.csv").write_text("id,churned\n1,a\n")
    with Path("train.csv").open("wb") as file:
        file.write(f"{columns},churned\n".encode())
        file.truncate(1 << 40)  # a hole: reading it whole would take forever
    assert found().problems == ()


def test_pipes_folders_and_devices_are_named_and_not_opened() -> None:
    os.mkfifo("train.csv")
    Path("eval1.csv").symlink_to("/dev/zero")
    assert [problem.message for problem in found().problems] == [
        "train.csv is not a regular file.",
        "eval1.csv is not a regular file.",
    ]


def test_columns_of_a_file_that_a_link_leads_to_are_not_told(tmp_path: Path) -> None:
    """A stranger's branch would have a job's log name them."""
    Path("eval1.csv").write_text("id,churned\n1,a\n")
    (tmp_path.parent / "secret.csv").write_text("id,churnet\n1,a\n")
    Path("train.csv").symlink_to("../secret.csv")
    assert found().problems == ()


def test_a_pattern_that_may_walk_a_disk_is_left_to_the_run() -> None:
    Path("train.csv").write_text("id,churned\n1,a\n")
    for pattern in ("/**/*.csv", "/*/*/*/*.csv"):
        write("eval*.csv", pattern)
        assert found().problems == ()


def test_hundreds_of_missing_files_do_not_bury_the_rest() -> None:
    datasets = "".join(f"  d{number}: {{train: {number}.csv}}\n" for number in range(300))
    models = "".join(
        f"  m{number}: {{api_key: {{env: K{number}}}, dataset: d{number}, policy: p}}\n" for number in range(300)
    )
    head = 'version: 1\nservice: {url: "https://service.test"}\npolicies: {p: {type: auto}}\n'
    Path("models.yaml").write_text(f"{head}datasets:\n{datasets}models:\n{models}")
    problems = found().problems
    assert len(problems) == 21
    assert problems[-1].message == "This data file and 279 more cannot be used either."


def test_data_is_looked_for_only_where_the_manifest_is_right() -> None:
    write("policy: p", "policy: pp")
    assert [problem.code for problem in found().problems if problem.code in ("data-file", "unknown-column")] == []

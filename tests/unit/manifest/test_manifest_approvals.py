"""The approvals folder: read as strictly as a manifest, and what its files say."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.lib.schemas import load_schema
from runner.manifest.load import Reading, read

MANIFEST = """
version: 1
service: {url: "https://service.test"}
approvals: words/
datasets: {d: {train: data.csv}}
policies: {p: {type: manual}}
models: {churn: {api_key: {env: KEY}, dataset: d, policy: p}}
"""
RESULT = "a" * 64
WORD = f"""version: 1
model: churn
job: "7f3a9c"
result_sha256: "{RESULT}"
approver: ann@example.com
expires: 2026-03-14
"""


def reading(folder: Path, **files: str) -> Reading:
    (folder / "models.yaml").write_text(MANIFEST, encoding="utf-8")
    (folder / "words").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "words" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return read([folder / "models.yaml"])


def codes(found: Reading) -> list[tuple[str, int, int, str]]:
    return [(Path(problem.file).name, problem.line, problem.column, problem.code) for problem in found.problems]


def test_a_word_has_its_defaults_and_counts_to_the_end_of_its_day(tmp_path: Path) -> None:
    manifest = reading(tmp_path, a=WORD).manifest
    assert manifest is not None
    [word] = manifest.approvals
    assert (word.model, word.retrain_job_id, word.result_sha256) == ("churn", "7f3a9c", RESULT)
    assert (word.action, word.reason, word.candidate_sha256) == ("approve", "", None)
    assert word.expires == datetime(2026, 3, 15, tzinfo=UTC)
    assert word.file == "words/a.yaml"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-14T12:00:00Z", datetime(2026, 3, 14, 12, tzinfo=UTC)),
        ("2026-03-14t12:00:00+09:00", datetime(2026, 3, 14, 3, tzinfo=UTC)),
        ("2026-03-14T12:00:00.5Z", datetime(2026, 3, 14, 12, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_its_zone(tmp_path: Path, text: str, moment: datetime) -> None:
    manifest = reading(tmp_path, a=WORD.replace("2026-03-14", text)).manifest
    assert manifest is not None
    assert manifest.approvals[0].expires == moment


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("expires: 2026-03-14\n", "", ("a.yaml", 1, 1, "missing-key")),
        ("2026-03-14", "2026-02-30", ("a.yaml", 6, 10, "out-of-range")),
        ("2026-03-14", "9999-12-31", ("a.yaml", 6, 10, "out-of-range")),
        ("2026-03-14", "2026-03-14T12:00:00", ("a.yaml", 6, 10, "wrong-form")),
        ("2026-03-14", "tomorrow", ("a.yaml", 6, 10, "wrong-form")),
        ("approver", "aprover", ("a.yaml", 5, 1, "unknown-key")),
        ('"7f3a9c"', "17", ("a.yaml", 3, 6, "wrong-type")),
        (RESULT, "A" * 64, ("a.yaml", 4, 16, "wrong-form")),
        ("model: churn", "model: churn\nmodel: other", ("a.yaml", 3, 1, "duplicate-key")),
        ("version: 1", "version: 2", ("a.yaml", 1, 10, "wrong-value")),
        (WORD, "", ("a.yaml", 1, 1, "empty-file")),
        ("version: 1", "<<<<<<< ours\nversion: 1", ("a.yaml", 1, 1, "merge-conflict")),
        ("approver: ", "action: yes\napprover: ", ("a.yaml", 5, 9, "wrong-value")),
    ],
)
def test_a_bad_word_is_a_problem_of_the_manifest_at_its_place(
    tmp_path: Path, old: str, new: str, expected: tuple[str, int, int, str]
) -> None:
    found = reading(tmp_path, a=WORD.replace(old, new))
    assert found.manifest is None
    assert expected in codes(found)


def test_two_words_that_contradict_each_other_are_a_warning_that_shows_both(tmp_path: Path) -> None:
    """Whether their candidate is settled is in the journal, which a manifest does not know."""
    found = reading(tmp_path, a=WORD, b=f"{WORD}action: reject\n")
    assert found.manifest is not None
    assert found.problems[0].severity == "warning"
    assert codes(found) == [("b.yaml", 2, 1, "contradicting-approvals")]
    assert Path(found.problems[0].related[0].file).name == "a.yaml"


def test_two_words_that_agree_or_are_about_other_results_are_not_a_problem(tmp_path: Path) -> None:
    other = WORD.replace(RESULT, "b" * 64) + "action: reject\n"
    assert codes(reading(tmp_path, a=WORD, b=WORD, c=other)) == []


def test_a_word_about_a_model_that_is_gone_is_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    found = reading(tmp_path, a=WORD.replace("churn", "churm"))
    assert found.manifest is not None
    assert [(problem.code, problem.severity, "churn" in problem.hint) for problem in found.problems] == [
        ("unknown-model", "warning", True)
    ]


def test_a_folder_that_is_not_there_holds_no_word_as_git_keeps_no_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MANIFEST, encoding="utf-8")
    found = read([tmp_path / "models.yaml"])
    assert (found.problems, found.manifest and found.manifest.approvals) == ((), ())


def test_a_file_in_the_folders_place_is_an_error_where_the_manifest_names_it(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "words").write_text("", encoding="utf-8")
    assert codes(read([tmp_path / "models.yaml"])) == [("models.yaml", 4, 12, "unreadable")]


def test_hidden_files_and_other_kinds_of_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    for name in (".a.yaml", "README.md", "a.yaml~"):
        (tmp_path / "words" / name).write_text("no word", encoding="utf-8")
    assert codes(reading(tmp_path)) == []


def test_the_published_schema_is_a_schema_whose_examples_fit_it() -> None:
    schema = load_schema("approval")
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, registry=Registry())
    assert [list(validator.iter_errors(one)) for one in schema["examples"]] == [[]]
    for name, one in schema["properties"].items():
        assert {"title", "description", "examples"} <= set(one), name
        part = Draft202012Validator({**one, "$defs": schema["$defs"]}, registry=Registry())
        assert [error for example in one["examples"] for error in part.iter_errors(example)] == [], name


@pytest.mark.parametrize("text", ["canary: 1\n", "version: [canary\n", "canary", "canary: 1\n" * 2000])
def test_of_a_file_outside_of_the_checkout_that_is_not_an_approval_nothing_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "others.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "models" / "models.yaml").write_text(MANIFEST.replace("words/", "../outside"), encoding="utf-8")
    found = read([tmp_path / "models"])
    assert codes(found) == [("models.yaml", 4, 12, "leads-out")]
    assert "canary" not in repr(found.problems)


def test_an_approval_outside_of_the_checkout_counts(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.yaml").write_text(WORD, encoding="utf-8")
    (tmp_path / "models" / "models.yaml").write_text(MANIFEST.replace("words/", "../outside"), encoding="utf-8")
    manifest = read([tmp_path / "models"]).manifest
    assert manifest is not None
    assert [word.file for word in manifest.approvals] == ["outside/a.yaml"]


@pytest.mark.parametrize("name", ["::add-mask::x", " ::set-output name=a::b"])
def test_no_line_begins_as_a_command_to_the_runner_of_a_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    Path(name, "a.yaml").write_text("a: 1", encoding="utf-8")
    Path("models.yaml").write_text(MANIFEST.replace("words/", f'"{name}"'), encoding="utf-8")
    lines = [problem.line_text() for problem in read([Path("models.yaml")]).problems]
    assert any(name in line for line in lines)
    assert not any(line.lstrip().startswith("::") for line in lines)

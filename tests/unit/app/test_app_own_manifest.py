"""`retrain init --from` writes a manifest that can be run, for data and a target of one's own."""

import random
from pathlib import Path

import pytest

from runner.app.own_manifest import OwnData, own_manifest
from runner.errors import ModelError, UsageError
from runner.manifest.document import ManifestError
from runner.manifest.load import load
from runner.manifest.model import Manifest, Task

YES_NO = ["yes", "no"]


def data_file(path: Path, values: list[str], *, header: str = "a,b,left", count: int = 120) -> Path:
    """Write a file with numbers, and these values of the target in turn."""
    rng = random.Random(path.name)  # noqa: S311 -- data, no secret
    rows = [f"{rng.random():.4f},{rng.random():.4f},{values[number % len(values)]}" for number in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8-sig")
    return path


def written(folder: Path, data: OwnData) -> Manifest:
    """Write the manifest into the folder, and return it as a run reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.yaml").write_text(own_manifest(folder, data).text, encoding="utf-8")
    return load([folder / "models.yaml"])


@pytest.mark.parametrize(
    ("values", "task", "metric"),
    [
        (YES_NO, "binary_classification", "auc"),
        (["0", "1"], "binary_classification", "auc"),
        (["gold", "iron", "salt"], "multi_classification", "accuracy"),
        (["1", "2", "3"], "multi_classification", "accuracy"),
        ([f"{number}.5" for number in range(30)], "regression", "r2"),
        (["0.5", "1.5"], "regression", "r2"),
        ([str(number) for number in range(40)], "regression", "r2"),
    ],
)
def test_the_task_is_told_by_the_target_and_the_rules_by_the_task(
    tmp_path: Path, values: list[str], task: Task, metric: str
) -> None:
    manifest = written(
        tmp_path, OwnData(train=data_file(tmp_path / "hr.csv", values), eval=None, target="left", task=None)
    )
    (model,) = manifest.models.values()
    assert model.emulator is not None
    assert (model.name, model.emulator.task, model.emulator.target) == ("hr", task, "left")
    assert {rule.metric for rule in manifest.policies["guarded"].rules} == {metric}


def test_a_task_that_is_named_wins_where_the_values_allow_it(tmp_path: Path) -> None:
    train = data_file(tmp_path / "hr.csv", ["1", "2", "3"])
    manifest = written(tmp_path, OwnData(train=train, eval=None, target="left", task="regression"))
    assert {rule.metric for rule in manifest.policies["guarded"].rules} == {"r2"}


@pytest.mark.parametrize(
    ("values", "task", "advice"),
    [
        (YES_NO, "regression", "binary_classification"),
        (["a", "b", "c"], "binary_classification", "multi_classification"),
    ],
)
def test_a_task_that_the_values_contradict_is_refused_with_the_one_that_fits(
    tmp_path: Path, values: list[str], task: Task, advice: str
) -> None:
    train = data_file(tmp_path / "hr.csv", values)
    with pytest.raises(UsageError) as caught:
        own_manifest(tmp_path, OwnData(train=train, eval=None, target="left", task=task))
    assert f"--task {advice}" in caught.value.hint


def test_a_target_that_is_not_a_column_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    train = data_file(tmp_path / "hr.csv", YES_NO)
    with pytest.raises(UsageError) as caught:
        own_manifest(tmp_path, OwnData(train=train, eval=None, target="lefft", task=None))
    assert caught.value.hint == "Did you mean `left`?"
    with pytest.raises(UsageError) as caught:
        own_manifest(tmp_path, OwnData(train=train, eval=None, target=None, task=None))
    assert "`a`, `b`, `left`" in caught.value.hint


def test_data_that_a_run_would_refuse_is_refused_here(tmp_path: Path) -> None:
    train = data_file(tmp_path / "hr.csv", YES_NO, count=60)
    with pytest.raises(ModelError, match="fewer than the 100"):
        own_manifest(tmp_path, OwnData(train=train, eval=None, target="left", task=None))


def test_evaluation_data_makes_the_comparison_exact_and_without_it_any_rows_count(tmp_path: Path) -> None:
    train, evaluation = data_file(tmp_path / "hr.csv", YES_NO), data_file(tmp_path / "hr_eval.csv", YES_NO)
    exact = written(tmp_path / "1", OwnData(train=train, eval=evaluation, target="left", task=None))
    loose = written(tmp_path / "2", OwnData(train=train, eval=None, target="left", task=None))
    assert [rule.any_eval for rule in exact.policies["guarded"].rules] == [False, False]
    assert [rule.any_eval for rule in loose.policies["guarded"].rules] == [False, True]
    assert exact.datasets["hr"].eval is not None


def test_a_file_below_the_folder_or_the_working_folder_is_named_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = data_file(tmp_path / "data" / "hr.csv", YES_NO)
    data = OwnData(train=train.relative_to(tmp_path), eval=None, target="left", task=None)
    assert written(tmp_path, data).datasets["hr"].train.pattern == "data/hr.csv"
    assert written(tmp_path / "models", data).datasets["hr"].train.pattern == "../data/hr.csv"


@pytest.mark.parametrize(
    ("place", "name", "variable"),
    [
        ("data/churn/train.csv", "churn", "CHURN_API_KEY"),
        ("HR data (2026).csv", "HR_data_2026", "HR_DATA_2026_API_KEY"),
        ("2026.csv", "2026", "_2026_API_KEY"),
        ("顧客.csv", "顧客", "MODEL_API_KEY"),
        ("no.csv", "no", "NO_API_KEY"),
        ("1e5.csv", "1e5", "_1E5_API_KEY"),
    ],
)
def test_the_model_is_called_as_the_file_and_its_key_as_the_model(
    tmp_path: Path, place: str, name: str, variable: str
) -> None:
    train = data_file(tmp_path / place, YES_NO)
    made = own_manifest(tmp_path, OwnData(train=train, eval=None, target="left", task=None))
    assert (made.model, made.variable) == (name, variable)
    assert list(written(tmp_path, OwnData(train=train, eval=None, target="left", task=None)).models) == [name]


@pytest.mark.parametrize("target", ["no", "12", "a: b", "解約", 'say "x"', "{x}", "#1"])
def test_any_name_of_a_column_is_written_so_that_it_is_read_again(tmp_path: Path, target: str) -> None:
    quoted = target.replace('"', '""')
    train = data_file(tmp_path / "hr.csv", YES_NO, header=f'a,b,"{quoted}"')
    try:
        manifest = written(tmp_path, OwnData(train=train, eval=None, target=target, task=None))
    except ManifestError as error:
        raise AssertionError([problem.line_text() for problem in error.problems]) from None
    (model,) = manifest.models.values()
    assert model.emulator is not None
    assert model.emulator.target == target


@pytest.mark.parametrize("address", ["s3://bucket/a.csv", "https://host.example/a.csv?sig=canary"])
def test_an_address_is_not_a_file(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="reads files of this machine") as caught:
        own_manifest(tmp_path, OwnData(train=Path(address), eval=None, target="left", task=None))
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"

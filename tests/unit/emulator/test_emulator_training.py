"""What the emulator learns from data, and what its result files say, over real HTTP."""

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.emulator.emulator_harness import Emulator, metrics_of, to_csv, zipped

Data = tuple[list[str], list[list[object]]]

BINARY = {"AUC", "Accuracy", "Precision", "Recall", "F-score"}
MULTI = {"Accuracy", "Average Precision", "Average Recall", "Average F-score"}
REGRESSION = {
    "Coefficient of Determination",
    "RMSE",
    "Mean Absolute Error",
    "Median Absolute Error",
    "Median Absolute Error Ratio",
}


def parts_of(data: Data) -> bytes:
    header, rows = data
    return zipped(
        train_src=to_csv(header, [r for n, r in enumerate(rows) if n % 3]), eval_src=to_csv(header, rows[::3])
    )


def test_breast_cancer_gives_the_binary_metrics_with_sane_values(shared: Emulator, tumours: Data) -> None:
    status = shared.train("tumour", parts_of(tumours))
    assert status["status"] == "job_finished"
    assert isinstance(status["model_id"], int)
    result = shared.result(status)
    metrics = metrics_of(result)
    assert metrics.keys() == BINARY
    assert 0.95 < metrics["AUC"] <= 1
    assert all(0.9 < value <= 1 for value in metrics.values())
    assert {"analysis_summary.csv", "evaluation_raw_data.csv", "confusion_matrix.csv"} <= result.keys()


def test_the_raw_data_and_the_confusion_matrix_tell_the_same_as_the_metrics(shared: Emulator, tumours: Data) -> None:
    status = shared.train("tumour", parts_of(tumours))
    result = shared.result(status)
    rows = list(csv.DictReader(io.StringIO(result["evaluation_raw_data.csv"].decode("utf-8-sig"))))
    assert len(rows) == len(tumours[1][::3])
    assert [row["actual"] for row in rows] == [row[-1] for row in tumours[1][::3]]
    right = sum(row["actual"] == row["predicted"] for row in rows)
    assert right / len(rows) == pytest.approx(metrics_of(result)["Accuracy"])
    hits = sum(row["actual"] == row["predicted"] == "malignant" for row in rows)  # the last label is the positive one
    actual = sum(row["actual"] == "malignant" for row in rows)
    assert hits / actual == pytest.approx(metrics_of(result)["Recall"])
    assert all((float(row["probability"]) > 0.5) == (row["predicted"] == "malignant") for row in rows)
    matrix = list(csv.reader(io.StringIO(result["confusion_matrix.csv"].decode("utf-8-sig"))))
    assert matrix[0][1:] == ["benign", "malignant"]
    assert int(matrix[1][1]) + int(matrix[2][2]) == right


def test_wine_gives_the_multi_metrics_on_its_own_hold_out(shared: Emulator, wines: Data) -> None:
    result = shared.result(shared.train("wine", to_csv(*wines)))
    metrics = metrics_of(result)
    assert metrics.keys() == MULTI
    assert all(0.85 < value <= 1 for value in metrics.values())
    rows = list(csv.reader(io.StringIO(result["evaluation_raw_data.csv"].decode("utf-8-sig"))))
    assert len(rows) - 1 == len(wines[1]) // 4


def test_diabetes_gives_the_regression_metrics_from_a_tab_separated_file(shared: Emulator, sugars: Data) -> None:
    result = shared.result(shared.train("sugar", to_csv(*sugars, delimiter="\t")))
    metrics = metrics_of(result)
    assert metrics.keys() == REGRESSION
    assert 0.2 < metrics["Coefficient of Determination"] < 0.8
    assert 40 < metrics["RMSE"] < 80
    assert metrics["Median Absolute Error"] < metrics["Mean Absolute Error"] < metrics["RMSE"]
    assert "confusion_matrix.csv" not in result


def test_the_error_ratio_is_absent_when_a_target_is_zero(shared: Emulator) -> None:
    table = to_csv(["a", "progression"], [[n, n * 2] for n in range(200)])
    metrics = metrics_of(shared.result(shared.train("zeros", zipped(train_src=table, eval_src=table))))
    assert metrics.keys() == REGRESSION - {"Median Absolute Error Ratio"}


def test_a_shift_jis_file_gives_a_japanese_result_in_shift_jis(shared: Emulator) -> None:
    rows = [[n % 7, "金" if n % 2 else "銀", "はい" if n % 2 else "いいえ"] for n in range(120)]
    result = shared.result(shared.train("顧客", to_csv(["来店", "会員", "解約"], rows, encoding="cp932")))
    metrics = metrics_of(result, encoding="cp932")
    assert metrics.keys() == {"分類精度 (AUC)", "正解率", "精度", "再現率", "F値"}
    assert set(metrics.values()) == {1.0}
    assert result["evaluation_raw_data.csv"].decode("cp932").startswith("行,実測値,予測値,予測確率\r\n")
    with pytest.raises(UnicodeDecodeError):
        result["metrics.csv"].decode("utf-8")


def test_the_first_training_has_no_comparison_and_the_second_has_one_on_the_same_rows(
    shared: Emulator, tumours: Data
) -> None:
    header, rows = tumours
    evaluation = to_csv(header, rows[::3])
    first = shared.train("updated", zipped(train_src=to_csv(header, rows[:150]), eval_src=evaluation))
    assert "metrics_comparison.csv" not in shared.result(first)
    second = shared.train("updated", zipped(train_src=to_csv(header, rows), eval_src=evaluation))
    result = shared.result(second)
    assert {"confusion_matrix_previous_model.csv", "evaluation_results_comparison.csv"} <= result.keys()
    comparison = list(csv.reader(io.StringIO(result["metrics_comparison.csv"].decode("utf-8-sig"))))
    assert comparison[0] == ["metric", "current model", "previous model"]
    assert {name: float(value) for name, value, _ in comparison[1:]} == metrics_of(result)
    assert {name: float(value) for name, _, value in comparison[1:]} == metrics_of(shared.result(first))
    assert second["model_id"] != first["model_id"]


def test_an_update_refuses_a_missing_column_a_changed_type_and_a_new_label(shared: Emulator, small: bytes) -> None:
    assert shared.train("spare", small)["status"] == "job_finished"
    header, *rows = csv.reader(io.StringIO(small.decode()))
    assert "'visits' of the last training is missing" in _failure(
        shared, "spare", to_csv(header[1:], [row[1:] for row in rows])
    )
    changed = to_csv(header, [["often", *row[1:]] for row in rows])
    assert "'visits' was numeric in the last training and is text" in _failure(shared, "spare", changed)
    relabelled = to_csv(header, [[*row[:2], row[2].upper()] for row in rows])
    assert "The target label 'NO' was not there" in _failure(shared, "spare", relabelled)


def _failure(emulator: Emulator, model: str, content: bytes) -> str:
    status = emulator.train(model, content)
    assert status["status"] == "job_failed", status
    assert "download_url" not in status
    return str(status["message"])


GOOD = to_csv(["a", "diagnosis"], [[n, n % 2] for n in range(120)])
OTHER = to_csv(["b", "diagnosis"], [[n, n % 2] for n in range(120)])
BAD_UPLOADS = {
    "cut zip": (zipped(train_src=GOOD, eval_src=GOOD)[:200], "The uploaded zip cannot be read."),
    "changed zip": (zipped(train_src=GOOD, eval_src=GOOD).replace(b"\x00\x00train_src", b"\x01\x00train_src"), "zip"),
    "train alone in a zip": (zipped(train_src=GOOD), "one file in train_src/ and one in eval_src/"),
    "a third member": (zipped(train_src=GOOD, eval_src=GOOD, more=GOOD), "and nothing else"),
    "two files in one folder": (zipped(train_src=GOOD, **{"train_src/x": GOOD}), "and nothing else"),
    "no target": (to_csv(["a", "b"], [[n, n] for n in range(120)]), "no target column 'diagnosis'"),
    "other columns": (zipped(train_src=GOOD, eval_src=OTHER), "training and the evaluation data differ"),
    "few rows": (to_csv(["a", "diagnosis"], [[n, n % 2] for n in range(99)]), "has 99 rows"),
    "one class": (to_csv(["a", "diagnosis"], [[n, "x"] for n in range(120)]), "needs 2 classes; the target has 1"),
    "three classes": (to_csv(["a", "diagnosis"], [[n, n % 3] for n in range(120)]), "the target has 3"),
    "one column": (b"diagnosis\n1\n", "has 1 columns"),
    "repeated names": (b"a,a,diagnosis\n1,2,3\n", "not unique"),
    "ragged": (GOOD + b"1,2,3\n", "Row 121 of the training data has 3 fields instead of 2"),
    "broken quotes": (GOOD + b'"x"y,1\n', "not valid CSV"),
    "no text": (b"a,diagnosis\n\x81\x20\xff,1\n", "neither UTF-8 nor Shift_JIS"),
    "label only in the evaluation": (
        zipped(train_src=GOOD, eval_src=to_csv(["a", "diagnosis"], [[1, "new"]])),
        "the label 'new'",
    ),
    "empty evaluation": (zipped(train_src=GOOD, eval_src=b"a,diagnosis\n"), "no rows with a target"),
}


@pytest.mark.parametrize("case", BAD_UPLOADS)
def test_data_that_cannot_be_trained_on_fails_the_job_and_says_why(shared: Emulator, case: str) -> None:
    content, expected = BAD_UPLOADS[case]
    assert expected in _failure(shared, "refused", content)


def test_a_regression_refuses_a_target_that_is_not_a_number(shared: Emulator) -> None:
    table = to_csv(["a", "progression"], [[n, "high"] for n in range(120)])
    assert "not numbers" in _failure(shared, "refused-numbers", table)


def test_empty_cells_and_a_bom_and_an_empty_column_are_fine(shared: Emulator) -> None:
    rows = [["" if n % 5 else n, "", n % 2] for n in range(200)]
    table = to_csv(["a", "nothing", "progression"], rows, encoding="utf-8-sig")
    status = shared.train("sugar-empty", table)
    assert status["status"] == "job_finished", status


def test_predictions_come_from_the_model_in_service_and_only_after_a_switch(shared: Emulator) -> None:
    rows: list[dict[str, Any]] = [{"来店": 1, "会員": "金"}, {"来店": None, "会員": "銀"}]
    status = shared.train("顧客二", _members("金", "銀"))
    assert shared.describe("顧客二")["serving_job"] is None
    early = _predict(shared, "顧客二", rows)
    assert early.status == 409
    job = status["metadata"]["retrain_job_id"]
    assert shared.switch("顧客二", job).json() == {"metadata": {"retrain_job_id": job}}
    answer = _predict(shared, "顧客二", rows).json()
    assert answer["predictions"] == ["はい", "いいえ"]
    assert answer["probabilities"][0]["はい"] > 0.5 > answer["probabilities"][1]["はい"]
    other = shared.train("顧客二", _members("銀", "金"))  # the opposite is true in this data
    assert _predict(shared, "顧客二", rows).json()["predictions"] == ["はい", "いいえ"]
    assert shared.switch("顧客二", other["metadata"]["retrain_job_id"]).status == 200
    assert _predict(shared, "顧客二", rows).json()["predictions"] == ["いいえ", "はい"]
    described = shared.describe("顧客二")
    assert described["serving_model_id"] == other["model_id"]
    assert described["switches"] == 2
    assert described["trainings"] == 2
    assert described["metrics"]["AUC"] == 1.0


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"rows": []}', b'{"rows": [1]}', b'{"rows": [{"x": 1}]}'])
def test_a_bad_predict_request_is_told_apart_from_a_server_error(shared: Emulator, body: bytes, small: bytes) -> None:
    job = shared.train("predicted", small)["metadata"]["retrain_job_id"]
    shared.switch("predicted", job)
    assert shared.call("POST", "/v1/emulator/models/predicted/predict", body=body).status == 400


def _members(yes: str, no: str) -> bytes:
    rows = [[n % 7, yes if n % 2 else no, "はい" if n % 2 else "いいえ"] for n in range(120)]
    return to_csv(["来店", "会員", "解約"], rows)


def _predict(emulator: Emulator, model: str, rows: list[dict[str, Any]]) -> Any:
    body = json.dumps({"rows": rows}).encode()
    return emulator.call("POST", f"/v1/emulator/models/{quote(model)}/predict", body=body)

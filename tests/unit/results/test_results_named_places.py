"""Metrics that are not where the service's manual says: found where there is one place, named where there are more."""

import gzip
import io
import json
from collections.abc import Callable, Mapping

import pytest

from runner.errors import ModelError
from runner.manifest.model import MetricDefinition
from runner.results.metrics import ResultMetrics
from runner.results.result_file import read_result, result_metrics
from tests.fakes.result_files import archive, tar_gz, workbook

AUC = b"AUC,0.91\n"
PREDICTIONS = b"id,prediction,probability\n1,yes,0.9\n2,no,0.4\n"


def read(content: bytes, definitions: Mapping[str, MetricDefinition] | None = None) -> ResultMetrics:
    return read_result(io.BytesIO(content), definitions or {})


def auc(result: ResultMetrics) -> str | None:
    metric = result.metrics.get("auc")
    return None if metric is None or metric.value is None else str(metric.value)


FOUND = {
    "another name": (archive({"evaluation.json": b'{"auc": 0.91}'}), "evaluation.json"),
    "a Japanese name": (archive({"評価結果.csv": "指標,値\nAUC,0.91\n".encode("cp932")}), "評価結果.csv"),
    "beside predictions": (archive({"pred.csv": PREDICTIONS, "out/result.csv": AUC}), "out/result.csv"),
    "beside pages": (archive({"r.html": b"<html>AUC,0.1", "r.pdf": b"%PDF-1.7\nAUC,0.1", "m.csv": AUC}), "m.csv"),
    "nested zip": (archive({"result/model.zip": archive({"metrics.csv": AUC})}), "result/model.zip/metrics.csv"),
    "nested tar": (archive({"model.tar.gz": tar_gz({"a/m.csv": AUC})}), "model.tar.gz/a/m.csv"),
    "packed member": (archive({"eval.csv.gz": gzip.compress(AUC)}), "eval.csv.gz"),
    "workbook member": (archive({"a.xlsx": workbook({"S": [["AUC", 0.91]]})}), "a.xlsx/S"),
    "workbook": (workbook({"評価": [["Metric", "Value"], ["AUC", 0.91]]}), "評価"),
    "second sheet": (workbook({"notes": [["made", "by", "us"]], "m": [["AUC", 0.91]]}), "m"),
    "deep in json": (b'{"evaluation": {"binary": {"auc": 0.91}}}', "#/evaluation/binary"),
    "deep in metrics.json": (archive({"metrics.json": b'{"a/b": [{"auc": 0.91}]}'}), "metrics.json#/a~1b"),
    "by its label": (
        archive({"e.json": b'[{"split": "train", "auc": 0.99}, {"split": "test", "auc": 0.91}]'}),
        "e.json",
    ),
    "beside a table of classes": (
        archive({"metrics.csv": b"class,Precision,Recall\nA,0.9,0.8\nB,0.7,0.6\n", "overall.csv": AUC}),
        "overall.csv",
    ),
    "beside an unclear comparison": (
        archive({"metrics_comparison.csv": b"metric,model_7,model_9\nAUC,0.5,0.6\n", "e.json": b'{"auc": 0.91}'}),
        "e.json",
    ),
    "beside the model before": (archive({"previous_metrics.csv": b"AUC,0.5\n", "m.csv": AUC}), "m.csv"),
    "beside the training rows": (archive({"train_eval.csv": b"AUC,0.99\n", "m.csv": AUC}), "m.csv"),
    "beside 前回": (archive({"前回の評価.csv": b"AUC,0.5\n", "今回の評価.csv": AUC}), "今回の評価.csv"),
    "previous in json": (b'{"new": {"auc": 0.91}, "previous": {"auc": 0.5}, "train": {"auc": 0.99}}', "#/new"),
    "junk of macOS": (archive({"out/m.csv": AUC, "__MACOSX/out/._m.csv": b"AUC,0.1\n"}), "out/m.csv"),
}


@pytest.mark.parametrize("form", FOUND)
def test_the_one_place_that_has_metrics_is_found_and_recorded(form: str) -> None:
    content, place = FOUND[form]
    result = read(content)
    assert (auc(result), result.place, result.searched) == ("0.91", place, True)


DOCUMENTED = {
    "tar in gzip": (tar_gz({"out/metrics.csv": AUC}), "out/metrics.csv"),
    "tar": (tar_gz({"./metrics.csv": AUC}, mode="w"), "metrics.csv"),
    "zip in gzip": (gzip.compress(archive({"metrics.csv": AUC})), "metrics.csv"),
    "old model left out": (archive({"current_model/metrics.csv": AUC, "previous_model/metrics.csv": b"AUC,0.1"}), None),
    "UTF-16": (archive({"metrics.csv": "Metric\tValue\nAUC\t0.91\n".encode("utf-16")}), "metrics.csv"),
    "UTF-16 without a mark": (archive({"metrics.csv": "Metric,Value\nAUC,0.91\n".encode("utf-16-le")}), "metrics.csv"),
    "UTF-32": (archive({"metrics.csv": "AUC,0.91\n".encode("utf-32")}), "metrics.csv"),
    "EUC-JP": (archive({"metrics.csv": "指標,値\n分類精度,0.91\n".encode("euc_jp")}), "metrics.csv"),
    "semicolons": (archive({"metrics.csv": b"Metric;Value\nAUC;0,91\n"}), "metrics.csv"),
    "bars": (archive({"metrics.csv": b"Metric|Value\nAUC|0.91\n"}), "metrics.csv"),
    "colons": (archive({"metrics.csv": b"AUC: 0.91\nAccuracy: 0.88\n"}), "metrics.csv"),
    "signs of equality": (archive({"metrics.csv": b"AUC = 0.91\n"}), "metrics.csv"),
    "Markdown": (archive({"metrics.csv": b"| Metric | Value |\n|---|---:|\n| AUC | 0.91 |\n"}), "metrics.csv"),
    "times beside commas": (archive({"metrics.csv": b"Metric,Value,At\nAUC,0.91,10:15\n"}), "metrics.csv"),
    "sep=": (archive({"metrics.csv": b"sep=;\r\nMetric;Value\r\nAUC;0.91\r\n"}), "metrics.csv"),
    "sep=,": (archive({"metrics.csv": b'"sep=,"\nAUC,0.91\n'}), "metrics.csv"),
    "decorated name": (archive({"metrics.csv": "AUC (評価データ),0.91\n".encode()}), "metrics.csv"),
    "train beside eval": (archive({"metrics.csv": b"metric,train,eval\nAUC,0.99,0.91\n"}), "metrics.csv"),
}


@pytest.mark.parametrize("form", DOCUMENTED)
def test_forms_encodings_and_separators_change_nothing_about_the_documented_place(form: str) -> None:
    content, place = DOCUMENTED[form]
    result = read(content)
    assert (auc(result), result.searched) == ("0.91", False)
    assert place in (None, result.place)


@pytest.mark.parametrize("content", [gzip.compress(AUC), AUC, b'{"auc": 0.91}'], ids=["gzip", "table", "json"])
def test_a_single_file_as_a_whole_is_not_a_place(content: bytes) -> None:
    result = read(content)
    assert (auc(result), result.place, result.searched) == ("0.91", None, False)


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (archive({"a.csv": AUC, "b.json": b'{"auc": 0.91}'}), "a.csv, b.json"),
        (archive({"a.json": b'{"x": {"auc": 0.91}, "y": {"auc": 0.92}}'}), "a.json#/x, a.json#/y"),
        (b'{"fold_1": {"auc": 0.91}, "fold_2": {"auc": 0.92}}', "#/fold_1, #/fold_2"),
        (workbook({"a": [["AUC", 0.91]], "b": [["AUC", 0.92]]}), "a, b"),
    ],
    ids=["members", "objects", "objects of one file", "sheets"],
)
def test_two_places_give_no_value_and_are_both_named(content: bytes, places: str) -> None:
    result = result_metrics(io.BytesIO(content), {})
    assert result.unread == f"Metrics are in more than one place of the result: {places}."
    assert dict(result.metrics) == {}


def test_a_place_without_a_usable_value_counts_only_where_no_other_has_one() -> None:
    percent = b"AUC,90.12\n"
    assert read(archive({"a.csv": percent, "b.csv": AUC})).place == "b.csv"
    alone = read(archive({"a.csv": percent})).metrics["auc"]
    assert alone.problem is not None
    assert "is it in percent?" in alone.problem


def test_a_documented_file_whose_values_are_not_usable_is_not_passed_over_for_another() -> None:
    result = read(archive({"metrics.csv": b"AUC,90.12\n", "b.csv": AUC}))
    assert (auc(result), result.place) == (None, "metrics.csv")


@pytest.mark.parametrize("before", [None, "evaluation.json", "other.json"])
def test_another_place_than_last_time_gives_no_value_and_both_are_named(before: str | None) -> None:
    result = result_metrics(io.BytesIO(archive({"evaluation.json": b'{"auc": 0.91}'})), {}, before)
    if before == "other.json":
        assert result.unread == "The metrics are in evaluation.json now; in the result before they were in other.json."
        assert (auc(result), result.place) == (None, None)
    else:
        assert (auc(result), result.unread) == ("0.91", None)


def test_a_documented_place_may_follow_any_other() -> None:
    assert result_metrics(io.BytesIO(archive({"metrics.csv": AUC})), {}, "evaluation.json").unread is None


@pytest.mark.parametrize("members", [2, 40])
def test_a_result_of_many_predictions_is_looked_through_within_its_bounds(members: int) -> None:
    large = {f"p{number}.csv": b"id,p\n" + b"1,0.5\n" * 300_000 for number in range(members)}
    if members == 2:
        assert read(archive(large | {"m.csv": AUC})).place == "m.csv"
    else:
        with pytest.raises(ModelError, match="more than 64 MiB"):
            read(archive(large | {"m.csv": AUC}))


def test_containers_deeper_than_three_are_not_opened() -> None:
    content = archive({"m.csv": AUC})
    for _ in range(3):
        content = archive({"inner.zip": content})
    assert read(content).place == "inner.zip/inner.zip/inner.zip/m.csv"
    with pytest.raises(ModelError, match=r"has no metrics\.csv"):
        read(archive({"inner.zip": content}))


def test_a_place_of_characters_that_utf8_lacks_can_be_recorded() -> None:
    result = read(b'{"\\ud800": {"auc": 0.91}}')
    assert result.place is not None
    result.place.encode()
    long = read(json.dumps({"k" * 5000: {"auc": 0.91}}).encode())
    assert len(long.place or "") == 500


class TestNamedPlaces:
    """`metrics:` of the manifest says where a metric is, a built-in one too."""

    CLASSES = b"class,Precision,Recall\nA,0.9,0.8\naverage,0.7,60%\n"
    TWO = archive({"a/metrics.csv": b"AUC,0.91\n", "b/metrics.csv": b"AUC,0.5\n"})
    WIDE = archive({"m.csv": "指標,学習,評価,評価(%)\nAUC,0.99,0.91,92.0\n".encode()})

    PLACES = (
        (TWO, {"file": "a/metrics.csv"}, "0.91"),
        (TWO, {"file": "B\\Metrics.csv".replace("\\", "/")}, "0.5"),
        (archive({"m.csv": AUC, "x/m.csv": b"AUC,0.5"}), {"file": "m.csv"}, "0.91"),
        (archive({"previous/metrics.csv": AUC}), {"file": "previous/metrics.csv"}, "0.91"),
        (WIDE, {"file": "m.csv", "column": "評価"}, "0.91"),
        (WIDE, {"file": "m.csv", "row": ("AUC",), "column": "評価"}, "0.91"),
        (WIDE, {"file": "m.csv", "row": ("auc",), "column": "評価(%)"}, "0.920"),
        (WIDE, {"column": "評価", "file": "m.csv", "unit": "percent"}, "0.0091"),
        (archive({"e.json": b'{"a": {"auc": 90.1}}'}), {"file": "e.json", "unit": "percent"}, "0.901"),
        (archive({"e.json": b'{"a": {"auc": 0.91}}'}), {"file": "e.json"}, "0.91"),
        (archive({"e.json": b'{"a": {"x": 0.91}}'}), {"file": "e.json", "select": "/a/x"}, "0.91"),
        (archive({"z.zip": archive({"d/m.csv": AUC})}), {"file": "z.zip/d/m.csv"}, "0.91"),
        (archive({"z.zip": archive({"d/m.csv": AUC})}), {"file": "z.zip"}, "0.91"),
        (archive({"z.zip": archive({"d/m.csv": AUC})}), {"file": "m.csv"}, "0.91"),
        (archive({"s.xlsx": workbook({"S": [["AUC", 0.91]]})}), {"file": "s.xlsx"}, "0.91"),
        (workbook({"S": [["AUC", 0.91]], "T": [["AUC", 0.5]]}), {"file": "S"}, "0.91"),
        (b"AUC,Accuracy\n0.91,0.8\n", {"column": "AUC"}, "0.91"),
        (b'{"x": 0.91}', {"select": "/x"}, "0.91"),
        (b'{"auc": "91 %"}', {"select": "/auc"}, "0.91"),
        (b'{"auc": {"value": "0.91"}}', {"select": "/auc/value"}, "0.91"),
        (archive({"metrics.csv": b"Metric,Std\nAUC,0.91\n"}), {"row": ("AUC",), "column": "Std"}, "0.91"),
    )

    @pytest.mark.parametrize("number", range(len(PLACES)))
    def test_a_built_in_metric_is_read_where_the_manifest_says(
        self, definition: Callable[..., MetricDefinition], number: int
    ) -> None:
        content, place, value = self.PLACES[number]
        wanted = {"auc": definition("auc", place.get("select"), **{k: v for k, v in place.items() if k != "select"})}
        assert auc(read(content, wanted)) == value

    @pytest.mark.parametrize(
        ("place", "why"),
        [
            ({"file": "no.csv"}, "is missing from the result: it has no no.csv; it has"),
            (
                {"file": "m.csv", "column": "nothing"},
                "its table has no column 'nothing'; it has '指標', '学習', '評価'",
            ),
            ({"file": "m.csv", "row": ("r2",), "column": "評価"}, "its table has no row 'r2' under '評価'"),
            ({"file": "m.csv", "column": "評価", "unit": "fraction", "row": ("指標",)}, "its table has no row"),
            ({"file": "twice.csv", "column": "x"}, "more than one column 'x'"),
            ({"file": "cut.csv", "column": "Value"}, "more fields than the table has columns: 'AUC,1,234.5'"),
            ({"file": "rows.csv", "column": "Value"}, "its table has 2 such rows; `row: [...]` names one by several"),
            ({"file": "p.csv", "column": "Value"}, "90.12 cannot be an auc (0 to 1); is it in percent?"),
            ({"file": "two.json"}, "is in more than one place: /a, /b; `select` names one"),
            ({"file": "s.xlsx"}, "s.xlsx holds s.xlsx/S, s.xlsx/T; name one of them as `file`"),
            ({"file": "r.pdf"}, "r.pdf is a PDF"),
        ],
    )
    def test_a_place_without_a_usable_value_says_why(
        self, definition: Callable[..., MetricDefinition], place: dict[str, str], why: str
    ) -> None:
        content = archive(
            {
                "m.csv": "指標,学習,評価\nAUC,0.99,0.91\n".encode(),
                "twice.csv": b"metric,x,x\nAUC,0.9,0.8\n",
                "cut.csv": b"metric,Value\nAUC,1,234.5\n",
                "rows.csv": b"metric,Value\nAUC,0.9\nauc,0.8\n",
                "p.csv": b"metric,Value\nAUC,90.12\n",
                "two.json": b'{"a": {"auc": 0.9}, "b": {"auc": 0.8}}',
                "s.xlsx": workbook({"S": [["AUC", 0.91]], "T": [["AUC", 0.5]]}),
                "r.pdf": b"%PDF-1.7",
                "metrics.csv": b"Recall,0.5\n",
            }
        )
        wanted = {"auc": definition("auc", place.get("select"), **{k: v for k, v in place.items() if k != "select"})}
        metric = read(content, wanted).metrics["auc"]
        assert metric.value is None
        assert metric.problem is not None
        assert why in metric.problem

    def test_a_named_place_ends_the_search_and_leaves_the_others_missing(
        self, definition: Callable[..., MetricDefinition]
    ) -> None:
        content = archive({"a.csv": b"AUC,0.91\nRecall,0.5\n", "b.csv": b"AUC,0.5\n"})
        result = read(content, {"auc": definition("auc", None, file="a.csv")})
        assert (auc(result), "recall" in result.metrics) == ("0.91", False)

    def test_an_ambiguous_result_does_not_spoil_a_named_place_and_is_told_of_the_others(
        self, definition: Callable[..., MetricDefinition]
    ) -> None:
        result = read(self.TWO, {"auc": definition("auc", "AUC", file="a/metrics.csv")})
        assert auc(result) == "0.91"
        assert result.trouble is not None
        assert "more than one metrics.csv" in result.trouble

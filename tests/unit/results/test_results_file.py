import io
import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from runner.errors import Kind, ModelError
from runner.manifest.model import MetricDefinition
from runner.results.metrics import ResultMetrics
from runner.results.result_file import read_result


def read(content: str | bytes) -> ResultMetrics:
    return read_result(io.BytesIO(content.encode() if isinstance(content, str) else content), {})


def values(result: ResultMetrics) -> dict[str, str | None]:
    return {name: None if metric.value is None else str(metric.value) for name, metric in result.metrics.items()}


@pytest.mark.parametrize(
    "content",
    [
        "AUC,0.9\nAccuracy,0.8\n",
        "AUC,0.9\r\nAccuracy,0.8",
        "AUC,0.9\rAccuracy,0.8",
        "\n\nmetric,value\nAUC,0.9\n\nAccuracy,0.8\n,\n",
        '"Metric name","Evaluation value"\n"AUC","0.9"\n"Accuracy","0.8"\n',
        "metric,Test score\nAUC,0.9\nAccuracy,0.8\n",
        "value,metric\n0.9,AUC\n0.8,Accuracy\n",
        "value,metric\n0.9,AUC\n0.7\n0.8,Accuracy\n",
        "metric,note,value\nAUC,good,0.9\nAccuracy,fair,0.8\n",
        "metric\tvalue\nAUC\t0.9\nAccuracy\t0.8\n",
        "\tvalue\nAUC\t0.9\nAccuracy\t0.8\n",
        "AUC,Accuracy\n0.9,0.8\n",
        "model,AUC,Accuracy\nfirst,0.9,0.8\n",
        ",metric,value\n0,AUC,0.9\n1,Accuracy,0.8\n",
        "\ufeffAUC,0.9\nAccuracy,0.8\n",
        '{"AUC": 0.9, "Accuracy": 0.8}',
        '\ufeff {"metrics": {"AUC": 0.9, "Accuracy": 0.8}, "job": "j"}',
        '{"metrics": [{"name": "AUC", "value": 0.9}, {"name": "Accuracy", "value": 0.8}, 7, {"value": 1}]}',
    ],
)
def test_each_form_of_a_result_gives_the_same_metrics(content: str) -> None:
    assert {name: values(read(content))[name] for name in ("auc", "accuracy")} == {"auc": "0.9", "accuracy": "0.8"}


def test_a_japanese_file_in_shift_jis_is_read() -> None:
    content = "評価指標,評価値\n分類精度(AUC),91.2%\n正解率,80%\n".encode("cp932")
    assert values(read(content)) == {"auc": "0.912", "accuracy": "0.80"}


def test_a_metric_keeps_its_source_text() -> None:
    assert read("AUC, 92.5%\n").metrics["auc"].text == "92.5%"


def test_names_found_are_told_as_written() -> None:
    assert read("AUC,0.9\nLog loss,0.3\n").found == ("AUC", "Log loss")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("AUC,NaN\n", "is not finite"),
        ("AUC,inf\n", "is not finite"),
        ("AUC,\n", "is empty"),
        ("metric,value\nAUC\n", "is empty"),
        ("AUC,N/A\n", "is not a number"),
        ("AUC,TRUE\n", "is not a number"),
        ('AUC,"1,234"\n', "has a comma"),
        ("AUC,1e999\n", "is beyond the range"),
        ("AUC,0.9\nauc,0.8\n", "occurs twice"),
        ("AUC,0.9\nauc,\n", "occurs twice"),
        ("AUC,0.9,0.8\n", "is unclear: its row has several values, and the table has no header"),
        ("metric,one,two\nAUC,0.9,0.8\n", "is unclear: the meaning of 'one', 'two' is not known"),
        ("metric,value\nAUC,1,234.5\n", "is in a row with more fields than the table has columns: 'AUC,1,234.5'"),
        ("metric,value,\nAUC,1,234.5\n", "is in a row with more fields"),
        ("value,,metric\n1,234.5,AUC\n", "is in a row with more fields"),
        ("metric,value\nAUC,0.9\nAUC,0.8\n", "occurs twice"),
        ('{"AUC": NaN}', "is not finite"),
        ('{"AUC": -Infinity}', "is not finite"),
        ('{"AUC": 1e999}', "is beyond the range"),
        ('{"AUC": true}', "is true or false"),
        ('{"AUC": "good"}', "is not a number: 'good'"),
        ('{"AUC": "0.91 (best)"}', "is not a number"),
        ('{"AUC": null}', "is empty"),
        ('{"AUC": {"curve": [0.9]}}', "is a list or an object"),
        ('{"AUC": {"A": 0.9, "B": 0.8}}', "is unclear: the meaning of 'A', 'B' is not known"),
        ('{"AUC": 0.9, "AUC": 0.9}', "occurs twice"),
        ('{"AUC": 0.9, "auc": 0.8}', "occurs twice"),
        ('{"metrics": [{"name": "AUC"}]}', "is unclear: no column is known to hold its value"),
        ('{"AUC": ' + "9" * 5000 + "}", "is too long"),
    ],
)
def test_a_metric_without_a_usable_number_carries_its_problem(content: str, why: str) -> None:
    metric = read(content).metrics["auc"]
    assert metric.value is None
    assert metric.problem is not None
    assert metric.problem.startswith(why)


def test_a_table_of_exactly_the_most_cells_is_read() -> None:
    text = "AUC,0.9\n".ljust(8 + 99_998, "\n")
    assert values(read(text)) == {"auc": "0.9"}
    with pytest.raises(ModelError, match="more than 100,000 cells"):
        read(text + "\n")


def test_one_bad_metric_does_not_spoil_the_others() -> None:
    assert values(read("AUC,NaN\nAccuracy,0.8\n")) == {"auc": None, "accuracy": "0.8"}


def test_a_metric_twice_with_one_value_is_one_metric() -> None:
    assert values(read("Precision,0.5\nAverage Precision,50%\n")) == {"precision": "0.5"}


def test_json_numbers_do_not_pass_through_floats() -> None:
    text = "0.10000000000000000000000000000000000001"
    assert values(read(f'{{"AUC": {text}}}')) == {"auc": text}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"<html>Forbidden</html>", "XML or HTML"),
        (b"<?xml version='1.0'?><Error/>", "XML or HTML"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is a PNG image"),
        (b"\x85\x81\x20", "neither text"),
        (b"AUC,0.9\n\x00", "neither text"),
        (b"hello world\n", "holds no metric; it has"),
        (b'{"message": "gone"}', "holds no metric; it has message"),
        (b"[0.9]", "holds no metric; it has nothing"),
        (b'{"AUC": 0.9', "broken at line 1"),
        (b'{"AUC": 0.9} x', "broken at line 1"),
        (b"[" * 500 + b"]" * 500, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"{" + b'"a":1,' * 300_000 + b'"b":1}', "more than 100,000 values"),
        (b'AUC,"0.9\n', "broken quotes"),
        (b"AUC,0.9\n" * 60_000, "more than 100,000 cells"),
        (b"AUC,0.9\n" * 10_001, "more than 10,000 named values"),
        (b" " * (16 * 1024 * 1024 + 1), "more than 16 MiB"),
    ],
)
def test_what_is_not_a_result_is_refused_in_one_sentence(content: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read(content)
    assert caught.value.kind is Kind.RESULT
    assert caught.value.hint


def test_foreign_names_in_a_refusal_are_made_harmless() -> None:
    with pytest.raises(ModelError) as caught:
        read(json.dumps({"\x1b[2J\ud800": "x"}))
    assert "\x1b" not in caught.value.message
    caught.value.message.encode()


def test_64_levels_of_json_are_read(definition: Callable[..., MetricDefinition]) -> None:
    content = b'{"a":' * 64 + b"1" + b"}" * 64
    result = read_result(io.BytesIO(content), {"deep": definition("deep", "/a" * 64)})
    assert values(result) == {"deep": "1"}


def test_the_place_of_the_stream_does_not_matter() -> None:
    stream = io.BytesIO(b"AUC,0.9\n")
    stream.seek(5)
    assert values(read_result(stream, {})) == {"auc": "0.9"}


class TestArchive:
    """The vendor's zip: `metrics.csv` in any folder, `metrics_comparison.csv` with the model before."""

    CLEAR = (
        "指標,更新後,更新前\nAUC,0.9,0.88\n",
        "指標,旧モデル,新モデル,差分 (新-旧)\nAUC,0.88,0.9,0.02\n",
        "Metric,Current,Candidate\nAUC,0.88,0.9\n",
        "指標,現行モデル,新モデル\nAUC,88%,90%\n",
        "指標,値(%),前回(%)\nAUC,90,88\n",
    )
    PROVISIONAL = (
        "Metric,Current model,Previous model\nAUC,0.9,0.88\n",
        "Metric,Previous model,Current model\nAUC,0.88,0.9\n",
        "評価指標,現在のモデル,前回のモデル\n分類精度 (AUC),90%,88%\n",
        "AUC,0.9,0.88\n",
    )

    @pytest.mark.parametrize("name", ["metrics.csv", "a/b/c/Metrics.CSV", "出力/metrics.csv", "a\\b\\metrics.csv"])
    def test_the_metrics_member_is_found_in_any_folder(self, zipped: Callable[..., io.BytesIO], name: str) -> None:
        stream = zipped({"read.me": b"\0", name: "AUC,0.9\n", "__MACOSX/._metrics.csv": b"\0"})
        assert values(read_result(stream, {})) == {"auc": "0.9"}

    def test_a_json_member_is_read_where_there_is_no_csv(self, zipped: Callable[..., io.BytesIO]) -> None:
        assert values(read_result(zipped({"out/metrics.json": '{"AUC": 0.9}'}), {})) == {"auc": "0.9"}

    @pytest.mark.parametrize("comparison", CLEAR + PROVISIONAL)
    def test_the_model_before_is_read_from_the_comparison(
        self, zipped: Callable[..., io.BytesIO], comparison: str
    ) -> None:
        stream = zipped({"metrics.csv": "AUC,0.9\n", "metrics_comparison.csv": comparison})
        result = read_result(stream, {})
        assert values(result) == {"auc": "0.9"}
        assert result.previous["auc"].value == Decimal("0.88")

    @pytest.mark.parametrize("comparison", CLEAR)
    def test_the_comparison_gives_the_metrics_where_there_is_nothing_else(
        self, zipped: Callable[..., io.BytesIO], comparison: str
    ) -> None:
        assert read_result(zipped({"metrics_comparison.csv": comparison}), {}).metrics["auc"].value == Decimal("0.9")

    @pytest.mark.parametrize("comparison", PROVISIONAL)
    @pytest.mark.parametrize("metrics", [None, "Recall,0.9\n", "AUC,NaN\n"])
    def test_a_comparison_that_nothing_confirms_gives_neither_model(
        self, zipped: Callable[..., io.BytesIO], comparison: str, metrics: str | None
    ) -> None:
        others = {} if metrics is None else {"metrics.csv": metrics}
        result = read_result(zipped({"metrics_comparison.csv": comparison, **others}), {})
        assert result.previous["auc"].value is None
        assert result.metrics.get("auc", result.previous["auc"]).value is None

    @pytest.mark.parametrize(
        ("comparison", "why"),
        [
            ("Metric,A,B\nAUC,0.9,0.88\n", "the meaning of 'A', 'B' is not known"),
            ("metric,model_7,model_9\nAUC,0.9,0.88\n", "the meaning of 'model_7', 'model_9' is not known"),
            ("Metric,Current model,B\nAUC,0.9,0.88\n", "the meaning of 'B' is not known"),
            ("Metric,Value,Current\nAUC,0.9,0.88\n", "which model is whose is not known"),
            ("Metric,New,Diff\nAUC,0.9,0.02\n", "no column is known to hold the model before"),
            ("指標,現行モデル,新モデル,旧モデル\nAUC,0.9,0.9,0.88\n", "more than one column may be the model before"),
            ("指標,新モデル,旧モデル\nAUC,0.9,88\n", "88 cannot be an auc (0 to 1); is it in percent?"),
            ("Metric,Current,Previous\nAUC,0.88,0.9\n", "another value"),
            ("AUC,0.88,0.9\n", "another value"),
            ("Metric,Current,Previous\nAUC,0.9,\n", "is empty"),
            ("Metric,Current,Previous\nAUC,0.9,1,234.5\n", "more fields than the table has columns"),
            ("AUC,0.9,1,234.5\n", "more fields than the table has columns"),
            ("AUC,0,9\nAccuracy,0.8\n", "has several values, and the table has no header"),
        ],
    )
    def test_an_unclear_comparison_gives_no_value_rather_than_a_wrong_one(
        self, zipped: Callable[..., io.BytesIO], comparison: str, why: str
    ) -> None:
        stream = zipped({"metrics.csv": "AUC,0.9\n", "metrics_comparison.csv": comparison})
        before = read_result(stream, {}).previous["auc"]
        assert before.value is None
        assert before.problem is not None
        assert why in before.problem

    def test_a_reversed_comparison_is_noticed_for_custom_metrics_too(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        stream = zipped({"metrics.csv": "Log loss,0.3\n", "metrics_comparison.csv": "log-loss,0.4,0.3\n"})
        before = read_result(stream, {"loss": definition("loss", "Log loss")}).previous["loss"]
        assert before.value is None

    def test_a_comparison_of_one_model_carries_no_model_before(self, zipped: Callable[..., io.BytesIO]) -> None:
        stream = zipped({"metrics_comparison.csv": "Metric,Current model\nAUC,0.9\n"})
        assert dict(read_result(stream, {}).previous) == {}

    def test_an_archive_without_metrics_names_what_it_has(self, zipped: Callable[..., io.BytesIO]) -> None:
        with pytest.raises(ModelError, match=r"has no metrics\.csv; it has a\.csv, b/c\.txt"):
            read_result(zipped({"a.csv": "id,label\n1,0\n", "b/c.txt": "x"}), {})


class TestCustomMetrics:
    """Metrics defined under `metrics:` in the manifest."""

    def test_a_json_pointer_selects_in_a_member(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        stream = zipped({"metrics.csv": "AUC,0.9\n", "x/report.json": '{"summary": {"a/b": [1, {"p": 12.50}]}}'})
        wanted = {"profit": definition("profit", "/summary/a~1b/1/p", file="Report.json")}
        assert values(read_result(stream, wanted)) == {"auc": "0.9", "profit": "12.50"}

    def test_a_row_name_selects_in_a_table(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        stream = zipped({"metrics.csv": "AUC,0.9\n", "利益.csv": "項目,値\n総利益,12%\n"})
        wanted = {"profit": definition("profit", "総利益", file="利益.csv")}
        assert values(read_result(stream, wanted)) == {"auc": "0.9", "profit": "0.12"}

    def test_without_a_file_the_metrics_member_or_the_only_file_is_meant(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        wanted = {"loss": definition("loss", "Log loss")}
        for stream in (zipped({"metrics.csv": "Log loss,0.3\n"}), io.BytesIO(b'{"log-loss": 0.3}')):
            assert values(read_result(stream, wanted)) == {"loss": "0.3"}

    def test_it_is_enough_for_an_archive_to_hold_the_defined_member(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        wanted = {"profit": definition("profit", "/0", file="report.json")}
        assert values(read_result(zipped({"report.json": "[5]"}), wanted)) == {"profit": "5"}

    def test_the_comparison_gives_the_value_of_the_model_before(
        self, zipped: Callable[..., io.BytesIO], definition: Callable[..., MetricDefinition]
    ) -> None:
        compared = "Metric,Current,Previous\nLog loss,0.3,0.4\n"
        stream = zipped({"metrics.csv": "Log loss,0.3\n", "metrics_comparison.csv": compared})
        result = read_result(stream, {"loss": definition("loss", "Log loss", direction="lower")})
        assert (str(result.metrics["loss"].value), str(result.previous["loss"].value)) == ("0.3", "0.4")

    @pytest.mark.parametrize(
        ("select", "file", "why"),
        [
            ("/nothing", "report.json", "is missing from the result"),
            ("/list/-", "report.json", "is missing from the result"),
            ("/list/7", "report.json", "is missing from the result"),
            ("/list/x", "report.json", "is missing from the result"),
            ("/flag/deeper", "report.json", "is missing from the result"),
            ("/bad~2escape", "report.json", "is missing from the result"),
            ("/list", "report.json", "is a list or an object"),
            ("/flag", "report.json", "is true or false"),
            ("/text", "report.json", "is not a number"),
            ("/none", "report.json", "is empty"),
            ("/twice", "report.json", "occurs twice"),
            ("/nan", "report.json", "is not finite"),
            ("/flag", "absent.json", "is missing from the result: it has no absent.json"),
            ("/flag", "broken.json", "cannot be read: The JSON result is broken"),
            ("no such row", None, "is missing from the result: it has no row"),
            ("/pointer", None, "is missing from the result: it has no row"),
        ],
    )
    def test_a_custom_metric_that_is_not_there_says_why(
        self,
        zipped: Callable[..., io.BytesIO],
        definition: Callable[..., MetricDefinition],
        select: str,
        file: str | None,
        why: str,
    ) -> None:
        report = '{"list": [1], "flag": true, "text": "one", "none": null, "twice": 1, "twice": 1, "nan": NaN}'
        stream = zipped({"metrics.csv": "AUC,0.9\n", "report.json": report, "broken.json": "{"})
        metric = read_result(stream, {"custom": definition("custom", select, file=file)}).metrics["custom"]
        assert metric.value is None
        assert metric.problem is not None
        assert metric.problem.startswith(why)

    def test_a_member_is_not_sought_in_a_single_file(self, definition: Callable[..., MetricDefinition]) -> None:
        wanted = {"profit": definition("profit", "/AUC", file="report.json")}
        metric = read_result(io.BytesIO(b'{"AUC": 0.9}'), wanted).metrics["profit"]
        assert metric.problem == "is missing from the result: it is a single file, not an archive with report.json"

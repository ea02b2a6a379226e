"""An inspection names every value that looks like a metric, and its lines read that value when they are pasted."""

import gzip
import io
from pathlib import Path

import pytest

from runner.manifest.load import load
from runner.reports.inspection import Inspected, choices, inspected_json, inspected_text
from runner.results.inspection import Inspection, inspect_result
from runner.results.result_file import read_result
from tests.fakes.result_files import archive, tar_gz, workbook

AUC = b"AUC,0.91\n"
REST = """\
version: 1
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: K}, dataset: d, policy: p}}
"""
FILES = {
    "documented": (archive({"out/metrics.csv": b"Metric,Value\nAUC,0.91\nAccuracy,0.88\n"}), 1),
    "no head": (AUC, 1),
    "single in gzip": (gzip.compress(b"Metric;Value\nAUC;0,91\n"), 1),
    "percent": (archive({"metrics.csv": b"AUC,90.12\n"}), 1),
    "two models": (archive({"a/metrics.csv": AUC, "b/metrics.csv": b"AUC,0.5\n"}), 2),
    "unknown heads": (archive({"metrics_comparison.csv": b"metric,model_7,model_9\nAUC,0.9,0.8\n"}), 2),
    "several columns": (archive({"評価 結果.csv": "指標,学習,評価: 値\nAUC,0.99,0.91\n".encode()}), 2),
    "classes": (archive({"metrics.csv": b"class,Precision,Recall\nA,0.9,0.8\nno,0.7,0.6\n"}), 2),
    "wide": (archive({"m.csv": b"AUC,Accuracy\n0.91,0.8\n"}), 1),
    "json": (archive({"e.json": b'{"a/b": {"auc": 0.91, "r2": -3}, "previous": {"auc": 0.5}}'}), 2),
    "json list": (b'{"metrics": [{"name": "AUC", "value": 0.91}, {"name": "Recall", "value": 0.5}]}', 1),
    "json of odd keys": (b'{"a b~c": {"F-score": 0.5}, "true": {"auc": 0.1}}', 2),
    "json of texts": (b'{"auc": "0.91", "recall": {"value": 0.5}, "at": "2026"}', 2),
    "json of named entries": (b'[{"metric": "AUC", "score": 0.91}, {"metric": "RMSE", "score": 3}]', 1),
    "a title above": (archive({"m.csv": "評価結果,2026年\n指標,値\nAUC,0.91\n".encode()}), 1),
    "splits": (archive({"m.csv": b"data,AUC,R2\ntrain,0.99,0.9\ntest,0.91,0.8\n"}), 2),
    "nested": (archive({"in/model.zip": archive({"m.csv": AUC})}), 1),
    "tar": (tar_gz({"a, b/{m}.csv": AUC}), 1),
    "workbook": (workbook({"Sheet 1": [["Metric", "Value", "Rank"], ["AUC", 0.91, 1.0]]}), 2),
    "odd names": (archive({'a "b" #c: d.csv': b"Metric,#1: [x]\nAUC,0.91\n"}), 1),
    "a name that YAML types": (archive({"on": b"Metric,no\nAUC,0.91\n"}), 1),
}


def inspected(content: bytes) -> Inspection:
    return inspect_result(io.BytesIO(content), {})


@pytest.mark.parametrize("form", FILES)
def test_the_lines_read_their_values_as_they_are_pasted(form: str, tmp_path: Path) -> None:
    content, count = FILES[form]
    inspection = inspected(content)
    found = choices(inspection)
    assert len(found) == count
    for choice in found:
        path = tmp_path / "retrain.yaml"
        path.write_text(f"{REST}{choice.lines}\n", encoding="utf-8")
        definitions = load([path]).metrics
        result = read_result(io.BytesIO(content), definitions)
        values = {name: result.metrics[name].value for name in definitions}
        spots = {(spot.metric, spot.value) for spot in inspection.spots}
        assert None not in values.values(), (choice.lines, result.metrics)
        assert set(values.items()) <= spots


@pytest.mark.parametrize("form", FILES)
def test_text_and_json_show_every_value(form: str) -> None:
    content, _ = FILES[form]
    inspection = inspected(content)
    whole = Inspected(file="r", bytes=len(content), model=None, retrain_job_id=None, inspection=inspection)
    shown = inspected_text(whole, width=None)
    for spot in inspection.spots:
        assert spot.text in shown
        assert f'"text": "{spot.text}"' in inspected_json(whole)


NOT_READ = (
    (archive({"r.pdf": b"%PDF-1.7"}), "is a PDF"),
    (archive({"s.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}), "old Office format"),
    (archive({"m.pickle": b"\x80\x04\x95"}), "never loaded"),
    (archive({"p.csv": b"id,p\n" + b"1,0.5\n" * 900_000}), "larger than 4 MiB"),
    (archive({"p.csv": b"id,p\n" + b"1,0.5\n" * 60_000}), "more than 100,000 cells"),
    (b"<html>", "XML or HTML"),
    (b"", "The result is empty"),
    (b"\x00\x01\xff", "neither text"),
)


@pytest.mark.parametrize("number", range(len(NOT_READ)))
def test_a_member_that_is_not_read_says_what_it_is(number: int) -> None:
    content, what = NOT_READ[number]
    (member,) = inspected(content).members
    assert what in member.what


def test_a_damaged_archive_is_called_so() -> None:
    found = inspected(archive({"metrics.csv": AUC})[:60])
    assert (found.members, found.form) == (
        (),
        "not readable: The result is a zip archive that is damaged or too long to read.",
    )


def test_what_a_search_leaves_out_is_marked_and_comes_last() -> None:
    found = inspected(archive({"previous/m.csv": b"AUC,0.5\n", "m.csv": AUC}))
    assert [(spot.file, spot.left_out) for spot in found.spots] == [("previous/m.csv", True), ("m.csv", False)]
    assert [choice.about.partition(";")[0] for choice in choices(found)] == ["m.csv", "previous/m.csv"]


def test_of_very_many_values_200_are_shown() -> None:
    table = "Metric,Value\n" + "AUC,0.9\n" * 300
    found = inspected(table.encode())
    assert (len(found.spots), found.more_spots) == (200, True)


def test_foreign_names_cannot_steer_a_terminal() -> None:
    content = archive({"\x1b[2J\u202e.csv": b"Metric,\x1b[31m\nAUC,0.91\n"})
    whole = Inspected(file="r", bytes=1, model=None, retrain_job_id=None, inspection=inspected(content))
    for shown in (inspected_text(whole, width=80), inspected_json(whole)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown

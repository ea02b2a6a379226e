"""Results as accounts may send them: each ends right, or its own message leads there, for one training."""

import gzip
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.contract.contract_project import Project, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import archive, tar_gz, workbook

AUC = {"metric": "auc", "min": 0.8}
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "auto": {"type": "auto"},
    "manual": {"type": "manual"},
    "guarded": threshold(AUC),
    "strict": threshold({"metric": "auc", "min": 0.99}),
}
SWITCHED = {"auto": "switched", "manual": "awaiting_approval", "guarded": "switched", "strict": "held"}
UNREAD = {"auto": "switched", "manual": "awaiting_approval", "guarded": "held", "strict": "held"}
READ = {
    "two folders": archive({"current_model/metrics.csv": b"AUC,0.91\n", "previous_model/metrics.csv": b"AUC,0.5\n"}),
    "json": archive({"evaluation.json": b'{"auc": 0.91}'}),
    "a name in Japanese": archive({"評価結果.csv": "指標,値\nAUC,0.91\n".encode()}),
    "workbook": archive({"summary.xlsx": workbook({"Sheet1": [["Metric", "Value"], ["AUC", 0.91]]})}),
    "the result is a workbook": workbook({"Sheet1": [["Metric", "Value"], ["AUC", 0.91]]}),
    "classes": archive(
        {"metrics.csv": b"class,Precision,Recall\nA,0.9,0.8\nB,0.7,0.6\n", "overall.csv": b"AUC,0.91\n"}
    ),
    "percent in the head": archive({"metrics.csv": "指標,値(%)\nAUC,91\n".encode()}),
    "train beside eval": archive({"metrics.csv": b"metric,train,eval\nAUC,0.999,0.91\n"}),
    "decorated names": archive({"metrics.csv": "AUC (評価データ),0.91\n".encode()}),
    "tar.gz": tar_gz({"metrics.csv": b"AUC,0.91\n"}),
    "gzip": gzip.compress(b"AUC,0.91\n"),
    "nested json": b'{"evaluation": {"binary": {"auc": 0.91}}}',
    "UTF-16": "Metric\tValue\nAUC\t0.91\n".encode("utf-16"),
    "rows of splits": archive({"metrics.csv": b"split,AUC,R2\ntrain,0.99,0.9\ntest,0.91,0.8\n"}),
    "metrics of splits": archive({"m.csv": b"split,metric,value\ntrain,AUC,0.99\ntest,AUC,0.91\n"}),
    "a list of splits": b'[{"split": "train", "auc": 0.99}, {"split": "test", "auc": 0.91}]',
    "zip in zip": archive({"result/model.zip": archive({"metrics.csv": b"AUC,0.91\n"})}),
}
PINNED = {
    "percent": archive({"metrics.csv": b"AUC,91\n"}),
    "percent in json": archive({"metrics.json": b'{"auc": 91}'}),
    "unknown columns": archive({"metrics_comparison.csv": b"metric,model_7,model_9\nAUC,0.91,0.5\n"}),
    "unknown rows": archive({"m.csv": b"split,metric,value\nB,AUC,0.91\nA,AUC,0.99\n"}),
    "two places": archive({"a.csv": b"AUC,0.91\n", "b.csv": b"AUC,0.5\n"}),
    "two folders of no meaning": archive({"a/metrics.csv": b"AUC,0.91\n", "b/metrics.csv": b"AUC,0.5\n"}),
}
HOPELESS = {
    "pages": archive({"report.html": b"<html>", "report.pdf": b"%PDF-1.7"}),
    "predictions": archive({"prediction_valid.csv": b"id,y\n1,yes\n2,no\n"}),
    "empty zip": archive({}),
}


def add_all(project: Project, content: bytes) -> None:
    for name, policy in POLICIES.items():
        project.add(name, policy=policy, results=[content])


def uploads(project: Project) -> list[int]:
    return [len(project.service.calls(name="put", owner=name)) for name in POLICIES]


@pytest.mark.parametrize("form", READ)
def test_a_result_of_any_form_is_judged_as_it_is(project: Project, form: str) -> None:
    add_all(project, READ[form])
    project.run()
    assert project.outcomes() == SWITCHED
    assert {project.entry(name)["metrics"]["auc"] for name in POLICIES} == {0.91}
    assert project.retrain("verify").code == 0
    assert uploads(project) == [1, 1, 1, 1]


def test_a_result_that_is_packed_for_the_way_is_judged_as_it_is(project: Project) -> None:
    packed = gzip.compress(READ["json"])
    model = project.add("churn", policy=threshold(AUC))
    model.always["download"] = Answer(status=200, body=packed, headers=(("Content-Encoding", "gzip"),))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert project.retrain("verify").code == 0


@pytest.mark.parametrize("form", HOPELESS)
def test_a_result_without_metrics_ends_no_model_and_new_data_passes_it_by(project: Project, form: str) -> None:
    add_all(project, HOPELESS[form])
    printed = project.run().out
    assert project.outcomes() == UNREAD
    project.run()
    assert project.outcomes() == {**UNREAD, "auto": "unchanged"}
    look, decide = re.findall(r"^(?:next|  or): retrain ((?:inspect|approve) guarded.*)$", printed, flags=re.MULTILINE)
    assert "lines for the manifest" not in project.retrain(*shlex.split(look)).out
    assert project.retrain(*shlex.split(decide.replace("...", "looked at it")), "--yes").code == 0
    assert len(project.service.calls(name="switch", owner="guarded")) == 1
    assert uploads(project) == [1, 1, 1, 1]
    assert project.retrain("verify").code == 0


def printed_inspection(project: Project, name: str) -> str:
    """Return what the command prints that the model's own warning names."""
    (command,) = re.findall(r"`(retrain inspect [^`]*)`", "\n".join(project.entry(name)["warnings"]))
    _, verb, *rest = shlex.split(command)
    found = project.retrain(verb, *rest)
    assert found.code == 0
    return found.out


@pytest.mark.parametrize("form", PINNED)
def test_a_result_that_needs_a_pin_is_got_past_by_its_own_message_without_a_second_training(
    project: Project, form: str
) -> None:
    add_all(project, PINNED[form])
    project.run()
    assert project.outcomes() == UNREAD
    for model in project.service.models.values():  # the service forgot the jobs: nothing may depend on it
        model.always["status"] = Answer(status=400, body=b'{"code": "4001000204", "message": "Not found retrain job."}')
        model.always["download"] = Answer(status=403)
    text = printed_inspection(project, "guarded")
    lines = re.search(r"lines for the manifest[^\n]*\n(metrics:\n(?:  [^\n]*\n?)+)", text)
    assert lines is not None
    project.manifest |= yaml.safe_load(lines[1])
    project.save()
    project.run()
    assert project.outcomes() == {**SWITCHED, "auto": "unchanged"}
    assert uploads(project) == [1, 1, 1, 1]
    assert project.retrain("verify").code == 0


FIELD = {
    "percent under a head": ("指標,値(%)\nAUC,62.5\n正解率,71.0\n", AUC, "held"),
    "percent without a sign": ("AUC,62.5\nAccuracy,71.0\n", AUC, "held"),
    "coverage in percent": ("カバー率,91.2\n", {"metric": "coverage_rate", "min": 0.85}, "held"),
    "a flipped sign": ("Metric,Value\nRMSE,-12.31\n", {"metric": "rmse", "max": 10}, "held"),
    "not computed": ("Metric,Value\nMAE,-1\n", {"metric": "mae", "max": 10}, "held"),
    "training scores": ("Metric,Train\nAUC,0.99\nAccuracy,0.98\n", AUC, "held"),
    "a rank": ("Metric,Rank\nAUC,1\nAccuracy,3\n", AUC, "held"),
    "a spread": ("Metric,Std\nAUC,0.9\nAccuracy,0.8\n", AUC, "held"),
    "current beside candidate": ("Metric,Current,Candidate\nAUC,0.91,0.55\n", AUC, "held"),
    "a difference": ("指標,値,前回比\nAUC,0.61,-0.30\n", AUC, "held"),
    "a footnote": ("AUC,0.61\u00b9\n", {"metric": "auc", "min": 0.6105}, "held"),
    "percent with a sign": ("AUC,62.5%\n", AUC, "held"),
    "a negative r2": ("R2,-0.3\n", {"metric": "r2", "min": -0.5}, "switched"),
    "a ratio above one": (
        "Median Absolute Error Ratio,1.25\n",
        {"metric": "median_absolute_error_ratio", "max": 1.5},
        "switched",
    ),
    "a perfect score": ("指標,評価値\nAUC,1\n", AUC, "switched"),
    "thousands": ('Metric,Value\nRMSE,"1,234.5"\n', {"metric": "rmse", "max": 1300}, "switched"),
    "thousands that miss": ('Metric,Value\nRMSE,"1,234.5"\n', {"metric": "rmse", "max": 1200}, "held"),
}


def test_files_from_the_field_have_their_right_outcome(project: Project) -> None:
    names = {f"m{number}": case for number, case in enumerate(FIELD.values())}
    for name, (text, rule, _) in names.items():
        content = archive({"metrics.csv": text.encode("utf-8-sig")})
        project.add(name, policy=threshold(rule, first_run="hold"), results=[content])
    project.run()
    assert project.outcomes() == {name: outcome for name, (_, _, outcome) in names.items()}


def test_inspect_shows_a_file_and_a_model_as_text_and_as_json(project: Project, tmp_path: Path) -> None:
    project.add("churn", policy=threshold(AUC), results=[READ["workbook"]])
    project.run()
    stored = project.entry("churn")["result"]["path"]
    by_model = project.retrain("inspect", "churn")
    by_file = project.retrain("inspect", str(project.state / stored))
    for found in (by_model, by_file):
        assert "auc: {file: summary.xlsx/Sheet1, select: {row: AUC, column: Value}}" in found.out
    told = json.loads(project.retrain("inspect", "churn", "--format", "json").out)
    assert (told["model"], told["now"]["metrics"]["auc"]["value"]) == ("churn", "0.91")
    assert told["now"]["searched"] is True
    elsewhere = tmp_path / "x.csv"
    elsewhere.write_text("AUC,0.5\n", encoding="utf-8")
    assert "auc: {select: AUC}" in project.retrain("inspect", str(elsewhere)).out


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("chum", "There is neither a model nor a file `chum`"),
        ("./nothing.zip", "nothing.zip cannot be read: No such file or directory."),
        (".", "neither a model nor a file"),
        ("./data", "data cannot be read: Is a directory."),
    ],
)
def test_what_cannot_be_inspected_is_named(project: Project, subject: str, message: str) -> None:
    project.add("churn")
    project.run()
    found = project.retrain("inspect", subject)
    assert (found.code, message in found.err) == (2, True), found.err

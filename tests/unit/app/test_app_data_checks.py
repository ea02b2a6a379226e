"""A plan says what a run's data check would say, and the sample data of `retrain init` is for the emulator alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from runner.app.init import init, sample_files
from runner.app.planning.plan import PlanRequest, plan
from runner.app.run.run import RunRequest, run
from runner.errors import ExitCode
from runner.execute.progress_events import ProgressEvent
from runner.plan.document import PlannedModel
from runner.plan.model_plan import Choice
from runner.reports.model import ModelReport
from runner.reports.plan_text import render_plan_markdown, render_plan_text

HOSTS = frozenset({"service.test"})
MANIFEST = Path("models.yaml")
GOOD = "id,label\n" + "1,a\n2,b\n" * 60
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with one model whose key cannot be had: a run fails after its check at the latest."""
    monkeypatch.chdir(tmp_path)
    write_manifest()


def write_manifest(service: Any = None, **checks: str) -> None:
    value = {
        "version": 1,
        "service": service or {"url": "https://service.test"},
        "datasets": {"d": {"train": "train.csv"}},
        "policies": {"p": {"type": "auto"}},
        "models": {
            "m": {
                "api_key": {"env": "ABSENT"},
                "dataset": "d",
                "policy": "p",
                "checks": checks,
                "emulator": {"task": "binary_classification", "target": "label"},
            }
        },
    }
    MANIFEST.write_text(yaml.safe_dump(value))


def planned(**choice: Any) -> PlannedModel:
    (model,) = plan(
        PlanRequest(choice=Choice(paths=[MANIFEST], trusted_hosts=HOSTS, **choice), state="state")
    ).document.models
    return model


def ran(**arguments: Any) -> ModelReport:
    choice = Choice(paths=() if "plan" in arguments else [MANIFEST], trusted_hosts=HOSTS)
    result = run(
        RunRequest(choice=choice, state="state", listener=lambda *_: None, warn=lambda _text: None, **arguments)
    )
    assert result.exit_code == ExitCode.FAILED
    return result.report.models[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LFS, "train.csv:1: is a Git LFS pointer, not the data"),
        ("id,label\n" + "1,a\n2\n" * 60, "train.csv:3: found 1 field, expected 2"),
        ("id,label\n" + "1,a\n" * 60, "train.csv: has 60 rows, fewer than the 100 it needs"),
        ("id,label\n" + "1,a\n" * 120, "train.csv: the target 'label' has the single value 'a'"),
    ],
)
def test_data_that_a_run_would_refuse_would_fail_by_the_plan_and_by_the_run_alike(content: str, reason: str) -> None:
    Path("train.csv").write_text(content)
    model = planned()
    assert (model.action, model.stages, model.outcome) == ("nothing", (), "failed")
    assert reason in model.reason
    error = ran().error
    assert error
    assert (error.kind, reason in error.message) == ("data", True)


def test_every_form_of_a_plan_says_that_a_model_would_fail_and_why() -> None:
    Path("train.csv").write_text(LFS)
    document = plan(PlanRequest(choice=Choice(paths=[MANIFEST], trusted_hosts=HOSTS), state="state")).document
    text = render_plan_text(document, Choice())
    assert "\nm: would fail\n    why: train.csv:1: is a Git LFS pointer, not the data; fetch" in text
    assert "\nplan: 1 would fail\n" in text
    assert "| **would fail** | train.csv:1: " in render_plan_markdown(document)


def test_a_plan_that_would_fail_is_kept_and_run_and_compared_like_any_other() -> None:
    Path("train.csv").write_text(LFS)
    plan(PlanRequest(choice=Choice(paths=[MANIFEST], trusted_hosts=HOSTS), state="state", out=Path("plan.json")))
    error = ran(plan=Path("plan.json")).error
    assert error
    assert error.kind == "data"


def test_what_the_check_lets_pass_is_shown_in_every_form() -> None:
    Path("train.csv").write_text("id,label\n" + "1,a\n2,b\n" * 30)
    write_manifest(on_fail="warn")
    document = plan(PlanRequest(choice=Choice(paths=[MANIFEST], trusted_hosts=HOSTS), state="state")).document
    warning = "train.csv: has 60 rows, fewer than the 100 it needs"
    assert document.models[0].warnings == (warning,)
    assert f"\n    warning: {warning}\n" in render_plan_text(document, Choice())
    assert f"Warning: {warning}." in render_plan_markdown(document)
    assert ran().warnings == (warning,)


def test_good_data_is_planned_to_be_trained_without_a_warning() -> None:
    Path("train.csv").write_text(GOOD)
    assert (planned().action, planned().outcome, planned().warnings) == ("retrain", None, ())


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_sample_data_is_refused_on_a_service_under_any_name(number: int, mark: bytes, line_end: bytes) -> None:
    Path("train.csv").write_bytes(mark + sample_files()[number].replace(b"\n", line_end))
    write_manifest(target="churned")
    model = planned()
    assert model.outcome == "failed"
    assert model.reason.startswith("train.csv is the sample data that `retrain init` writes")
    error = ran().error
    assert error
    assert error.kind == "data"
    assert planned(emulator=True).outcome is None


def test_sample_files_that_are_joined_or_lost_their_last_line_end_are_sample_data() -> None:
    train, evaluation = sample_files()
    write_manifest(target="churned")
    Path("train.csv").write_bytes(train.removesuffix(b"\n"))
    assert "sample data" in planned().reason
    Path("train.csv").write_bytes(evaluation + train.partition(b"\n")[2])
    assert "sample data" in planned().reason


def test_sample_data_is_refused_where_nothing_is_checked_and_data_with_one_row_more_is_not() -> None:
    sample = sample_files()[0]
    Path("train.csv").write_bytes(sample)
    write_manifest(on_fail="off")
    assert "sample data" in planned().reason
    Path("train.csv").write_bytes(sample + sample.splitlines(keepends=True)[-1])
    assert planned().outcome is None


def test_what_init_lays_out_is_what_is_refused(tmp_path: Path) -> None:
    init(tmp_path / "new", ["manifest"])
    choice = Choice(paths=[tmp_path / "new" / "models.yaml"], trusted_hosts=HOSTS)
    document = plan(PlanRequest(choice=choice, state="state")).document
    assert {model.outcome for model in document.models} == {"failed"}
    assert all("sample data" in model.reason for model in document.models)
    sampled = replace(choice, emulator=True)
    emulated = plan(PlanRequest(choice=sampled, state="state")).document
    assert {model.outcome for model in emulated.models} == {None}


def test_what_takes_long_to_read_is_named_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("train.csv").write_text(GOOD)
    news: list[ProgressEvent] = []
    request = PlanRequest(
        choice=Choice(paths=[MANIFEST], trusted_hosts=HOSTS),
        state="state",
        listener=lambda _model, event: news.append(event),
    )
    plan(request)
    assert news == []
    monkeypatch.setattr("runner.app.planning.data_checks._LARGE", 100)
    plan(request)
    assert [event.text for event in news] == ["reading the data of d (0 MB)"]

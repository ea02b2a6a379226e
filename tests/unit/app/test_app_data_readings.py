"""A run reads its data once: for the plan, the check and every model that uses it; and so does a plan alone."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, main_thread
from typing import Any

import pytest
import yaml

from runner.app.planning.data_checks import digests, planned_checks
from runner.app.planning.plan import PlanRequest, plan, plan_models
from runner.app.planning.scope import read_scope
from runner.app.run.run import RunRequest, run
from runner.app.service import service_of
from runner.datasets import file_cache as readings_module
from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import FileMetadata
from runner.datasets.resolve import ResolvedFile, resolve
from runner.journal.chain import GENESIS, link
from runner.journal.events import (
    DataChecked,
    Draft,
    Fact,
    FileRecord,
    JobCreated,
    RunOptions,
    RunStarted,
    TrainingFailed,
    UploadIntended,
    UploadRecord,
    UploadSucceeded,
)
from runner.journal.progress import Progress
from runner.plan.model_plan import Choice
from tests.fakes.run_origin import NO_MANIFEST, TOOL

MANIFEST = Path("models.yaml")
ROWS = "id,label\n" + "1,a\n2,b\n" * 60
AT = "2026-01-02T03:04:05.000000Z"
JOB = "job-one"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with two models on one dataset, of which no key can be had: they fail after their check."""
    monkeypatch.chdir(tmp_path)
    Path("train.csv").write_text(ROWS)
    model = {"api_key": {"env": "ABSENT"}, "dataset": "d", "policy": "p", "checks": {"target": "label"}}
    manifest = {
        "version": 1,
        "service": {"url": "http://127.0.0.1:9"},
        "datasets": {"d": {"train": "train.csv"}},
        "policies": {"p": {"type": "auto"}},
        "models": {"one": model, "two": {**model, "api_key": {"env": "ABSENT_TOO"}, "retrain": {"min_interval": "1d"}}},
    }
    MANIFEST.write_text(yaml.safe_dump(manifest))
    time.sleep(0.12)  # until the clock that stamps files has moved on


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was done with the file, in order: `sum`, or `check`, with or without a sum known before."""
    done: list[str] = []

    def counted(name: str) -> None:
        real: Callable[..., Any] = getattr(readings_module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done.append(name + ("+" if kwargs.get("known") else ""))
            return real(*args, **kwargs)

        monkeypatch.setattr(readings_module, name, call)

    counted("sum_of")
    counted("check_file")
    return done


def start(**arguments: Any) -> None:
    run(
        RunRequest(
            choice=Choice(paths=() if "plan" in arguments else [MANIFEST]),
            state="state",
            listener=lambda _model, _news: None,
            warn=lambda _text: None,
            **arguments,
        )
    )


def test_a_first_run_of_two_models_on_one_dataset_reads_it_once(passes: list[str]) -> None:
    start()
    assert passes == ["check_file"]


def test_a_plan_checks_the_data_in_one_reading_and_its_run_in_another(passes: list[str]) -> None:
    plan(PlanRequest(choice=Choice(paths=[MANIFEST]), state="state", out=Path("plan.json")))
    assert passes == ["check_file"]
    start(plan=Path("plan.json"))
    assert passes == ["check_file", "check_file"]


def sent(size: int) -> list[Fact]:
    """Return the facts of an upload of a file of this size, whose end is not known."""
    file = FileRecord(source="train.csv", sha256="0" * 64, bytes=size, rows=2)
    checked = DataChecked(
        train=file,
        eval=None,
        dataset_sha256="1" * 64,
        columns=("id", "label"),
        labels=None,
        upload=UploadRecord(filename="train.csv", sha256="0" * 64, bytes=size),
        warnings=(),
        check_s=0.0,
        package_s=0.0,
    )
    taken = JobCreated(retrain_job_id=JOB, url_expires_at=AT, status_before_upload=None)
    intended = UploadIntended(retrain_job_id=JOB, dataset_sha256="1" * 64, attempt=1)
    return [checked, taken, intended]


def progress_of(*stories: tuple[str, list[Fact]]) -> Progress:
    """Fold what happened to models."""
    service = service_of(read_scope(Choice(paths=[MANIFEST])).manifest, emulator=False).name
    facts: list[tuple[str | None, Fact]] = [
        (None, RunStarted(tool=TOOL, actor="a", service=service, paths=(), manifest=NO_MANIFEST, options=RunOptions())),
        *((name, fact) for name, told in stories for fact in told),
    ]
    progress, before = Progress(), GENESIS
    for seq, (model, fact) in enumerate(facts, start=1):
        one = link(Draft(at=AT, run_id="20260301T000000.000000Z-000000", model=model, fact=fact), seq=seq, prev=before)
        progress.add(one)
        before = one.sha256
    return progress


def way(progress: Progress, **choice: Any) -> str:
    """Return how the run would read the dataset: `check` or `sum`."""
    scope, readings = read_scope(Choice(paths=[MANIFEST], **choice)), FileCache()
    resolved = resolve(scope.manifest.datasets["d"])
    return "sum" if planned_checks(scope, progress, readings)(resolved) == readings.metadata else "check"


def test_data_of_another_length_than_the_last_jobs_is_checked_at_once() -> None:
    failed: list[Fact] = [
        UploadSucceeded(retrain_job_id=JOB, proof="store"),
        TrainingFailed(retrain_job_id=JOB, status="fail", message="no"),
    ]
    same = progress_of(("one", [*sent(len(ROWS)), *failed]))
    other = progress_of(("one", [*sent(7), *failed]))
    assert (way(same, select=["one"]), way(other, select=["one"])) == ("sum", "check")
    assert way(same, select=["one"], force=True) == "check"
    assert way(same) == "check"  # the other model has no job yet


def test_a_job_in_flight_is_gone_on_with_and_its_data_is_not_checked() -> None:
    flying = progress_of(("one", sent(7)))
    assert way(flying, select=["one"]) == "sum"


def test_a_plan_without_readings_of_a_run_has_its_own(passes: list[str]) -> None:
    planned = plan_models(read_scope(Choice(paths=[MANIFEST])), Progress())
    assert passes == ["check_file"]
    assert {one.dataset_sha256 for one in planned.plans} != {None}


def test_an_interrupt_does_not_wait_for_the_files_that_are_being_read() -> None:
    reading, over, waited_for = Event(), Event(), Event()

    def look(file: ResolvedFile) -> FileMetadata:
        reading.set()
        if not over.wait(5):
            waited_for.set()
        return FileMetadata(source=file.source, sha256="", bytes=0)

    def interrupt() -> None:
        reading.wait(5)
        signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

    scope = read_scope(Choice(paths=[MANIFEST]))
    Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        digests(scope.manifest, scope.models, FileCache(), lambda _resolved: look)
    over.set()
    assert not waited_for.is_set()

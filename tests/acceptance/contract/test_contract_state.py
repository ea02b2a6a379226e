"""The state folder: two runs at once, a lost journal, changed bytes; and how much of a manifest one run takes on."""

import json
import random
import re
import time
from collections.abc import Iterator
from errno import EACCES
from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from tests.acceptance.contract.contract_project import AUTO, Project, finish, rows, threshold, wait_until
from tests.fakes.result_files import result
from tests.fakes.two_port_records import documented
from tests.fakes.two_port_service import TwoPortService

AUC = {"metric": "auc", "min": 0.80}


def test_the_second_of_two_runs_at_once_stops_and_names_the_first(project: Project) -> None:
    model = project.add("churn")
    model.training = True
    first = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
    second = project.run()
    assert second.code == 6
    assert str(first.pid) in second.err
    run_id = next(folder.name for folder in (project.state / "runs").iterdir() if folder.is_dir())
    assert run_id in second.err
    assert project.retrain("plan", "models.yaml").code == project.retrain("status").code == 0
    model.training = False
    assert finish(first).code == 0
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_a_run_that_may_wait_for_the_lock_comes_after_the_first(project: Project) -> None:
    model = project.add("churn")
    model.training = True
    first = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
    second = project.start("run", "models.yaml", "--lock-timeout", "30s")
    time.sleep(0.5)
    model.training = False
    assert (finish(first).code, finish(second).code) == (0, 0)
    assert project.outcomes() == {"churn": "unchanged"}
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_runs_started_together_train_once(project: Project) -> None:
    project.add("churn")
    started = [project.start("run", "models.yaml") for _ in range(4)]
    codes = sorted(finish(process).code for process in started)
    assert 0 in codes
    assert set(codes) <= {0, 6}
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_a_journal_that_is_gone_while_its_runs_are_there_is_a_state_conflict(project: Project) -> None:
    project.add("churn")
    project.run()
    (project.state / "journal.sqlite3").unlink()
    before = len(project.service.log)
    for command in (("run", "models.yaml"), ("plan", "models.yaml"), ("verify",), ("status",)):
        finished = project.retrain(*command)
        assert finished.code == 7, command
        assert "journal" in finished.err
    assert len(project.service.log) == before
    assert not (project.state / "journal.sqlite3").exists()


def test_a_truncated_journal_is_a_state_conflict_and_starts_nothing(project: Project) -> None:
    project.add("churn")
    project.run()
    journal = project.state / "journal.sqlite3"
    journal.write_bytes(b"")
    before = len(project.service.log)
    assert project.run().code == 7
    assert len(project.service.log) == before


@pytest.fixture(scope="module")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project after a run with a switched, a held and a failed model."""
    service = TwoPortService()
    project = Project(folder=tmp_path_factory.mktemp("audited") / "project", service=service)
    project.add("churn", policy=threshold(AUC))
    project.add("held", policy=threshold(AUC), results=[result(AUC="0.1")])
    project.add("failed").ends = ["job_failed"]
    try:
        project.run()
        yield project
    finally:
        service.close()


def test_verify_finds_nothing_wrong_with_what_a_run_left(finished_project: Project) -> None:
    finished = finished_project.retrain("verify")
    assert finished.code == 0, finished.out
    assert finished_project.retrain("verify", "latest").code == 0


@pytest.mark.parametrize(
    "name", ["report.json", "report.md", "report.html", "journal.jsonl", "results/churn/result.zip"]
)
def test_one_flipped_byte_in_any_file_of_a_run_is_found_and_named(finished_project: Project, name: str) -> None:
    path = (finished_project.state / "runs" / "latest" / name).resolve()
    original = path.read_bytes()
    _flip(path, random.Random(name).randrange(len(original)))  # noqa: S311 - any byte will do
    try:
        finished = finished_project.retrain("verify")
    finally:
        path.write_bytes(original)
    assert finished.code == 7
    assert path.name in finished.out + finished.err


def test_a_file_that_is_gone_is_found_and_named(finished_project: Project) -> None:
    path = finished_project.state / finished_project.entry("held")["result"]["path"]
    original = path.read_bytes()
    path.unlink()
    try:
        finished = finished_project.retrain("verify")
    finally:
        path.write_bytes(original)
    assert finished.code == 7
    assert str(path.name) in finished.out + finished.err


@pytest.mark.parametrize("word", [b"job_finished", b'"switch"', b"0.9", b"churn.csv", b"upload_intended"])
def test_a_changed_word_in_the_journal_is_found_by_verify(finished_project: Project, word: bytes) -> None:
    path = finished_project.state / "journal.sqlite3"
    original = path.read_bytes()
    place = original.find(word)
    assert place >= 0
    _flip(path, place + 1)
    try:
        verified = finished_project.retrain("verify")
    finally:
        path.write_bytes(original)
    assert verified.code == 7
    assert "journal" in verified.out + verified.err or "event" in verified.out + verified.err


def test_a_change_of_what_a_run_continues_from_stops_it(finished_project: Project) -> None:
    """The events before the checkpoint are not read by a run; the record that vouches for it is."""
    path = finished_project.state / "journal.sqlite3"
    original, before = path.read_bytes(), len(finished_project.service.log)
    checkpoint = finished_project.state / "checkpoint" / "a"
    assert checkpoint.is_file()
    _flip(path, original.rfind(b"report_written") + 1)
    try:
        ran = finished_project.run()
    finally:
        path.write_bytes(original)
    assert (ran.code, len(finished_project.service.log)) == (7, before)
    whole = checkpoint.read_bytes()
    _flip(checkpoint, len(whole) // 2)
    try:
        status, verified = finished_project.retrain("status", "--format", "json"), finished_project.retrain("verify")
    finally:
        checkpoint.write_bytes(whole)
    assert finished_project.retrain("status", "--format", "json").out == status.out, "the whole journal was read"
    assert (status.code, verified.code) == (0, 7)


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_only_selected_models_take_part(project: Project) -> None:
    project.add("churn", tags=["daily", "marketing"])
    project.add("wine", tags=["daily"])
    project.add("diabetes")
    assert project.run("--select", "churn").code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert project.run("--select", "tag:daily").code == 0
    assert project.outcomes() == {"churn": "unchanged", "wine": "switched"}
    assert project.service.calls("diabetes") == []


@pytest.mark.parametrize("selector", ["chrun", "tag:dayly", "tag:", ""])
def test_a_selector_that_names_nothing_is_wrong_usage_and_leaves_no_trace(project: Project, selector: str) -> None:
    project.add("churn", tags=["daily"])
    assert project.run("--select", selector).code == 2
    assert project.service.log == []
    assert not project.state.exists()


def test_no_more_models_are_switched_than_the_limit_allows(project: Project) -> None:
    for name in ("churn", "wine", "diabetes"):
        project.add(name)
    project.manifest["limits"]["switches_per_run"] = 1
    project.save()
    counts = []
    for _ in range(3):
        assert project.run().code == 0
        counts.append(len(project.service.switched))
    assert counts == [1, 2, 3]
    assert [len(project.service.accepted(name)) for name in ("churn", "wine", "diabetes")] == [1, 1, 1]


def test_after_too_many_failures_no_further_model_is_started(project: Project) -> None:
    for number in range(6):
        project.add(f"model{number}").always["upload_url"] = documented("This model may be deleted.")
    project.manifest["limits"] |= {"stop_after_failures": 2, "parallel": 1}
    project.save()
    assert project.run().code == 1
    assert list(project.outcomes().values()) == ["failed"] * 2 + ["skipped"] * 4
    assert len(project.service.log) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [("api_key: literal", 3), ("modles: {}", 3), ("version: 2", 3), ("version: 1\nversion: 1", 3), ("", 3)],
)
def test_a_manifest_with_an_error_starts_nothing(project: Project, change: str, code: int) -> None:
    project.add("churn")
    (project.folder / "models.yaml").write_text(change, encoding="utf-8")
    finished = project.run()
    assert finished.code == code
    assert "models.yaml" in finished.err
    assert project.service.log == []
    assert not project.state.exists()


def test_status_tells_what_serves_and_what_waits(project: Project) -> None:
    project.add("served")
    project.add("waiting", policy={"type": "manual"})
    project.run()
    out = project.retrain("status").out
    [served] = project.service.switches("served")
    assert served[:8] in out
    assert project.entry("waiting")["retrain_job_id"][:8] in out


def test_a_run_folder_that_cannot_be_listed_is_a_finding_that_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is made up: no permission stops the superuser, whom these tests may run as."""
    project.add("churn")
    project.run()
    latest = (project.state / "runs" / "latest").resolve()
    listed = Path.iterdir
    for folder in (latest, latest / "results"):

        def iterdir(path: Path, refused: Path = folder) -> Iterator[Path]:
            if path == refused:
                raise PermissionError(EACCES, "Permission denied", str(path))
            return listed(path)

        monkeypatch.setattr(Path, "iterdir", iterdir)
        [found] = verify(str(project.state), None).findings
        assert (found.where, found.what) == (str(folder), "cannot be read: Permission denied")


def test_moments_in_the_json_of_status_are_rfc_3339_in_utc(project: Project) -> None:
    project.add("served")
    project.run()
    [model] = json.loads(project.retrain("status", "--format", "json").out)["models"]
    for key in ("incumbent_since", "last_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", model[key])


def test_a_model_whose_data_comes_back_is_trained_again_only_once(project: Project) -> None:
    """Data A, then B, then A again: the third content was uploaded before, and the incumbent is B's."""
    project.add("churn", policy=AUTO)
    for seed in (0, 1, 0):
        project.write_data("churn", rows(seed=seed))
        assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert project.service.accepted("churn") == [rows(), rows(seed=1), rows()]


@pytest.mark.parametrize("place", ["file", "unwritable/below/file"])
def test_a_state_that_cannot_be_a_folder_is_a_state_conflict(project: Project, place: str) -> None:
    project.add("churn")
    top = project.folder / Path(place).parts[0]
    top.write_bytes(b"")
    finished = project.retrain("run", "models.yaml", "--state", str(project.folder / place))
    assert finished.code == 7
    assert "--state" in finished.err
    assert project.service.log == []

"""Runs that end in the middle: by signals, by kill -9 at every call, and by answers that never came."""

import random
import signal
import sqlite3
import subprocess
import time

import pytest

from tests.acceptance.contract.contract_project import Project, finish, interrupt, wait_for_training, wait_until
from tests.fakes.loopback_port import Answer, Moment
from tests.fakes.two_port_records import Call, ScriptedModel

QUICK = 2  # seconds a signed URL lives, so that a lost upload is known soon
KILL_POINTS: list[tuple[str, Moment]] = [
    (name, moment) for name in ("upload_url", "put", "status", "download", "switch") for moment in ("arrived", "done")
]


def _training(project: Project) -> ScriptedModel:
    model = project.add("churn")
    model.training = True
    return model


def _start_training(project: Project) -> subprocess.Popen[bytes]:
    """Start a run and wait until the service trains."""
    process = project.start("run", "models.yaml")
    wait_for_training(project, "churn")
    return process


def _assert_went_on_with_the_same_job(project: Project) -> None:
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "upload_url")) == 1
    assert len(project.service.calls("churn", "put")) == len(project.service.accepted("churn")) == 1
    assert len(project.service.switches("churn")) == 1
    assert project.retrain("verify").code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_training_ends_the_run_with_its_code_and_the_next_goes_on(
    project: Project, number: signal.Signals, code: int
) -> None:
    model = _training(project)
    began = time.monotonic()
    finished = interrupt(_start_training(project), number)
    assert finished.code == code
    assert time.monotonic() - began < 30
    assert project.outcomes() == {"churn": "training"}
    assert project.report()["exit_code"] == code
    model.training = False
    _assert_went_on_with_the_same_job(project)


def test_kill_9_while_training_loses_nothing(project: Project) -> None:
    model = _training(project)
    process = _start_training(project)
    process.kill()
    process.communicate()
    model.training = False
    _assert_went_on_with_the_same_job(project)
    folders = [folder for folder in (project.state / "runs").iterdir() if not folder.is_symlink()]
    assert len([folder for folder in folders if (folder / "report.json").exists()]) == 2


def _kill_at(project: Project, name: str, moment: Moment) -> None:
    """Run once and kill the process while the service holds its call."""
    process = project.start("run", "models.yaml")

    def kill(call: Call, now: Moment) -> None:
        if (call.name, now) == (name, moment) and (name != "status" or project.service.accepted("churn")):
            process.kill()
            process.wait()

    project.service.watch = kill
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    project.service.watch = lambda _call, _moment: None


@pytest.mark.parametrize(("name", "moment"), KILL_POINTS)
def test_kill_9_at_any_call_leads_to_one_training_and_one_switch(project: Project, name: str, moment: Moment) -> None:
    project.service.lists_classifiers = True
    model = project.add("churn")
    model.url_seconds = QUICK
    _kill_at(project, name, moment)
    finished = project.run()
    assert finished.code == 0, finished.err
    assert project.outcomes()["churn"] in ("switched", "unchanged")
    assert len(project.service.accepted("churn")) == 1
    assert len(project.service.switches("churn")) == 1
    assert project.retrain("verify").code == 0


def test_kill_9_at_ten_random_moments_leads_to_one_training_and_one_switch_of_each_model(project: Project) -> None:
    project.service.lists_classifiers = True
    names = ("churn", "wine", "diabetes")
    for name in names:
        model = project.add(name)
        model.url_seconds, model.readings = QUICK, 4
    seed = random.randrange(1 << 32)  # noqa: S311 - as below
    rng = random.Random(seed)  # noqa: S311 - moments to kill at, told when the test fails
    for _ in range(10):
        process = project.start("run", "models.yaml")
        time.sleep(rng.uniform(0.2, 2.5))
        process.kill()
        process.communicate()
    finished = project.run()
    assert finished.code == 0, (seed, finished.err)
    for name in names:
        assert len(project.service.accepted(name)) == 1, (seed, name)
        assert len(project.service.switches(name)) == 1, (seed, name)
    assert project.retrain("verify").code == 0, seed


def test_intents_are_durable_before_their_requests_leave(project: Project) -> None:
    project.add("churn")
    events: dict[str, str] = {}

    def look(call: Call, moment: Moment) -> None:
        if moment == "arrived" and call.name in ("put", "switch"):
            with sqlite3.connect(f"file:{project.state}/journal.sqlite3?mode=ro", uri=True) as journal:
                bodies = [body for (body,) in journal.execute("SELECT body FROM events ORDER BY seq")]
            events[call.name] = b"\n".join(bodies).decode()

    project.service.watch = look
    assert project.run().code == 0
    put, switch = project.service.calls("churn", "put")[0], project.service.calls("churn", "switch")[0]
    assert put.job in events["put"]
    assert project.entry("churn")["dataset"]["sha256"] in events["put"]
    assert project.entry("churn")["decision"]["candidate_sha256"] in events["switch"]
    assert events["switch"].count(switch.job) > events["put"].count(put.job)


def test_two_signals_end_the_process_at_once_and_the_next_run_goes_on(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("put", Answer(delay=3.0))
    process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.calls("churn", "put")), what="the upload")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    finished = interrupt(process, signal.SIGTERM)
    assert finished.code in (-signal.SIGTERM, 143)
    wait_until(lambda: bool(project.service.accepted("churn")), what="the end of the upload")
    assert project.run().code == 0
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_a_signal_during_an_upload_lets_it_finish_and_starts_nothing_new(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("put", Answer(delay=1.0))
    process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.calls("churn", "put")), what="the upload")
    assert interrupt(process, signal.SIGTERM).code == 143
    assert project.outcomes() == {"churn": "training"}
    calls = [call.name for call in project.service.calls("churn")]
    assert calls[-1] == "put"
    assert finish(project.start("run", "models.yaml")).code == 0
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_a_signal_does_not_wait_for_a_service_that_is_silent(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("upload_url", Answer(delay=20.0))
    process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.calls("churn", "upload_url")), what="the first call")
    began = time.monotonic()
    assert interrupt(process, signal.SIGINT).code == 130
    assert time.monotonic() - began < 10
    assert project.run().code == 0
    assert len(project.service.accepted("churn")) == len(project.service.switches("churn")) == 1


def test_a_reader_who_goes_away_does_not_change_the_result(project: Project) -> None:
    project.add("churn")
    process = project.start("run", "models.yaml")
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    assert process.wait(60) == 0
    assert project.outcomes() == {"churn": "switched"}
    assert project.report()["exit_code"] == 0


def test_an_upload_that_arrives_late_is_still_found_within_the_quarantine(project: Project) -> None:
    """The process dies while its upload is on its way; the store takes it only after the URL's expiry."""
    project.manifest["service"]["quarantine"] = "4s"
    model = project.add("churn")
    model.url_seconds = QUICK
    model.next_answer("put", Answer(delay=4.0))
    _kill_at(project, "put", "arrived")
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "put")) == len(project.service.accepted("churn")) == 1

"""The table of exit codes, a row a test, through the real command; and which of two codes wins."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from runner.errors import EXIT_TABLE, ExitCode
from tests.acceptance.contract.contract_project import (
    ROOT,
    Finished,
    Project,
    finish,
    interrupt,
    threshold,
    wait_until,
)
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result

AUC = threshold({"metric": "auc", "min": 0.80})
BROKEN_STATUS = """
import runner.app.queries.status

def status(_state, **_options):
    raise ZeroDivisionError("planted")

runner.app.queries.status.status = status
"""


def _add_held(project: Project) -> None:
    project.add("held", policy=AUC, results=[result(AUC="0.1")])


def _add_failed(project: Project) -> None:
    project.add("failed")
    project.data_file("failed").write_text("")


def _add_unfinished(project: Project) -> None:
    project.add("unfinished", wait={"timeout": "1s", "poll": "100ms"}).training = True


def _add_unknown(project: Project) -> None:
    project.add("unknown").next_answer("switch", Answer(lost="done"))


def _run_with(*adding: Callable[[Project], None]) -> Callable[[Project], Finished]:
    def run(project: Project) -> Finished:
        for add in adding:
            add(project)
        return project.run()

    return run


def _all_done(project: Project) -> Finished:
    project.add("churn")
    return project.run()


def _no_model_selected(project: Project) -> Finished:
    project.add("churn")
    return project.run("--select", "sales")


def _invalid(project: Project) -> Finished:
    project.add("churn", polcy="auto")
    return project.run()


def _locked(project: Project) -> Finished:
    model = project.add("churn")
    model.training = True
    first = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
    second = project.run()
    model.training = False
    assert finish(first).code == 0
    return second


def _tampered(project: Project) -> Finished:
    project.add("churn")
    assert project.run().code == 0
    report = project.state / "runs" / "latest" / "report.json"
    report.write_bytes(report.read_bytes().replace(b"switched", b"Switched", 1))
    return project.retrain("verify")


def _bug(project: Project) -> Finished:
    (project.folder / "home" / "sitecustomize.py").write_text(BROKEN_STATUS, encoding="utf-8")
    project.environment["PYTHONPATH"] = f"{project.folder / 'home'}:{ROOT}"
    finished = project.retrain("status")
    assert "ZeroDivisionError" in finished.err
    return finished


def _stopped_by(number: signal.Signals) -> Callable[[Project], Finished]:
    def stopped(project: Project) -> Finished:
        project.add("churn").training = True
        process = project.start("run", "models.yaml")
        wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
        return interrupt(process, number)

    return stopped


ROWS: Mapping[ExitCode, Callable[[Project], Finished]] = {
    ExitCode.OK: _all_done,
    ExitCode.FAILED: _run_with(_add_failed),
    ExitCode.USAGE: _no_model_selected,
    ExitCode.MANIFEST: _invalid,
    ExitCode.HELD: _run_with(_add_held),
    ExitCode.UNFINISHED: _run_with(_add_unfinished),
    ExitCode.LOCKED: _locked,
    ExitCode.STATE: _tampered,
    ExitCode.UNKNOWN: _run_with(_add_unknown),
    ExitCode.BUG: _bug,
    ExitCode.INTERRUPTED: _stopped_by(signal.SIGINT),
    ExitCode.TERMINATED: _stopped_by(signal.SIGTERM),
}


@pytest.mark.parametrize("code", EXIT_TABLE, ids=lambda code: str(int(code)))
def test_a_row_of_the_exit_table_is_what_the_command_ends_with(project: Project, code: ExitCode) -> None:
    finished = ROWS[code](project)
    assert finished.code == code, finished.err


@pytest.mark.parametrize(
    ("adding", "code"),
    [
        ((_add_held, _add_unfinished, _add_failed), 1),
        ((_add_held, _add_unfinished, _add_failed, _add_unknown), 8),
    ],
    ids=["1 above 5 and 4", "8 above 1"],
)
def test_of_several_codes_the_first_of_the_order_wins(
    project: Project, adding: tuple[Callable[[Project], None], ...], code: int
) -> None:
    finished = _run_with(*adding)(project)
    assert finished.code == code, finished.err
    assert project.outcomes() == {
        name: "training" if name == "unfinished" else name for name in project.manifest["models"]
    }


@contextmanager
def inherited(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    """Let the commands that are started inherit how a signal is taken."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_hangup_leaves_the_run_unfinished(project: Project) -> None:
    with inherited(signal.SIGHUP, signal.SIG_DFL):
        assert _stopped_by(signal.SIGHUP)(project).code == 5


def test_a_hangup_before_any_model_is_driven_ends_as_unfinished_too(project: Project) -> None:
    """A program in the place of git is asked about the manifest before anything else is done."""
    git = project.folder / "git"
    git.write_text('#!/bin/sh\n: > "$HOME/asked"\nexec sleep 60\n', encoding="utf-8")
    git.chmod(0o700)
    project.add("churn")
    project.environment["PATH"] = f"{project.folder}:{os.environ['PATH']}"
    (project.folder / ".git").mkdir()  # without one git is not asked
    with inherited(signal.SIGHUP, signal.SIG_DFL):
        process = project.start("run", "models.yaml")
    wait_until((project.folder / "home" / "asked").exists, what="the question")
    ended = interrupt(process, signal.SIGHUP)
    assert ended.code == 5
    assert "Ended by SIGHUP." in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(project: Project, number: signal.Signals) -> None:
    """`nohup` starts a program so, and a shell a background job of a script."""
    model = project.add("churn")
    model.training = True
    with inherited(number, signal.SIG_IGN):
        process = project.start("run", "models.yaml")
    wait_until(lambda: bool(project.service.accepted("churn")), what="the upload")
    process.send_signal(number)
    model.training = False
    assert finish(process).code == 0

"""Decisions from a second process while `retrain run` holds the state. The judge is the service's log."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.contract.contract_project import Finished, Project, finish, interrupt, rows, wait_until
from tests.fakes.two_port_records import Call, documented

ASK = {"type": "manual"}


@pytest.fixture
def waiting(project: Project) -> Project:
    """Return a project whose model `fast` waits for a person, while `slow` has new data to train on."""
    project.add("fast", policy=ASK)
    assert project.run().code == 0
    project.add("slow").training = True
    return project


@contextmanager
def running(project: Project, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a run that waits for the training of `slow`, which ends with the block."""
    before = len(project.service.calls("slow", "put"))
    process = project.start("run", "models.yaml", *arguments)
    wait_until(lambda: len(project.service.calls("slow", "put")) > before, what="the training of slow")
    wait_until(lambda: len(project.service.calls("slow", "status")) > 5, what="polls after the last commit")
    try:
        yield process
    finally:
        project.service.models["slow"].training = False
        if process.stdout is not None and not process.stdout.closed:
            process.send_signal(signal.SIGCONT)
            finish(process)


def decide(project: Project, command: str, model: str, *arguments: str) -> Finished:
    yes = [] if command == "resolve" else ["--yes"]
    return project.retrain(command, model, "--reason", "seen by the team", *yes, *arguments)


def test_an_approval_is_switched_by_the_run_that_holds_the_state(waiting: Project) -> None:
    with running(waiting) as process:
        approved = decide(waiting, "approve", "fast")
        assert approved.code == 0, approved.err
        assert process.poll() is None  # the run is still on
        assert len(waiting.service.switches("fast")) == 1
        assert "holds the state" in approved.err
        assert approved.out.startswith("fast: switched, by run ")
    assert len(waiting.service.switches("fast")) == 1
    assert waiting.outcomes() == {"slow": "switched", "fast": "switched"}
    assert waiting.entry("fast")["decision"]["approval"]["reason"] == "seen by the team"
    assert list((waiting.state / "inbox").iterdir()) == []
    assert waiting.retrain("verify").code == 0


def test_rejection_rollback_adoption_and_resolution_are_carried_out_too(waiting: Project) -> None:
    waiting.manifest["policies"]["fast"] = {"type": "auto"}
    waiting.save()
    for seed in (1, 2):
        waiting.write_data("fast", rows(seed=seed))
        waiting.retrain("run", "models.yaml", "--select", "fast")
    first, second = waiting.service.switches("fast")
    waiting.manifest["policies"]["fast"] = ASK
    waiting.save()
    waiting.write_data("fast", rows(seed=3))
    with running(waiting) as process:
        wait_until(lambda: "waits" in waiting.retrain("status").out, what="a candidate of fast")
        for command, *arguments in (
            ["reject", "fast"],
            ["rollback", "fast"],
            ["adopt", "fast", "--metric", "auc=0.8"],
            ["resolve", "slow", "--as", "abandoned"],
        ):
            done = decide(waiting, command, *arguments)
            assert done.code == 0, (command, done.err)
            assert ", by run " in done.out
        finish(process)
    assert waiting.service.switches("fast") == [first, second, first]
    assert waiting.outcomes() == {"slow": "skipped", "fast": "unchanged"}
    status = json.loads(waiting.retrain("status", "--format", "json").out)
    [fast] = [model for model in status["models"] if model["name"] == "fast"]
    assert (fast["incumbent_known"], status["pending"]) == ("stated", [])
    assert waiting.retrain("verify").code == 0


def test_a_decision_that_holds_no_more_is_refused_with_the_commands_own_exit_code(waiting: Project) -> None:
    waiting.service.models["fast"].next_answer("switch", documented("Model not found."))
    with running(waiting):
        failed = decide(waiting, "approve", "fast")
        assert failed.code == 1
        assert "fast: failed, by run " in failed.out
        again = decide(waiting, "approve", "fast", "--no-wait")
        assert again.code == 0
        wait_until(lambda: not list((waiting.state / "inbox").iterdir()), what="the second decision")
    assert len(waiting.service.calls("fast", "switch")) == 2


def test_without_a_wait_it_is_left_and_status_shows_it(waiting: Project) -> None:
    with running(waiting) as process:
        process.send_signal(signal.SIGSTOP)
        left = decide(waiting, "approve", "fast", "--no-wait")
        assert (left.code, "left in the inbox" in left.out) == (0, True)
        late = decide(waiting, "reject", "fast", "--lock-timeout", "300ms")
        assert late.code == 5
        shown = waiting.retrain("status").out
        assert "pending: approve fast by " in shown
        assert "next: retrain approve fast" not in shown
        assert "(seen by the team); the current run or the next one carries it out" in shown
        checked = waiting.retrain("verify")
        assert "is a decision that waits in the inbox" in checked.out + checked.err
        process.send_signal(signal.SIGCONT)
    assert len(waiting.service.switches("fast")) == 1
    assert "pending" not in waiting.retrain("status").out


def test_ctrl_c_takes_a_decision_back(waiting: Project) -> None:
    with running(waiting) as process:
        process.send_signal(signal.SIGSTOP)
        deciding = waiting.start("approve", "fast", "--reason", "seen", "--yes")
        wait_until(lambda: bool(list(waiting.state.glob("inbox/*.json"))), what="the decision")
        ended = interrupt(deciding, signal.SIGINT)
        assert (ended.code, "is withdrawn: nothing was done" in ended.out) == (130, True)
        process.send_signal(signal.SIGCONT)
    assert waiting.service.switches("fast") == []


def test_a_command_that_waits_carries_its_decision_out_when_the_run_is_killed(waiting: Project) -> None:
    with running(waiting) as process:
        process.send_signal(signal.SIGSTOP)
        deciding = waiting.start("approve", "fast", "--reason", "seen", "--yes")
        wait_until(lambda: bool(list(waiting.state.glob("inbox/*.json"))), what="the decision")
        process.kill()
        done = finish(deciding)
    assert done.code == 0, done.err
    assert len(waiting.service.switches("fast")) == 1
    assert waiting.run().code == 0
    assert len(waiting.service.switches("fast")) == 1
    assert list((waiting.state / "inbox").iterdir()) == []


def test_what_a_killed_run_left_is_carried_out_by_the_next(waiting: Project) -> None:
    with running(waiting) as process:
        process.send_signal(signal.SIGSTOP)
        assert decide(waiting, "approve", "fast", "--no-wait").code == 0
        process.kill()
    told = waiting.retrain("adopt", "slow", "--metric", "auc=0.7", "--reason", "seen", "--yes")
    assert "1 other decision waits in the inbox" in told.err
    assert waiting.run().code == 0
    assert len(waiting.service.switches("fast")) == 1


def test_two_people_who_decide_at_once_get_one_switch_and_one_refusal(waiting: Project) -> None:
    with running(waiting) as process:
        process.send_signal(signal.SIGSTOP)
        both = [
            waiting.start(command, "fast", "--reason", "seen", "--yes", "--lock-timeout", "30s")
            for command in ("approve", "approve")
        ]
        wait_until(lambda: len(list(waiting.state.glob("inbox/*.json"))) == 2, what="both decisions")
        process.send_signal(signal.SIGCONT)
        ended = [finish(process) for process in both]
    assert sorted(done.code for done in ended) in ([0, 2], [0, 7]), [done.err for done in ended]
    assert len(waiting.service.switches("fast")) == 1


def test_an_interrupted_run_leaves_the_decision_to_the_command_that_waits(waiting: Project) -> None:
    with running(waiting) as process:
        deciding: list[subprocess.Popen[bytes]] = []

        def watch(call: Call, moment: str) -> None:
            if (call.name, call.owner, moment) == ("switch", "fast", "arrived"):
                process.send_signal(signal.SIGTERM)

        waiting.service.watch = watch
        deciding.append(waiting.start("approve", "fast", "--reason", "seen", "--yes"))
        assert finish(process).code == 143
        assert finish(deciding[0]).code == 0
    assert len(waiting.service.switches("fast")) == 1

"""A rollback, and the nights after it. The judge is the service's log."""

import json
import os
import signal

import pytest

from tests.acceptance.contract.contract_project import AUTO, Project, finish, rows
from tests.fakes.loopback_port import Answer, Moment
from tests.fakes.two_port_records import Call, documented


@pytest.fixture
def served(project: Project) -> Project:
    """Return a project whose model was switched twice: to the job of seed 0, then to that of seed 1."""
    project.add("churn")
    for seed in range(2):
        project.write_data("churn", rows(seed=seed))
        assert project.run().code == 0
    assert len(project.service.switches("churn")) == 2
    return project


def counted(project: Project) -> tuple[int, int]:
    """Return how many uploads and switches the service saw."""
    return len(project.service.calls(name="put")), len(project.service.calls(name="switch"))


def test_a_rollback_switches_once_to_the_job_before_and_is_in_the_report(served: Project) -> None:
    first, second = served.service.switches("churn")
    finished = served.retrain("rollback", "churn", "--yes", "--reason", "off since Monday")
    assert finished.code == 0, finished.err
    assert served.service.switches("churn") == [first, second, first]
    rollback = served.entry("churn")["decision"]["rollback"]
    assert (rollback["from_job_id"], rollback["reason"]) == (second, "off since Monday")
    assert "whether the service still has that job" in rollback["unverified"]
    assert "Not verified: whether the service still has that job" in finished.out
    assert served.entry("churn")["retrain_job_id"] == first
    status = json.loads(served.retrain("status", "--format", "json").out)["models"][0]
    assert (status["incumbent"], status["rolled_back_from"]) == (first, second)
    assert served.retrain("verify").code == 0
    for name in ("report.md", "report.html"):
        text = (served.newest / name).read_text("utf-8")
        assert second[:8] in text
        assert "off since Monday" in text


def test_the_nights_after_a_rollback_send_nothing_whatever_the_manifest_says_of_retraining(served: Project) -> None:
    served.retrain("rollback", "churn", "--yes", "--reason", "off")
    log = len(served.service.log)
    for retrain in ({"when": "changed"}, {"when": "always"}, {"max_age": "1s"}):
        served.manifest["models"]["churn"]["retrain"] = retrain
        served.save()
        assert served.run().code == 0
        assert served.outcomes() == {"churn": "unchanged"}
    assert len(served.service.log) == log
    served.write_data("churn", rows(seed=2))
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "switched"}


def test_a_rollback_restores_our_job_straight_after_a_switch_by_hand(served: Project) -> None:
    first, second = served.service.switches("churn")
    served.service.publish_by_hand("churn")
    restored = served.retrain("rollback", "churn", "--to", second, "--yes", "--reason", "ours is better")
    assert restored.code == 0, restored.err
    assert "switched to it once more (ours is better)" in restored.out
    assert served.service.switches("churn") == [first, second, second]
    assert served.retrain("verify").code == 0


def test_a_rollback_to_a_job_that_never_served_is_refused_with_those_that_did(project: Project) -> None:
    project.add("churn", policy={"type": "manual"})
    project.run()
    held = project.entry("churn")["retrain_job_id"]
    project.manifest["policies"]["churn"] = dict(AUTO)
    project.save()
    for seed in (1, 2):
        project.write_data("churn", rows(seed=seed))
        project.run()
    before = counted(project)
    finished = project.retrain("rollback", "churn", "--yes", "--to", held, "--reason", "off")
    assert (finished.code, "has never served" in finished.err) == (2, True)
    assert project.service.switches("churn")[0] in finished.err
    assert (
        project.retrain("rollback", "churn", "--to", project.service.switches("churn")[-1], "--reason", "x").code == 2
    )
    assert project.retrain("rollback", "churn", "--yes", "--reason", " ").code == 2
    assert counted(project) == before


def test_rolling_back_twice_goes_further_back_and_then_ends(served: Project) -> None:
    served.write_data("churn", rows(seed=2))
    served.run()
    first, second, third = served.service.switches("churn")
    for expected in (second, first):
        assert served.retrain("rollback", "churn", "--yes", "--reason", "off").code == 0
        assert served.service.switched[-1] == expected
    finished = served.retrain("rollback", "churn", "--yes", "--reason", "off")
    assert (finished.code, third in finished.err) == (2, True)


def test_a_stored_result_with_other_bytes_stops_a_rollback_and_a_missing_one_is_told(served: Project) -> None:
    # By time: the names of two runs within one second are in no order.
    oldest = min(served.state.glob("runs/2*/results/churn/*"), key=lambda one: one.stat().st_mtime_ns)
    content = oldest.read_bytes()
    oldest.write_bytes(content + b"x")
    before = counted(served)
    assert served.retrain("rollback", "churn", "--yes", "--reason", "off").code == 7
    assert counted(served) == before
    oldest.unlink()
    assert served.retrain("rollback", "churn", "--yes", "--reason", "off").code == 0
    assert "its stored result, which is gone" in served.entry("churn")["decision"]["rollback"]["unverified"]


def test_a_rollback_that_the_service_refuses_fails_and_is_not_tried_again_by_a_run(served: Project) -> None:
    served.service.models["churn"].next_answer("switch", documented("Not found retrain job."))
    finished = served.retrain("rollback", "churn", "--yes", "--reason", "off")
    assert finished.code == 1
    assert served.outcomes() == {"churn": "failed"}
    switches = len(served.service.calls(name="switch"))
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "unchanged"}
    assert len(served.service.calls(name="switch")) == switches


def test_a_kill_between_the_rollbacks_intent_and_its_answer_leads_to_one_switch(served: Project) -> None:
    served.service.lists_classifiers = True
    first, second = served.service.switches("churn")
    pids: list[int] = []

    def kill(call: Call, moment: Moment) -> None:
        if call.name == "switch" and moment == "done" and pids:
            os.kill(pids.pop(), signal.SIGKILL)

    served.service.watch = kill
    process = served.start("rollback", "churn", "--yes", "--reason", "off")
    pids.append(process.pid)
    assert finish(process).code == -signal.SIGKILL
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "switched"}
    assert served.service.switches("churn") == [first, second, first]
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "unchanged"}
    assert served.retrain("verify").code == 0


def test_an_unclear_rollback_that_cannot_be_read_back_is_closed_by_a_person(served: Project) -> None:
    first, second = served.service.switches("churn")
    served.service.models["churn"].next_answer("switch", Answer(lost="done"))
    assert served.retrain("rollback", "churn", "--yes", "--reason", "off").code == 8
    assert served.run().code == 8
    assert served.retrain("rollback", "churn", "--yes", "--reason", "again").code == 7
    assert served.retrain("resolve", "churn", "--as", "switched", "--reason", "seen").code == 0
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "unchanged"}
    assert served.service.switches("churn") == [first, second, first]


def test_what_was_rolled_back_from_is_approved_again_only_by_force_and_with_a_reason(served: Project) -> None:
    first, second = served.service.switches("churn")
    served.retrain("rollback", "churn", "--yes", "--reason", "off")
    assert served.retrain("approve", "churn", "--yes", "--reason", "fine").code == 7
    assert served.retrain("approve", "churn", "--yes", "--job", second, "--reason", "fine").code == 7
    assert served.retrain("approve", "churn", "--yes", "--job", second, "--force", "--reason", " ").code == 2
    assert served.service.switches("churn") == [first, second, first]
    assert (
        served.retrain("approve", "churn", "--yes", "--job", second, "--force", "--reason", "fine after all").code == 0
    )
    assert served.service.switches("churn") == [first, second, first, second]
    assert served.run().code == 0
    assert served.outcomes() == {"churn": "unchanged"}


def test_a_candidate_older_than_the_incumbent_is_approved_only_by_force_and_with_a_reason(project: Project) -> None:
    rules = {"type": "threshold", "rules": [{"metric": "auc", "min": 0.1}], "on_pass": "ask"}
    project.add("churn", policy=rules)
    project.run()
    older = project.entry("churn")["retrain_job_id"]
    project.write_data("churn", rows(seed=1))
    project.run()
    newer = project.entry("churn")["retrain_job_id"]
    assert project.retrain("approve", "churn", "--yes", "--reason", "ok").code == 0
    assert project.retrain("approve", "churn", "--yes", "--job", older, "--reason", "better").code == 7
    assert project.service.switches("churn") == [newer]
    finished = project.retrain("approve", "churn", "--yes", "--job", older, "--force", "--reason", "better on Sundays")
    assert finished.code == 0, finished.err
    assert project.service.switches("churn") == [newer, older]
    assert project.entry("churn")["decision"]["approval"]["forced"] is True
    assert project.retrain("verify").code == 0
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "unchanged"}
    assert len(project.service.calls(name="switch")) == 2

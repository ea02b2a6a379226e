"""An operator's decision on a candidate: what it switches, and when it is refused."""

import time

import pytest

from tests.acceptance.contract.contract_project import Project, rows


@pytest.fixture
def waiting(project: Project) -> Project:
    """Return a project whose only model waits for approval."""
    project.add("churn", policy={"type": "manual"})
    project.run()
    assert project.outcomes() == {"churn": "awaiting_approval"}
    return project


def test_an_approval_switches_at_once_and_once(waiting: Project) -> None:
    before = len(waiting.service.log)
    assert waiting.retrain("approve", "churn", "--yes", "--reason", "seen by the team").code == 0
    assert [call.name for call in waiting.service.log[before:]] == ["classifiers", "switch"]
    entry = waiting.entry("churn")
    assert entry["outcome"] == "switched"
    assert entry["decision"]["approval"]["reason"] == "seen by the team"
    assert entry["decision"]["approval"]["action"] == "approve"
    assert waiting.run().code == 0
    assert waiting.outcomes() == {"churn": "unchanged"}
    assert waiting.retrain("approve", "churn", "--yes", "--reason", "seen").code == 2
    assert len(waiting.service.calls(name="switch")) == 1


def test_a_rejection_switches_nothing_now_and_later(waiting: Project) -> None:
    assert waiting.retrain("reject", "churn", "--reason", "too old").code == 0
    assert waiting.entry("churn")["decision"]["approval"]["action"] == "reject"
    assert waiting.run().code == 0
    assert waiting.outcomes() == {"churn": "unchanged"}
    assert waiting.service.calls(name="switch") == []


def test_latest_is_the_newest_run_and_never_a_decision(waiting: Project) -> None:
    run = waiting.newest
    assert waiting.retrain("reject", "churn", "--reason", "too old").code == 0
    assert waiting.newest != run
    assert (waiting.state / "runs" / "latest").readlink().name == run.name
    assert run.name in waiting.retrain("report", "latest", "--format", "json").out
    assert f"signed run {run.name}" in signed(waiting)
    assert f'"run_id": "{run.name}"' in waiting.retrain("report", "--format", "json").out
    assert waiting.retrain("verify", "latest").code == 0
    assert waiting.run().code == 0
    assert (waiting.state / "runs" / "latest").readlink().name == waiting.newest.name


def signed(project: Project) -> str:
    project.retrain("audit", "keygen", "audit.key")
    return project.retrain("audit", "sign", "latest", "--key", "audit.key").out


def test_a_rejection_holds_although_another_policy_would_switch(waiting: Project) -> None:
    assert waiting.retrain("reject", "churn", "--reason", "leaks personal data").code == 0
    waiting.manifest["policies"]["churn"] = {"type": "auto"}
    waiting.save()
    for _ in range(2):
        assert waiting.run().code == 0
        assert waiting.outcomes() == {"churn": "unchanged"}
        assert "leaks personal data" in waiting.entry("churn")["reason"]
    assert waiting.service.calls(name="switch") == []


def test_an_approval_of_a_rejected_candidate_needs_force_and_a_reason(waiting: Project) -> None:
    job = waiting.entry("churn")["retrain_job_id"]
    assert waiting.retrain("reject", "churn", "--reason", "leaks personal data").code == 0
    refused = waiting.retrain("approve", "churn", "--yes", "--reason", "it does not")
    assert refused.code == 7
    assert "leaks personal data" in refused.err
    assert waiting.service.calls(name="switch") == []
    assert waiting.retrain("approve", "churn", "--yes", "--job", job, "--force", "--reason", "it does not").code == 0
    assert len(waiting.service.switches("churn")) == 1


def test_an_approval_after_the_policy_changed_is_refused_as_a_state_conflict(waiting: Project) -> None:
    waiting.manifest["policies"]["churn"] = {
        "type": "threshold",
        "rules": [{"metric": "auc", "min": 0.99}],
        "on_fail": "ask",
    }
    waiting.save()
    finished = waiting.retrain("approve", "churn", "--yes", "--reason", "seen")
    assert finished.code == 7
    assert "policy" in finished.err
    assert waiting.service.calls(name="switch") == []
    waiting.run()
    assert waiting.outcomes() == {"churn": "awaiting_approval"}
    assert waiting.retrain("approve", "churn", "--yes", "--reason", "seen").code == 0
    assert len(waiting.service.switches("churn")) == 1


def test_an_approval_of_another_job_than_the_candidates_is_refused(waiting: Project) -> None:
    first = waiting.entry("churn")["retrain_job_id"]
    waiting.write_data("churn", rows(seed=1))
    waiting.run()
    second = waiting.entry("churn")["retrain_job_id"]
    finished = waiting.retrain("approve", "churn", "--yes", "--job", first, "--reason", "seen")
    assert finished.code == 7
    assert second in finished.err
    assert waiting.service.calls(name="switch") == []
    assert waiting.retrain("approve", "churn", "--yes", "--job", second, "--reason", "seen").code == 0
    assert waiting.service.switches("churn") == [second]


def test_an_approval_that_is_only_recorded_leaves_the_switch_to_the_next_run(waiting: Project) -> None:
    assert waiting.retrain("approve", "churn", "--yes", "--record-only", "--reason", "seen").code == 0
    assert waiting.service.calls(name="switch") == []
    assert waiting.run().code == 0
    assert waiting.outcomes() == {"churn": "switched"}
    assert len(waiting.service.switches("churn")) == 1


def test_a_recorded_approval_does_not_outlive_a_change_of_the_policy(waiting: Project) -> None:
    waiting.retrain("approve", "churn", "--yes", "--record-only", "--reason", "seen")
    waiting.manifest["policies"]["churn"] = {"type": "threshold", "rules": [{"metric": "auc", "min": 0.99}]}
    waiting.save()
    assert waiting.run().code == 4
    assert waiting.outcomes() == {"churn": "held"}
    assert waiting.service.calls(name="switch") == []


def test_an_approval_after_its_time_is_refused(project: Project) -> None:
    project.add("churn", policy={"type": "manual", "expires": "1s"})
    project.run()
    time.sleep(1.1)
    assert project.retrain("approve", "churn", "--yes", "--reason", "seen").code == 7
    project.run()
    assert project.outcomes() == {"churn": "held"}
    assert project.service.calls(name="switch") == []


def test_an_approval_of_a_model_nobody_knows_is_wrong_usage(waiting: Project) -> None:
    finished = waiting.retrain("approve", "churm", "--yes", "--reason", "seen")
    assert finished.code == 2
    assert "churm" in finished.err
    assert waiting.service.calls(name="switch") == []

"""Trouble that one run leaves and the next one meets: attempts, deadlines, keys, and servers that are down."""

import socket

import pytest

from tests.acceptance.contract.contract_project import Project, assert_failed, rows, threshold
from tests.fakes.result_files import archive
from tests.fakes.two_port_records import documented

AUC = {"metric": "auc", "min": 0.80}


def test_a_failed_training_is_tried_as_often_as_attempts_allows(project: Project) -> None:
    model = project.add("churn", retrain={"attempts": 2})
    model.ends = ["job_failed"]
    codes = [project.run().code for _ in range(3)]
    assert codes == [1, 1, 1]
    assert len(project.service.accepted("churn")) == 2
    assert_failed(project, "churn", "training")
    before = len(project.service.log)
    project.run()
    assert len(project.service.log) == before
    model.ends = ["job_finished"]
    project.write_data("churn", rows(seed=1))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}


def test_a_key_that_was_mended_lets_the_next_run_go_on(project: Project) -> None:
    model = project.add("churn")
    model.always["status"] = documented("Inactive_credential.")
    assert project.run().code == 1
    assert_failed(project, "churn", "credentials")
    del model.always["status"]
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 1


def test_a_training_beyond_its_deadline_is_kept_for_the_next_run(project: Project) -> None:
    model = project.add("churn", wait={"timeout": "1s", "poll": "100ms"})
    model.training = True
    assert project.run().code == 5
    assert project.outcomes() == {"churn": "training"}
    model.training = False
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "upload_url")) == len(project.service.accepted("churn")) == 1


def test_a_job_that_is_not_finished_at_the_switch_goes_back_to_waiting(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("switch", documented("Retrain job is not finished."))
    project.run()
    project.run()
    assert project.outcomes()["churn"] in ("switched", "unchanged")
    assert len(project.service.switches("churn")) == 1
    assert len(project.service.accepted("churn")) == 1


def test_a_store_that_is_down_fails_as_network_and_the_next_run_uploads_once(project: Project) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        model = project.add("churn")
        model.store_url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        project.add("healthy")
        assert project.run().code == 1
    assert_failed(project, "churn", "network")
    assert project.outcomes()["healthy"] == "switched"
    model.store_url = None
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched", "healthy": "unchanged"}
    assert len(project.service.accepted("churn")) == 1


def test_a_service_that_is_down_fails_as_network_and_says_what_to_do(project: Project) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        project.add("churn")
        project.manifest["service"]["url"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        project.save()
        assert project.run().code == 1
    assert_failed(project, "churn", "network")
    assert project.service.log == []


def test_evaluation_data_with_other_columns_is_refused_before_anything_is_sent(project: Project) -> None:
    project.add("churn", evaluation=rows(40).replace(b"visits", b"calls"))
    assert project.run().code == 1
    assert_failed(project, "churn", "data")
    assert project.service.log == []


def test_a_result_full_of_folders_and_other_files_is_still_read(project: Project) -> None:
    deep = archive({"a/b/c/d/metrics.csv": b"AUC,0.9\n", "a/b/notes.txt": b"metrics", "a/metrics/readme.md": b"0.1"})
    project.add("churn", policy=threshold(AUC), results=[deep])
    assert project.run().code == 0
    assert project.entry("churn")["metrics"]["auc"] == pytest.approx(0.9)


def test_of_two_models_with_one_key_neither_trains(project: Project) -> None:
    for name in ("one", "two"):
        project.add(name)
    shared = project.environment["KEY_OF_TWO"] = project.environment["KEY_OF_ONE"]
    finished = project.run()
    assert finished.code == 1
    assert list(project.outcomes().values()) == ["failed", "failed"]
    assert "one has the same API key as two" in finished.out
    assert "two has the same API key as one" in finished.out
    assert shared not in finished.out + finished.err
    assert project.service.log == []


@pytest.mark.parametrize("words", [[], ["--select", "two"]])
def test_a_model_copied_with_its_key_does_not_replace_the_one_it_was_copied_from(
    project: Project, words: list[str]
) -> None:
    project.add("one")
    assert project.run().code == 0
    project.add("two")
    project.environment["KEY_OF_TWO"] = project.environment["KEY_OF_ONE"]
    finished = project.run(*words)
    assert finished.code == 1
    assert "two has the same API key as one" in finished.out
    assert len(project.service.accepted("one")) == len(project.service.switches("one")) == 1


def test_a_key_file_that_others_can_read_is_refused(project: Project) -> None:
    project.add("churn")
    file = project.folder / "key"
    file.write_text(project.environment.pop("KEY_OF_CHURN"), encoding="utf-8")
    file.chmod(0o644)
    project.manifest["models"]["churn"]["api_key"] = {"file": "key"}
    project.save()
    assert project.run().code == 1
    assert_failed(project, "churn", "credentials")
    file.chmod(0o600)
    assert project.run().code == 0
    assert len(project.service.accepted("churn")) == 1


def test_a_key_is_fetched_with_the_accounts_secret_key_and_only_with_it(project: Project) -> None:
    model = project.add("churn")
    model.id = 4711
    project.service.account_key = project.environment["ACCOUNT"] = "the-secret-key-of-the-account"
    del project.environment["KEY_OF_CHURN"]
    project.manifest["models"]["churn"]["api_key"] = {"secret_key": {"env": "ACCOUNT"}, "model_id": 4711}
    project.save()
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    by_account = [
        call for call in project.service.calls() if call.header("x-api-key") == [project.environment["ACCOUNT"]]
    ]
    assert {call.name for call in by_account} == {"api_key", "classifiers"}
    project.service.account_key = "another"
    project.write_data("churn", rows(seed=1))
    assert project.run().code == 1
    assert_failed(project, "churn", "credentials")

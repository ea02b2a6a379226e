"""Answers that never came: what the runner may conclude, what it must not, and where a person has to look."""

import shlex
import time
from collections.abc import Callable

import pytest

from tests.acceptance.contract.contract_project import Project, rows
from tests.fakes.loopback_port import Answer, Moment
from tests.fakes.two_port_records import Call

QUICK = 2  # seconds a signed URL lives, so that a lost upload is known soon


@pytest.mark.parametrize("before", ["waiting", None])
def test_an_upload_whose_answer_was_lost_is_found_by_the_status_and_trained_once(
    project: Project, before: str | None
) -> None:
    model = project.add("churn")
    model.before = before
    model.next_answer("put", Answer(lost="done"))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "put")) == len(project.service.accepted("churn")) == 1
    assert len(project.service.switches("churn")) == 1


@pytest.mark.parametrize(
    ("before", "answer"),
    [("waiting", Answer(lost="arrived")), (None, Answer(status=500)), ("created", Answer(status=503))],
)
def test_an_upload_that_never_arrived_takes_a_new_job_only_after_expiry_and_quarantine(
    project: Project, before: str | None, answer: Answer
) -> None:
    model = project.add("churn")
    model.before, model.url_seconds = before, QUICK
    model.next_answer("put", answer)
    moments: list[float] = []
    project.service.watch = _note_time("upload_url", moments)
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 1
    assert len({call.job for call in project.service.calls("churn", "put")}) == 2
    assert moments[1] - moments[0] >= QUICK - 1 + 1  # a stamp has whole seconds; the quarantine is one second


def _note_time(name: str, moments: list[float]) -> Callable[[Call, Moment], None]:
    def note(call: Call, moment: Moment) -> None:
        if (call.name, moment) == (name, "arrived"):
            moments.append(time.monotonic())

    return note


def test_a_lost_upload_is_never_sent_twice_where_the_status_word_cannot_tell(project: Project) -> None:
    """The service calls the job `running` before and after its upload; the training outlasts URL and quarantine."""
    model = project.add("churn", wait={"timeout": "8s", "poll": "100ms"})
    model.before, model.during, model.url_seconds, model.training = "running", "running", QUICK, True
    model.next_answer("put", Answer(lost="done"))
    finished = project.run()
    assert len(project.service.accepted("churn")) == 1
    assert finished.code == 8
    assert project.outcomes() == {"churn": "unknown"}


def test_a_word_seen_in_an_earlier_training_is_not_proof_that_an_upload_never_arrived(project: Project) -> None:
    model = project.add("churn", wait={"timeout": "8s", "poll": "100ms"})
    assert project.run().code == 0
    model.before, model.url_seconds, model.training = "running", QUICK, True
    model.next_answer("put", Answer(lost="done"))
    project.write_data("churn", rows(seed=1))
    finished = project.run()
    assert len(project.service.accepted("churn")) == 2
    assert finished.code == 8
    assert project.outcomes() == {"churn": "unknown"}


def test_a_switch_whose_answer_was_lost_is_read_back_from_the_classifiers(project: Project) -> None:
    project.service.lists_classifiers = True
    model = project.add("churn")
    model.next_answer("switch", Answer(lost="done"))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "switch")) == 1


def test_a_switch_that_never_arrived_is_sent_once_more_after_the_quarantine(project: Project) -> None:
    project.service.lists_classifiers = True
    model = project.add("churn")
    model.next_answer("switch", Answer(lost="arrived"))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.calls("churn", "switch")) == 2
    assert len(project.service.switches("churn")) == 1


def test_a_switch_nobody_can_read_back_is_unknown_until_a_person_resolves_it(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("switch", Answer(lost="done"))
    finished = project.run()
    assert finished.code == 8
    assert project.outcomes() == {"churn": "unknown"}
    assert "retrain resolve" in project.entry("churn")["reason"] + finished.err
    assert project.run().code == 8
    assert len(project.service.calls("churn", "switch")) == 1
    assert project.retrain("resolve", "churn", "--as", "switched", "--reason", "seen in the product").code == 0
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "unchanged"}
    assert len(project.service.calls("churn", "switch")) == 1


def test_a_switch_resolved_as_not_applied_is_sent_by_the_next_run(project: Project) -> None:
    model = project.add("churn")
    model.next_answer("switch", Answer(lost="arrived"))
    assert project.run().code == 8
    assert project.retrain("resolve", "churn", "--as", "not-switched", "--reason", "seen in the product").code == 0
    assert project.run().code == 0
    assert len(project.service.switches("churn")) == 1


def test_an_upload_resolved_by_a_person_goes_on_from_there(project: Project) -> None:
    model = project.add("churn", wait={"timeout": "1s", "poll": "100ms"})
    model.before, model.during, model.training = "running", "running", True
    model.next_answer("put", Answer(lost="done"))
    assert project.run().code == 8
    assert project.outcomes() == {"churn": "unknown"}
    assert project.retrain("resolve", "churn", "--as", "started", "--reason", "seen in the product").code == 0
    model.training = False
    assert project.run().code == 0
    assert len(project.service.accepted("churn")) == 1


@pytest.mark.parametrize("before", ["waiting", None])
def test_a_store_that_confirms_an_upload_and_drops_it_is_found_out_and_a_person_settles_it(
    project: Project, before: str | None
) -> None:
    model = project.add("churn")
    model.before, model.url_seconds = before, QUICK
    model.next_answer("put", Answer(status=200))
    assert project.run().code == 8
    assert project.outcomes() == {"churn": "unknown"}
    assert "retrain resolve churn --as not-started" in project.entry("churn")["reason"]
    assert project.run().code == 8
    assert len(project.service.calls("churn", "put")) == 1
    assert project.retrain("resolve", "churn", "--as", "not-started", "--reason", "nothing in the product").code == 0
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 1


def test_a_training_that_never_ends_is_abandoned_by_its_own_message_and_new_data_is_trained(project: Project) -> None:
    model = project.add("churn", wait={"timeout": "1s", "poll": "100ms"})
    model.ends = ["running"]
    assert project.run().code == 5
    reason = project.entry("churn")["reason"]
    command = next(part for part in reason.split("`") if part.startswith("retrain resolve churn --as abandoned"))
    assert project.retrain(*shlex.split(command)[1:5], "--reason", "support says it is stuck").code == 0
    model.ends = ["job_finished"]
    assert project.run().code == 1
    assert "An operator abandoned job" in project.entry("churn")["reason"]
    assert len(project.service.accepted("churn")) == 1, "the same data is not trained again by itself"
    project.write_data("churn", rows(seed=1))
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert len(project.service.accepted("churn")) == 2
    assert project.retrain("verify").code == 0


def test_only_a_training_that_was_begun_can_be_abandoned(project: Project) -> None:
    project.add("churn")
    project.run()
    done = project.retrain("resolve", "churn", "--as", "abandoned", "--reason", "no")
    assert (done.code, "No training of churn has an open result." in done.err) == (2, True)


def test_data_that_changed_after_a_lost_upload_is_trained_as_soon_as_that_is_known(project: Project) -> None:
    model = project.add("churn", wait={"timeout": "1500ms", "poll": "100ms"})
    model.before, model.url_seconds = "waiting", QUICK
    model.next_answer("put", Answer(lost="arrived"))
    assert project.run().code == 8
    project.write_data("churn", rows(seed=1))
    time.sleep(QUICK)
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "switched"}
    assert project.service.accepted("churn") == [project.data_file("churn").read_bytes()]

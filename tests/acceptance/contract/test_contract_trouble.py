"""Bad input and trouble: each gets its outcome, its kind and a sentence, and no other model pays for it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.contract.contract_project import Finished, Project, assert_failed, rows, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.result_files import result
from tests.fakes.two_port_records import documented, store_error
from tests.fakes.two_port_service import TwoPortService

AUC = {"metric": "auc", "min": 0.80}
GATEWAY = Answer(status=503, body=b"<html>busy</html>", headers=(("Retry-After", "soon; or later"),))
HOSTILE = "<script>alert(1)</script> \x1b[31m::error::forged"

# Name of a model -> the kind of its error. Nothing of these is ever uploaded.
UNSENT = {
    "absent": "data",
    "folder": "data",
    "binary": "data",
    "ragged": "data",
    "short": "data",
    "twice_named": "data",
    "unpinned": "data",
    "no_key": "credentials",
    "invalid_key": "credentials",
    "inactive_key": "credentials",
    "no_credential": "credentials",
    "deleted_user": "service",
    "deleted_model": "service",
    "settings_gone": "service",
    "redirected": "config",
}
# These are uploaded once, and not switched.
UNSWITCHED = {
    "deleted_job": "training",
    "failed_training": "training",
    "hostile_message": "training",
    "no_classifier": "service",
}
# These are uploaded once, and still waited for when the run ends.
LOST = {
    "lost_job": "retrain resolve lost_job --as not-started",
    "no_download": "name no URL of the result",
}
# Trouble that passes: these come to their switch within the same run.
PASSING = (
    "healthy",
    "busy_at_first",
    "busy_status",
    "hung_up_status",
    "expired_download",
    "lost_download",
    "expired_upload",
)
REFUSED_BY_API = {
    "invalid_key": documented("invalid_api_key."),
    "inactive_key": documented("Inactive_credential."),
    "no_credential": documented("Not_found_credential."),
    "deleted_user": documented("This user may be deleted."),
    "deleted_model": documented("This model may be deleted."),
    "settings_gone": documented("Not found configuration_file.", code="5001000201"),
}
BAD_DATA = {
    "binary": b"\x00\x01\x02\xff\xfe" * 400,
    "ragged": rows() + b"1,2\n",
    "short": rows(99),
    "twice_named": rows().replace(b"visits", b"age"),
}
# Results that are judged without metrics: the threshold holds each one back.
UNREAD = {"garbage": b"\x00\x01 no form at all", "empty_result": b"", "broken_zip": result(AUC="0.9")[:200]}


def _fill(project: Project) -> None:
    for name in (*UNSENT, *UNSWITCHED, *UNREAD, *PASSING):
        model = project.add(name, policy=threshold(AUC), train=BAD_DATA.get(name))
        if name in REFUSED_BY_API:
            model.always["upload_url"] = REFUSED_BY_API[name]
        if name in UNREAD:
            model.results = [UNREAD[name]]
    project.manifest["models"]["deleted_job"]["wait"] = {"timeout": "3s", "poll": "100ms"}
    for name in LOST:
        project.add(name, wait={"timeout": "3s", "poll": "100ms"})
    _trouble_the_data(project)
    _trouble_the_service(project)


def _trouble_the_data(project: Project) -> None:
    project.data_file("absent").unlink()
    project.data_file("folder").unlink()
    project.data_file("folder").mkdir()
    project.manifest["datasets"]["unpinned"]["sha256"] = {"train": "0" * 64}
    project.save()
    del project.environment["KEY_OF_NO_KEY"]


def _trouble_the_service(project: Project) -> None:
    models = project.service.models
    elsewhere = (("Location", f"{project.service.store_url}/elsewhere"),)
    models["redirected"].always["upload_url"] = Answer(status=302, headers=elsewhere)
    models["deleted_job"].always["status"] = documented("This job may be deleted.")
    models["lost_job"].always["status"] = documented("Not found retrain job.")
    models["failed_training"].ends = ["training_failed"]
    models["failed_training"].message = "too few classes"
    models["hostile_message"].ends = ["error"]
    models["hostile_message"].message = HOSTILE
    models["no_download"].without_download = True
    models["no_classifier"].always["switch"] = documented("Not found classifier.")
    models["busy_at_first"].next_answer("upload_url", GATEWAY, GATEWAY)
    models["busy_status"].next_answer("status", Answer(status=502), GATEWAY, Answer(status=500, body=b"{"))
    models["hung_up_status"].next_answer("status", Answer(lost="arrived"), Answer(lost="done"))
    models["expired_download"].next_answer("download", store_error(403, "AccessDenied"))
    models["lost_download"].next_answer("download", Answer(lost="done"))
    models["expired_upload"].next_answer("put", store_error(403, "ExpiredToken"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Finished]]:
    """Return a project after one run over all the trouble."""
    service = TwoPortService()
    project = Project(folder=tmp_path_factory.mktemp("trouble") / "project", service=service)
    project.environment["LC_ALL"] = "C"
    _fill(project)
    try:
        yield project, project.run("-v")
    finally:
        service.close()


@pytest.mark.parametrize("name", UNSENT)
def test_what_cannot_be_sent_fails_with_its_kind_and_uploads_nothing(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    assert_failed(project, name, UNSENT[name])
    assert project.service.calls(name, "put") == project.service.calls(name, "switch") == []
    assert project.entry(name)["calls"]["put"] == 0


@pytest.mark.parametrize("name", [name for name, kind in UNSENT.items() if kind == "data"])
def test_bad_data_is_found_before_the_service_is_asked_anything(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    assert project.service.calls(name) == []


@pytest.mark.parametrize("name", REFUSED_BY_API)
def test_a_documented_refusal_is_not_asked_for_again(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    assert len(project.service.calls(name)) == 1


@pytest.mark.parametrize("name", UNSWITCHED)
def test_what_fails_after_its_upload_is_not_switched(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    assert_failed(project, name, UNSWITCHED[name])
    assert len(project.service.accepted(name)) == 1
    assert project.service.switches(name) == []


@pytest.mark.parametrize("name", UNREAD)
def test_a_result_that_cannot_be_read_is_held_with_the_reason_and_not_switched(
    ran: tuple[Project, Finished], name: str
) -> None:
    project, _ = ran
    entry = project.entry(name)
    assert (entry["outcome"], entry["error"]) == ("held", None)
    assert entry["unread"].removeprefix("The ").rstrip(".") in entry["reason"]
    assert len(project.service.accepted(name)) == 1
    assert project.service.switches(name) == []


@pytest.mark.parametrize("name", LOST)
def test_an_uploaded_job_whose_end_is_not_told_is_kept_and_named_as_doubtful(
    ran: tuple[Project, Finished], name: str
) -> None:
    project, _ = ran
    entry = project.entry(name)
    assert entry["outcome"] == "training"
    assert LOST[name] in entry["reason"]
    assert len(project.service.accepted(name)) == 1
    assert project.service.switches(name) == []


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_passes_ends_in_one_training_and_one_switch(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    assert project.entry(name)["outcome"] == "switched", project.entry(name)["reason"]
    assert len(project.service.accepted(name)) == 1
    assert len(project.service.calls(name, "switch")) == len(project.service.switches(name)) == 1


def test_a_run_with_failed_models_exits_with_1_and_writes_its_whole_report(ran: tuple[Project, Finished]) -> None:
    project, finished = ran
    assert finished.code == project.report()["exit_code"] == 1
    failed = len(UNSENT) + len(UNSWITCHED)
    counts = {"switched": len(PASSING), "held": len(UNREAD), "training": len(LOST), "failed": failed}
    assert project.report()["summary"] == counts
    for name in (*UNSENT, *UNSWITCHED, *UNREAD):
        assert name in finished.out


def test_a_refused_upload_takes_a_new_job_and_only_one_is_accepted(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert len({call.job for call in project.service.calls("expired_upload", "put")}) == 2


def test_a_redirect_is_not_followed_and_takes_no_key_along(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert len(project.service.calls("redirected")) == 1
    assert [call for call in project.service.calls() if call.path == "/elsewhere"] == []


def test_the_message_of_a_failed_training_reaches_the_report(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert "too few classes" in project.entry("failed_training")["reason"]
    assert "training_failed" in project.entry("failed_training")["reason"]


def test_hostile_text_of_the_service_stays_text_on_terminals_and_pages(ran: tuple[Project, Finished]) -> None:
    project, finished = ran
    folder = project.state / "runs" / "latest"
    assert "<script>alert" not in (folder / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in finished.out + finished.err + (folder / "report.md").read_text(encoding="utf-8")
    lines = (finished.out + finished.err).splitlines()
    assert not any(line.startswith("::") for line in lines)


def test_a_deleted_classifier_is_asked_to_switch_once(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert len(project.service.calls("no_classifier", "switch")) == 1


def test_the_missing_file_and_the_missing_variable_are_named(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert "absent.csv" in project.entry("absent")["reason"]
    assert "KEY_OF_NO_KEY" in project.entry("no_key")["reason"]

"""`retrain doctor` names each broken set-up before the night and has no effect: the service's log is the judge."""

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.lib.schemas import load_schema
from tests.acceptance.contract.contract_project import KEY_CANARY, Finished, Project, rows, threshold
from tests.fakes.loopback_port import Answer
from tests.fakes.two_port_records import ScriptedModel, documented, json_answer

VALIDATOR = Draft202012Validator(load_schema("diagnosis"), registry=Registry())
HARMLESS = {"status", "api_key", "classifiers", "other"}


def doctor(project: Project, *options: str, code: int | None = None) -> Finished:
    """Run the command, and judge what it always owes: no effect anywhere, and a step for every problem."""
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    asked = len(project.service.log)
    ended = project.retrain("doctor", "models.yaml", *options)
    log = project.service.log[asked:]
    assert {call.name for call in log} <= HARMLESS, "it asks, and does nothing else"
    assert {call.method for call in log} <= {"GET"}
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before
    assert ended.code in (0, 1) if code is None else ended.code == code, ended
    return ended


def problems(project: Project, *options: str) -> list[dict[str, Any]]:
    """Return the problems and warnings, each with what to do about it."""
    value = json.loads(doctor(project, "--format", "json", *options).out)
    assert list(VALIDATOR.iter_errors(value)) == []
    found = [check for check in value["checks"] if check["verdict"] in ("problem", "warning")]
    assert all(check["next"] and check["next"].endswith((".", "?")) for check in found), found
    assert all(check["seen"].endswith(".") for check in value["checks"]), value
    assert value["ready"] is all(check["verdict"] != "problem" for check in found)
    return found


def test_a_set_up_that_is_ready_says_what_was_seen_and_exits_with_0(project: Project) -> None:
    project.add("house")
    project.add("churn")
    text = doctor(project, code=0).out
    assert re.search(r"^service +ok +http://127\.0\.0\.1:\d+ answers\.$", text, re.MULTILINE)
    assert re.search(r"^clock +ok", text, re.MULTILINE)
    assert re.search(r"^state +ok", text, re.MULTILINE)
    assert re.search(r"^house +ok +The service knows its key\. data/house\.csv can be sent\.$", text, re.MULTILINE)
    assert "house, churn  note     switch: The model published now has no job id here" in text
    assert text.endswith("ready: 0 problems, 0 warnings\n")


def test_it_asks_for_a_job_that_cannot_exist_and_takes_none(project: Project) -> None:
    project.add("house")
    doctor(project, code=0)
    asked = [call.job for call in project.service.calls("house", "status")]
    assert asked == ["00000000-0000-0000-0000-000000000000"]
    assert project.service.jobs == {}


@pytest.mark.parametrize(
    ("message", "seen", "advice"),
    [
        ("invalid_api_key.", "does not know this API key", "Copy the model's API key again"),
        ("Inactive_credential.", "wrong or past its 30 days", "Fetch a new key"),
        ("Not_found_credential.", "finds no credential", "not a key for predictions"),
        ("This model may be deleted.", "may have been deleted", "key of a model that exists"),
    ],
)
def test_a_key_that_is_good_for_nothing_is_told_by_what_the_service_says(
    project: Project, message: str, seen: str, advice: str
) -> None:
    project.add("house").always["status"] = documented(message)
    project.add("churn")
    (problem,) = problems(project)
    assert (problem["model"], problem["name"], problem["verdict"]) == ("house", "key", "problem")
    assert seen in problem["seen"]
    assert advice in problem["next"]


def test_a_key_that_is_not_set_is_named_with_its_variable(project: Project) -> None:
    project.add("house")
    del project.environment["KEY_OF_HOUSE"]
    (problem,) = problems(project)
    assert "KEY_OF_HOUSE is not set" in problem["seen"]
    assert problem["next"] == "Set KEY_OF_HOUSE."
    assert re.search(r"^service +note +\S+ was not asked", doctor(project).out, re.MULTILINE)


def test_two_models_with_one_key_are_both_named(project: Project) -> None:
    project.add("house")
    project.add("churn")
    project.environment["KEY_OF_CHURN"] = project.environment["KEY_OF_HOUSE"]
    found = problems(project)
    assert {check["model"] for check in found} == {"house", "churn"}
    assert all("has the same API key as" in check["seen"] for check in found)


def test_swapped_keys_are_told_by_the_jobs_that_they_answer_for(project: Project) -> None:
    for name in ("house", "churn"):
        project.add(name)
    assert project.run().code == 0
    keys = project.environment
    keys["KEY_OF_HOUSE"], keys["KEY_OF_CHURN"] = keys["KEY_OF_CHURN"], keys["KEY_OF_HOUSE"]
    found = problems(project)
    assert [(check["model"], check["name"]) for check in found] == [("house", "key"), ("churn", "key")]
    assert "The key of house is that of churn: the service knows job" in found[0]["seen"]


def test_keys_that_are_swapped_before_any_job_are_told_by_the_target_of_their_model(project: Project) -> None:
    listed = {"models": [{"model_id": 7, "name": "wine", "config": {"tt": "binary_classification", "tc": "cultivar"}}]}
    project.add("house").always["other"] = json_answer(listed)
    (problem,) = problems(project)
    assert problem["seen"] == "The model of its key predicts `cultivar`, and data/house.csv has no such column."


def test_a_key_that_the_service_says_back_is_shown_nowhere(project: Project) -> None:
    model, other = project.add("house"), project.add("churn")
    named = {"name": f"m {model.key}", "config": {"tt": model.key, "tc": f"t {model.key}"}}
    model.always["other"] = json_answer({"models": [{"model_id": 7, **named}]})
    other.always["status"] = json_answer({"message": f"{model.key} and {other.key}"}, status=400)
    project.service.unknown_key = other.always["status"]
    for form in ("text", "json", "junit"):
        ended = doctor(project, "--format", form, "-vv", code=1)
        assert KEY_CANARY not in ended.out + ended.err


def test_rules_are_compared_with_the_task_that_the_service_tells(project: Project) -> None:
    listed = {"models": [{"model_id": 7, "name": "house", "config": {"tt": "regression", "tc": "visits"}}]}
    project.add("house", policy=threshold({"metric": "auc", "min": 0.8})).always["other"] = json_answer(listed)
    (problem,) = problems(project)
    assert problem["name"] == "rules"
    assert "is a regression, which has no `auc`" in problem["seen"]
    assert "`rmse`" in problem["next"]


def test_a_rule_whose_metric_the_last_result_lacked_is_warned_of(project: Project) -> None:
    project.add("house", policy=threshold({"metric": "recall", "min": 0.8}))
    project.run()
    (warning,) = problems(project)
    assert (warning["name"], warning["verdict"]) == ("rules", "warning")
    assert "had no `recall`" in warning["seen"]
    assert f"`retrain inspect house --state {project.state}`" in warning["next"]


def test_what_is_compared_with_an_unrecorded_model_is_advised_to_be_stated_once_for_all(project: Project) -> None:
    change = {"metric": "auc", "against": "incumbent", "max_drop": 0.01}
    for name in ("house", "churn"):
        project.add(name, policy=threshold(change))
    text = doctor(project, code=0).out
    assert text.count("`retrain adopt --help`") == 1
    adopted = ("adopt", "house", "--metric", "auc=0.9", "--reason", "by hand", "--manifest", "models.yaml", "--yes")
    assert project.retrain(*adopted).code == 0
    told = json.loads(doctor(project, "--format", "json").out)["checks"]
    assert [check["next"] is None for check in told if check["name"] == "switch"] == [True, False]


def test_the_secret_key_of_the_account_in_the_place_of_a_models_key_is_recognised(project: Project) -> None:
    model = project.add("house")
    model.always["status"] = documented("Not_found_credential.")
    model.always["other"] = json_answer({"models": [{"model_id": 1}, {"model_id": 2}]})
    (problem,) = problems(project)
    assert "account's secret key" in problem["next"]
    assert "secret_key:" in problem["next"]


def fetched(project: Project) -> ScriptedModel:
    """Let the model's key be fetched with the account's secret key."""
    project.environment["ACCOUNT"] = project.service.account_key = "CANARYaccount"
    model = project.add("house", api_key={"secret_key": {"env": "ACCOUNT"}, "model_id": 12})
    model.id = 12
    return model


def test_a_fetched_key_tells_when_it_ends(project: Project) -> None:
    fetched(project)
    assert "The fetched key is good until 2030-01-01." in doctor(project, code=0).out


@pytest.mark.parametrize("days", [-400, -1, 1, 6])
def test_a_fetched_key_that_ends_soon_is_warned_of_by_doctor_and_by_the_run(project: Project, days: int) -> None:
    fetched(project)
    project.service.end_date = f"{datetime.now(UTC) + timedelta(days=days):%Y/%m/%d %H:%M}"
    (warning,) = problems(project)
    assert (warning["name"], warning["verdict"]) == ("key", "warning")
    assert "end of the fetched key" in warning["seen"]
    assert project.run().code == 0
    (told,) = [text for text in project.entry("house")["warnings"] if "API key" in text]
    assert "ends on" in told


def test_the_key_of_a_model_in_the_place_of_the_accounts_is_recognised(project: Project) -> None:
    fetched(project)
    project.service.account_key = ""
    project.service.models["house"].key = "CANARYaccount"
    (problem,) = problems(project)
    assert "This is the key of a model, not the account's secret key." in problem["next"]


@pytest.mark.parametrize(("ahead", "verdict"), [(timedelta(minutes=3), "warning"), (timedelta(hours=-2), "problem")])
def test_a_clock_that_is_off_is_told_before_an_upload_would_be_refused(
    project: Project, ahead: timedelta, verdict: str
) -> None:
    project.manifest["service"]["quarantine"] = "5m"
    project.add("house")
    project.service.ahead = ahead
    (found,) = problems(project)
    assert (found["name"], found["verdict"]) == ("clock", verdict)
    assert "clock" in found["seen"]
    assert "time server" in found["next"]


def test_a_service_that_cannot_be_reached_is_one_problem_and_told_at_once(project: Project) -> None:
    for number in range(30):
        project.add(f"m{number}")
    project.manifest["service"]["url"] = "http://127.0.0.1:9"
    project.save()
    began = time.monotonic()
    (problem,) = problems(project)
    assert problem["name"] == "service"
    assert "connection refused" in problem["seen"]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("proxy", "seen"),
    [
        ("http://127.0.0.1:9", "cannot be reached: connection refused (through the proxy http://127.0.0.1:9)."),
        ("socks5://127.0.0.1:9", "The proxy of HTTPS_PROXY is not an address"),
    ],
)
def test_the_proxy_on_the_way_to_the_service_is_named(project: Project, proxy: str, seen: str) -> None:
    project.add("house")
    project.manifest["service"]["url"] = "https://developer-api.predictionone.sony.biz"
    project.save()
    project.environment["HTTPS_PROXY"] = proxy
    (problem,) = problems(project)
    assert problem["name"] == "service"
    assert seen in problem["seen"]


def test_a_page_in_the_place_of_the_service_is_not_proof_of_a_key(project: Project) -> None:
    page = Answer(status=200, body=b"<html>Log in</html>", headers=(("Content-Type", "text/html"),))
    project.add("house").always["status"] = page
    (problem,) = problems(project)
    assert problem["verdict"] == "problem"


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"message": "ジョブが見つかりません"}, status=400),
        json_answer({"message": "Not Found"}, status=404),
        json_answer({"status": "unknown"}),
    ],
)
def test_an_answer_that_no_manual_explains_is_compared_with_what_a_key_gets_that_cannot_exist(
    project: Project, answer: Answer
) -> None:
    project.add("house").always["status"] = answer
    assert "The service knows its key." in doctor(project, code=0).out
    project.service.unknown_key = answer
    (problem,) = problems(project)
    assert problem["seen"].endswith("It says the same of a job that cannot exist to a key that cannot exist.")


def test_a_host_that_nobody_trusts_is_asked_nothing(project: Project) -> None:
    project.add("house")
    project.manifest["service"]["url"] = "https://developer-api.predictionone.sony.com"
    project.save()
    (problem,) = problems(project)
    assert "API keys are not sent to developer-api.predictionone.sony.com" in problem["seen"]
    assert "did you mean https://developer-api.predictionone.sony.biz?" in problem["next"]
    assert project.service.log == []


def test_data_is_checked_as_a_run_checks_it(project: Project) -> None:
    project.add("house", train=rows(60))
    project.add("churn")
    project.data_file("churn").unlink()
    found = {check["model"]: check for check in problems(project) if check["name"] == "data"}
    assert "has 60 rows, fewer than the 100 it needs" in found["house"]["seen"]
    assert "does not exist" in found["churn"]["seen"]


def test_a_state_that_a_run_holds_is_told_with_who_holds_it(project: Project) -> None:
    project.add("house").training = True
    running = project.start("run", "models.yaml")
    try:
        while not project.service.calls("house", "put"):
            time.sleep(0.05)
        ended = project.retrain("doctor", "models.yaml", "--format", "json")
    finally:
        running.kill()
        running.communicate()
    (problem,) = [check for check in json.loads(ended.out)["checks"] if check["verdict"] == "problem"]
    assert (ended.code, problem["name"]) == (1, "state")
    assert f"process {running.pid}) holds the state" in problem["seen"]


def test_a_state_that_is_not_a_folder_is_told(project: Project) -> None:
    project.add("house")
    project.state.write_text("mine")
    (problem,) = problems(project)
    assert (problem["name"], "is a file" in problem["seen"]) == ("state", True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_that_cannot_be_written_is_told(project: Project) -> None:
    project.add("house")
    project.state.mkdir(mode=0o500)
    (problem,) = problems(project)
    assert "may not write" in problem["seen"]


def test_people_who_would_not_be_told_are_named_and_nobody_is_told_anything(project: Project) -> None:
    project.add("house")
    project.manifest["notify"] = [
        {"on": ["failed"], "to": {"env": "SLACK_URL"}},
        {"ping": {"env": "PING_URL"}},
        {"ping": {"env": "GOOD_PING"}},
    ]
    project.save()
    project.environment |= {"PING_URL": "ftp://not-pinged", "GOOD_PING": f"{project.service.url}/ping"}
    found = problems(project)
    assert [check["name"] for check in found] == ["notify", "notify"]
    assert "the environment variable SLACK_URL is not set" in found[0]["seen"]
    assert "is not an absolute http or https URL" in found[1]["seen"]
    assert all(call.path != "/ping" for call in project.service.log)


def test_an_invalid_manifest_is_not_ready_and_every_problem_is_shown(project: Project) -> None:
    project.add("house", policy={"type": "threshold", "rules": [{"metric": "auc", "min": 80}]})
    found = problems(project)
    assert [check["name"] for check in found] == ["manifest"]
    assert "models.yaml:" in found[0]["seen"]


def test_select_narrows_it_to_models_and_a_name_that_is_none_is_a_usage_error(project: Project) -> None:
    project.add("house")
    project.add("churn").always["status"] = documented("invalid_api_key.")
    doctor(project, "--select", "house", code=0)
    assert project.retrain("doctor", "models.yaml", "--select", "nosuch").code == 2


def test_junit_has_a_case_for_each_check_and_a_failure_for_each_problem(project: Project) -> None:
    project.add("house").always["status"] = documented("invalid_api_key.")
    suite = ET.fromstring(doctor(project, "--format", "junit", code=1).out)[0]  # noqa: S314 -- our own output
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert cases["house", "key"].find("failure") is not None
    assert cases["house", "data"].find("failure") is None
    assert suite.get("failures") == "1"


def test_a_hundred_models_are_looked_at_within_ten_seconds(project: Project) -> None:
    for number in range(100):
        project.add(f"m{number}")
    began = time.monotonic()
    doctor(project, code=0)
    assert time.monotonic() - began < 10

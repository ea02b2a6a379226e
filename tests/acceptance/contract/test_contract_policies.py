"""One run over a model for each way a policy can come out, judged by the service's own log."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.contract.contract_project import AUTO, Finished, Project, rows, threshold
from tests.fakes.result_files import archive, as_json, result, table
from tests.fakes.two_port_service import TwoPortService

AUC = {"metric": "auc", "min": 0.80}
LOW_RECALL = {"metric": "recall", "min": 0.6, "level": "warn"}
EVALUATION = rows(40, seed=500)
ASK = {"type": "manual", "expires": "14d"}
POLICIES = {
    "auto": AUTO,
    "manual": ASK,
    "with_eval": AUTO,
    "failing_asks": threshold(AUC, on_fail="ask"),
    "missing_asks": threshold(AUC, on_inconclusive="ask"),
    "passing_asks": threshold(AUC, on_pass="ask"),
    "warned": threshold(AUC, LOW_RECALL),
    "both_bounds": threshold({"metric": "auc", "min": 0.8, "max": 0.95}),
    "custom": threshold({"metric": "profit", "min": 100}),
}
RESULTS = {
    "auto": result(AUC="0.1"),
    "manual": result(AUC="0.99"),
    "with_eval": result(AUC="0.99"),
    "passing": result(AUC="0.85"),
    "border": result(AUC="0.80"),
    "border_percent": result(AUC="80%"),
    "just_below": result(AUC="0.79999999999999999999"),
    "failing": result(AUC="0.79"),
    "failing_asks": result(AUC="0.79"),
    "passing_asks": result(AUC="0.9"),
    "missing": result(Accuracy="0.99"),
    "missing_asks": result(Accuracy="0.99"),
    "nan": result(AUC="NaN"),
    "infinity": result(AUC="Infinity"),
    "infinity_json": b'{"AUC": Infinity}',
    "huge": result(AUC="1e999"),
    "text": result(AUC="good"),
    "empty": result(AUC=""),
    "boolean": as_json({"AUC": True}),
    "json": as_json({"metrics": {"AUC": 0.91, "Recall": 0.7}}),
    "csv": table({"AUC": "0.91"}),
    "no_header": table({"AUC": "0.91"}, header=""),
    "japanese": archive(
        {"結果/metrics.csv": table({"分類精度 (AUC)": "0.91", "再現率": "0.7"}, header="指標,値", encoding="cp932")}
    ),
    "warned": result(AUC="0.9", Recall="0.1"),
    "both_bounds": result(AUC="0.96"),
    "custom": archive({"a/report.json": as_json({"summary": {"profit": 120}})}),
}
EXPECTED = {
    "switched": "auto with_eval passing border border_percent json csv no_header japanese warned custom",
    "held": "just_below failing missing nan infinity infinity_json huge text empty boolean both_bounds",
    "awaiting_approval": "manual failing_asks missing_asks passing_asks",
}
INCONCLUSIVE = ["missing", "missing_asks", "nan", "infinity", "infinity_json", "huge", "text", "empty", "boolean"]
OUTCOME_OF = {name: outcome for outcome, names in EXPECTED.items() for name in names.split()}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Finished]]:
    """Return a project after one run over all the models."""
    service = TwoPortService()
    project = Project(folder=tmp_path_factory.mktemp("policies") / "project", service=service)
    for name, content in RESULTS.items():
        policy = POLICIES.get(name, threshold(AUC))
        project.add(name, policy=policy, results=[content], evaluation=EVALUATION if name == "with_eval" else None)
    project.write_data("客 & 1+1", rows(seed=3))
    project.manifest["datasets"]["japanese"] = {"train": "data/客 & 1+1.csv"}
    project.manifest["metrics"] = {
        "profit": {"file": "report.json", "select": "/summary/profit", "direction": "higher"}
    }
    project.save()
    try:
        yield project, project.run()
    finally:
        service.close()


@pytest.mark.parametrize("name", RESULTS)
def test_each_policy_comes_to_the_outcome_the_documents_give_it(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    entry = project.entry(name)
    assert entry["outcome"] == OUTCOME_OF[name], entry["reason"]
    assert entry["error"] is None


@pytest.mark.parametrize("name", RESULTS)
def test_the_service_saw_one_upload_and_a_switch_only_where_the_outcome_says_so(
    ran: tuple[Project, Finished], name: str
) -> None:
    project, _ = ran
    assert len(project.service.accepted(name)) == 1
    assert len(project.service.calls(name, "put")) == 1
    switches = project.service.calls(name, "switch")
    assert len(switches) == len(project.service.switches(name)) == (OUTCOME_OF[name] == "switched")


@pytest.mark.parametrize("name", INCONCLUSIVE)
def test_a_metric_that_is_not_a_finite_number_is_inconclusive_and_never_passes(
    ran: tuple[Project, Finished], name: str
) -> None:
    project, _ = ran
    entry = project.entry(name)
    assert entry["verdict"] == "inconclusive"
    assert [rule["verdict"] for rule in entry["rules"]] == ["inconclusive"]
    assert entry["metrics"].get("auc") is None


def test_a_warning_rule_is_reported_and_does_not_decide(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    entry = project.entry("warned")
    assert entry["verdict"] == "passed"
    assert [(rule["metric"], rule["level"], rule["verdict"]) for rule in entry["rules"]] == [
        ("auc", "decide", "passed"),
        ("recall", "warn", "failed"),
    ]


def test_the_run_that_held_candidates_exits_with_4_and_says_why(ran: tuple[Project, Finished]) -> None:
    project, finished = ran
    assert finished.code == 4
    assert project.report()["exit_code"] == 4
    assert project.report()["summary"] == {outcome: len(names.split()) for outcome, names in EXPECTED.items()}
    assert "0.79" in project.entry("failing")["reason"]
    assert "retrain approve manual" in project.entry("manual")["reason"]


@pytest.mark.parametrize("name", RESULTS)
def test_the_calls_of_a_model_come_in_the_contracts_order(ran: tuple[Project, Finished], name: str) -> None:
    project, _ = ran
    names = [call.name for call in project.service.calls(name)]
    after_upload = names[names.index("put") + 1 :]
    assert names[0] == "upload_url"
    assert set(names[1 : names.index("put")]) <= {"status"}
    switches = ["classifiers", "switch"] if "switch" in names else []
    assert [one for one in after_upload if one != "status"] == ["download", *switches]
    assert after_upload[0] == "status"


def test_no_request_goes_beside_the_contract(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    documented = {"upload_url", "put", "status", "download", "classifiers", "switch"}
    assert {call.name for call in project.service.calls()} == documented
    assert all(call.whole for call in project.service.calls())


def test_the_key_of_a_model_goes_to_the_api_and_never_to_the_store(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    for call in project.service.calls():
        keys = call.header("x-api-key")
        assert keys == ([project.service.models[call.owner].key] if call.port == "api" else [])
        assert call.header("authorization") == call.header("cookie") == []


def test_requests_carry_no_invented_headers(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    plain = {"host", "accept", "accept-encoding", "user-agent", "connection", "content-length"}
    for call in project.service.calls():
        names = [name.lower() for name, _ in call.headers]
        assert len(set(names)) == len(names)
        assert set(names) <= (plain | {"x-api-key"})


def test_an_upload_tells_its_length_and_a_switch_has_no_body(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    for call in project.service.calls(name="put"):
        assert call.header("content-length") == [str(call.size)]
        assert call.size > 0
    for call in project.service.calls(name="switch"):
        assert call.method == "PUT"
        assert call.size == 0
        assert call.header("content-length") in ([], ["0"])
        assert call.query == ""


def test_training_data_alone_is_uploaded_as_the_very_file_under_its_name(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    assert project.service.accepted("auto") == [project.data_file("auto").read_bytes()]
    assert [call.query for call in project.service.calls("auto", "upload_url")] == ["filename=auto.csv"]


def test_a_file_name_outside_ascii_is_sent_as_percent_encoded_utf_8(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    queries = [call.query for call in project.service.calls("japanese", "upload_url")]
    assert queries == [f"filename={quote('客 & 1+1.csv', safe='')}"]


def test_training_and_evaluation_data_are_uploaded_as_one_deflated_zip(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    [body] = project.service.accepted("with_eval")
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        members = {info.filename: file.read(info) for info in file.infolist() if not info.is_dir()}
        methods = {info.compress_type for info in file.infolist() if not info.is_dir()}
    assert members == {"train_src/with_eval.csv": rows(), "eval_src/with_eval_eval.csv": EVALUATION}
    assert methods == {zipfile.ZIP_DEFLATED}
    [job] = [job for job in project.service.jobs.values() if job.owner == "with_eval"]
    assert job.filename.endswith(".zip")


def test_the_report_tells_what_the_services_log_tells(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    for name in RESULTS:
        entry, put = project.entry(name), project.service.calls(name, "put")[0]
        upload = entry["dataset"]["upload"]
        assert (upload["sha256"], upload["bytes"]) == (put.sha256, put.size)
        assert entry["retrain_job_id"] == put.job
        assert entry["model_id"] == project.service.jobs[put.job].model_id
        for kind in ("upload_url", "put", "status", "download", "switch"):
            assert entry["calls"][kind] == len(project.service.calls(name, kind)), (name, kind)
        assert (entry["switched_at"] is not None) == (OUTCOME_OF[name] == "switched")


def test_the_stored_result_is_the_file_the_service_gave(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    for name, content in RESULTS.items():
        stored = project.entry(name)["result"]
        assert (project.state / stored["path"]).read_bytes() == content
        assert (stored["sha256"], stored["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert Path(stored["path"]).parts[-3:-1] == ("results", name)


def test_state_and_run_folders_are_for_their_owner_only(ran: tuple[Project, Finished]) -> None:
    project, _ = ran
    for path in [project.state, *project.state.rglob("*")]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_held_exits_with_0_where_that_is_allowed_and_failed_outranks_held(project: Project) -> None:
    project.add("held", policy=threshold(AUC), results=[result(AUC="0.1"), result(AUC="0.1")])
    assert project.run("--allow-held").code == 0
    assert project.outcomes() == {"held": "held"}
    project.write_data("held", rows(seed=1))
    project.add("broken", policy=threshold(AUC))
    project.data_file("broken").write_text("")
    assert project.run().code == 1
    assert project.outcomes() == {"held": "held", "broken": "failed"}
    assert project.entry("broken")["error"]["kind"] == "data"
    assert project.service.switches("broken") == []


WHY = "he result archive has no metrics.csv; it has predictions.csv"


def test_auto_switches_to_a_candidate_whose_metrics_cannot_be_read_and_says_so(project: Project) -> None:
    predictions = archive({"predictions.csv": b"id,label\n1,a\n"})
    project.add("blind", results=[predictions])
    project.add("careful", policy=threshold(AUC), results=[predictions])
    assert project.run().code == 4
    assert project.outcomes() == {"blind": "switched", "careful": "held"}
    for name in ("blind", "careful"):
        entry = project.entry(name)
        assert (entry["metrics"], entry["unread"]) == ({}, f"T{WHY}.")
        look = f"`retrain inspect {name} --state {project.state}` shows what the result holds"
        assert entry["warnings"] == [f"the metrics could not be read: t{WHY}; {look}"]
    assert project.retrain("verify").code == 0
    assert "metrics could not be read" in project.retrain("report", "--format", "markdown").out
    assert "unread" in project.retrain("history").out


def test_waiting_for_an_approval_the_policy_asks_for_exits_with_0(project: Project) -> None:
    project.add("churn", policy=ASK)
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "awaiting_approval"}
    assert project.service.calls(name="switch") == []

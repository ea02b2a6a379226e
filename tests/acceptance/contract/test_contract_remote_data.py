"""Training data that is not on the machine, from the command line to the service; the logs of the servers judge."""

import hashlib
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.acceptance.contract.contract_project import Finished, Project, assert_failed, rows
from tests.fakes.s3_server import CANARIES, S3Server, s3_server
from tests.fakes.web_server import Page, WebServer, web_server

BUCKET = "team-data"
SIGNED = "X-Amz-Signature=CANARYsignature0123456789&X-Amz-Credential=CANARYcredential"


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server(BUCKET) as server:
        yield server


@pytest.fixture
def store(running: S3Server, project: Project) -> S3Server:
    running.instead.clear()
    running.log.clear()
    project.environment.update(CANARIES)
    return running


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def add(project: Project, name: str, train: object, evaluation: object = None) -> None:
    """Add a model whose data is elsewhere."""
    project.add(name)
    project.data_file(name).unlink()
    project.manifest["datasets"][name] = {"train": train} | ({"eval": evaluation} if evaluation else {})
    project.save()


def digests(project: Project, name: str) -> list[str]:
    return [sha256(upload) for upload in project.service.accepted(name)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_silent(project: Project, *ended: Finished) -> None:
    """Judge that no secret of a store is in any byte that was written."""
    secrets = [*CANARIES.values(), "CANARYsignature", "CANARYcredential"]
    written = {str(path): path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    written |= {f"command {number}": (end.out + end.err).encode() for number, end in enumerate(ended)}
    found = [(where, secret) for where, content in written.items() for secret in secrets if secret.encode() in content]
    assert found == []


@pytest.mark.plays("F3")
def test_an_object_is_trained_on_once_and_not_read_again_on_a_fresh_machine(
    project: Project, store: S3Server, tmp_path: Path
) -> None:
    store.put("churn/train.csv", rows())
    add(project, "churn", store.address("churn/train.csv"))
    assert project.retrain("validate", "models.yaml").code == 0
    assert store.log == [], "validate asks nobody"
    first = project.run("-vv")
    assert project.outcomes() == {"churn": "switched"}, first.err
    assert digests(project, "churn") == [sha256(rows())]
    entry = project.entry("churn")["dataset"]["train"]
    assert (entry["source"], entry["version"][:5]) == (f"s3://{BUCKET}/churn/train.csv", "ETag ")
    assert f"reading the data of churn from s3://{BUCKET}/churn/train.csv" in first.err

    fresh = Project(folder=tmp_path / "fresh", service=project.service, environment=dict(project.environment))
    shutil.copytree(project.state, fresh.state, symlinks=True)
    fresh.manifest = project.manifest
    fresh.save()
    store.log.clear()
    planned = fresh.retrain("plan", "models.yaml")
    again = fresh.run()
    assert again.code == 0, again.err
    assert fresh.outcomes() == {"churn": "unchanged"}
    assert store.reads() == []
    assert "reading the data" not in planned.err + again.err
    assert len(digests(project, "churn")) == 1
    assert project.retrain("verify").code == 0
    assert_silent(project, first)
    assert_silent(fresh, planned, again)


@pytest.mark.plays("F3")
def test_a_presigned_address_is_known_again_by_another_signature_and_shown_nowhere(
    project: Project, web: WebServer
) -> None:
    web.pages["/d/train.csv"] = Page(content=rows())
    add(project, "churn", {"url": {"env": "CHURN_DATA_URL"}})
    project.environment["CHURN_DATA_URL"] = f"{web.url}/d/train.csv?{SIGNED}"
    first = project.run("-vv")
    assert project.outcomes() == {"churn": "switched"}, first.err
    web.log.clear()
    project.environment["CHURN_DATA_URL"] = f"{web.url}/d/train.csv?{SIGNED}2"
    second = project.run()
    assert project.outcomes() == {"churn": "unchanged"}
    assert web.gets() == []
    web.pages["/d/train.csv"] = Page(content=rows(), status=403)
    third = project.run()
    assert_failed(project, "churn", "data")
    assert third.code == 1
    doctor = project.retrain("doctor", "models.yaml")
    assert "denies access" in doctor.out
    assert_silent(project, first, second, third, doctor)


def test_the_same_content_under_another_version_is_read_once_and_known_from_then_on(
    project: Project, web: WebServer
) -> None:
    web.pages["/train.csv"] = Page(content=rows())
    add(project, "churn", f"{web.url}/train.csv")
    assert project.run().code == 0
    web.pages["/train.csv"] = Page(content=rows(), etag='"2"')
    web.log.clear()
    ended = project.run()
    assert project.outcomes() == {"churn": "unchanged"}, ended.err
    assert len(web.gets()) == 1
    web.log.clear()
    assert project.retrain("plan", "models.yaml").code == 0
    assert project.run().code == 0
    assert web.gets() == []
    assert project.retrain("verify").code == 0


def test_data_that_nothing_names_is_read_in_each_run_and_that_is_said(project: Project, web: WebServer) -> None:
    web.pages["/train.csv"] = Page(content=rows(), etag='W/"1"')
    add(project, "churn", f"{web.url}/train.csv")
    assert project.run().code == 0
    web.log.clear()
    ended = project.run()
    assert project.outcomes() == {"churn": "unchanged"}
    assert len(web.gets()) == 1
    assert "each time, as nothing names the content of" in ended.err
    assert "is read in each run" in project.retrain("doctor", "models.yaml").out


@pytest.mark.plays("F4")
def test_an_object_replaced_between_plan_and_upload_is_not_trained_on(project: Project, store: S3Server) -> None:
    store.put("churn/moved.csv", rows(5000))
    add(project, "churn", store.address("churn/moved.csv"))
    made = project.retrain("plan", "models.yaml", "--out", "plan.json")
    assert made.code in (0, 2), made.err
    store.put("churn/moved.csv", rows(5000, seed=3))
    stale = project.retrain("run", "--plan", "plan.json")
    assert stale.code == 7, stale.err
    assert digests(project, "churn") == []
    assert project.run().code == 0
    assert digests(project, "churn") == [sha256(rows(5000, seed=3))]


@pytest.mark.plays("F4")
@pytest.mark.parametrize("change", [{"cut": 100}, {"etag": '"2"', "obeys": False}, {"status": 503}])
def test_what_breaks_while_it_is_uploaded_starts_nothing_and_is_made_good_by_the_next_run(
    project: Project, web: WebServer, change: dict[str, object]
) -> None:
    web.pages["/train.csv"] = Page(content=rows(), then=Page(**{"content": rows(), **change}))  # type: ignore[arg-type] # as its fields are
    add(project, "churn", f"{web.url}/train.csv")
    project.run()
    assert_failed(project, "churn", "data")
    assert project.service.accepted("churn") == []
    web.pages["/train.csv"] = Page(content=rows())
    assert project.run().code == 0
    assert digests(project, "churn") == [sha256(rows())]


def test_what_a_command_prints_is_trained_on_and_no_plan_starts_it(project: Project) -> None:
    code = "import sys; open('started', 'a').write('x'); sys.stdout.write(open('warehouse').read())"
    (project.folder / "warehouse").write_bytes(rows())
    version = [sys.executable, "-c", "print(len(open('warehouse').read()))"]
    add(project, "churn", {"command": [sys.executable, "-c", code], "version": {"command": version}})
    planned = project.retrain("plan", "models.yaml")
    assert "why: The output of `" in planned.out
    assert "starts no program that a manifest names" in planned.out
    again = f"retrain plan models.yaml --state {project.state} --refresh"
    assert f"\nnext: {again}\n" in f"{planned.out}\n"
    refused = project.retrain("plan", "models.yaml", "--out", "plan.json")
    assert (refused.code, "a plan starts no command of a manifest" in refused.err) == (2, True), refused.err
    assert not (project.folder / "plan.json").exists()
    assert project.retrain("validate", "models.yaml").code == 0
    assert not (project.folder / "started").exists()
    assert project.run().code == 0
    assert digests(project, "churn") == [sha256(rows())]
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "unchanged"}
    assert (project.folder / "started").read_text("utf-8") == "x", "its version told that nothing changed"
    (project.folder / "warehouse").write_bytes(rows(130))
    assert "retrain" in project.retrain("plan", "models.yaml", "--refresh").out
    assert project.run().code == 0
    assert digests(project, "churn") == [sha256(rows()), sha256(rows(130))]


def test_parquet_and_remote_evaluation_data_are_packed_and_nothing_stays(project: Project, store: S3Server) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs the extra `parquet`")
    made = project.folder / "table.parquet"
    labels = "CASE WHEN i % 3 = 0 THEN 'no' ELSE 'yes' END AS churned"
    table = duckdb.sql(f"SELECT i AS age, i % 11 AS visits, {labels} FROM range(120) AS t (i)")  # noqa: S608 -- ours
    table.write_parquet(str(made))
    store.put("churn/train.parquet", made.read_bytes())
    store.put("churn/eval.csv", rows(30, seed=500))
    add(project, "churn", store.address("churn/train.parquet"), store.address("churn/eval.csv"))
    ended = project.run()
    assert project.outcomes() == {"churn": "switched"}, ended.err
    store.log.clear()
    assert project.run().code == 0
    assert project.outcomes() == {"churn": "unchanged"}
    assert store.reads() == []
    assert not (project.state / "spool").exists()


def test_a_kill_while_remote_data_is_read_leaves_nothing_on_the_disk(project: Project, web: WebServer) -> None:
    entered, over = Event(), Event()

    def hang() -> None:
        entered.set()
        over.wait(20)

    web.pages["/train.csv"] = Page(content=rows(), etag=None, after_head=hang)
    add(project, "churn", f"{web.url}/train.csv")
    process = project.start("run", "models.yaml")
    assert entered.wait(20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    over.set()
    web.pages["/train.csv"] = Page(content=rows(), etag=None)
    assert project.run().code == 0
    assert digests(project, "churn") == [sha256(rows())]
    assert not (project.state / "spool").exists()


@pytest.mark.plays("F1")
def test_an_endpoint_of_the_manifest_needs_the_operator(project: Project) -> None:
    project.environment.update(CANARIES)
    add(project, "churn", f"s3://{BUCKET}/a.csv?region=eu-west-1&endpoint=https://127.0.0.1.example")
    ended = project.run()
    assert ended.code == 1
    assert_failed(project, "churn", "data")
    assert "--trust-host 127.0.0.1.example" in project.entry("churn")["error"]["hint"]
    assert_silent(project, ended)

"""Large new data is checked while it is sent, over real connections and files; the logs of the servers judge."""

import hashlib
import signal
from collections.abc import Iterator
from threading import Event

import pytest

from runner.app.planning.data_checks import ONE_PASS_FROM
from tests.acceptance.contract.contract_project import Project, assert_failed
from tests.fakes.loopback_port import Answer
from tests.fakes.web_server import Page, WebServer, web_server

QUICK = 2  # seconds a signed URL lives, so that a lost upload is known soon
PADDING = "x" * 350


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def table(seed: int, last: str = "") -> bytes:
    """Return a table that is large enough; another seed gives another size."""
    count = ONE_PASS_FROM // len(PADDING) + seed
    lines = (f"{number},{number * 7 % 11},{'yes' if number % 3 else 'no'},{PADDING}\n" for number in range(count))
    return ("age,visits,churned,note\n" + "".join(lines) + last).encode()


def large(project: Project, web: WebServer, content: bytes) -> None:
    """Add a model whose data is at a web server."""
    project.add("churn", train=b"").url_seconds = QUICK
    web.pages["/train.csv"] = Page(content=content)
    project.manifest["datasets"]["churn"] = {"train": f"{web.url}/train.csv"}
    project.save()


def test_a_large_file_is_read_once_by_its_check_and_its_upload(project: Project) -> None:
    project.add("churn", train=table(1))

    first = project.run()
    again = project.run()

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert "while they are sent" in first.err
    assert [hashlib.sha256(body).hexdigest() for body in project.service.accepted("churn")] == [
        hashlib.sha256(table(1)).hexdigest()
    ]
    assert project.retrain("verify").code == 0


def test_remote_data_leaves_its_store_once(project: Project, web: WebServer) -> None:
    large(project, web, table(1))

    ended = project.run()

    assert ended.code == 0, ended.err
    assert project.service.accepted("churn") == [table(1)]
    assert web.gets() == ["/train.csv"]


def test_what_is_wrong_in_the_last_row_starts_nothing(project: Project) -> None:
    project.add("churn", train=table(1, last="one field\n"))

    assert project.run().code == 1
    assert_failed(project, "churn", "data")
    assert project.service.accepted("churn") == []
    assert [call.whole for call in project.service.calls("churn", "put")] == [False]
    project.write_data("churn", table(2))
    assert project.run().code == 0
    assert project.service.accepted("churn") == [table(2)]


def test_nobody_can_say_that_a_part_of_the_data_was_trained(project: Project) -> None:
    model = project.add("churn", train=table(1, last="one field\n"), wait={"timeout": "1s", "poll": "100ms"})
    model.always["status"] = Answer(status=500, body=b"{}")
    assert project.run().code == 8

    refused = project.retrain("resolve", "churn", "--as", "started", "--reason", "seen in the product")
    taken = project.retrain("resolve", "churn", "--as", "not-started", "--reason", "removed from the product")

    assert (refused.code, taken.code) == (2, 0), refused.err + taken.err
    assert "retrain resolve churn --as not-started" in refused.err
    del model.always["status"]
    project.write_data("churn", table(2))
    assert project.run().code == 0
    assert project.service.accepted("churn") == [table(2)]


def test_a_kill_while_the_data_is_sent_starts_nothing_and_the_data_is_sent_once(
    project: Project, web: WebServer
) -> None:
    entered, over = Event(), Event()

    def hang() -> None:
        entered.set()
        over.wait(20)

    large(project, web, table(1))
    web.pages["/train.csv"].after_head = hang
    process = project.start("run", "models.yaml")
    assert entered.wait(20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    over.set()
    web.pages["/train.csv"] = Page(content=table(1))

    assert project.run().code == 0
    assert project.service.accepted("churn") == [table(1)]
    assert project.retrain("verify").code == 0

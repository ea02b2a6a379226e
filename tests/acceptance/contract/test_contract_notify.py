"""Who hears of a run, as the receivers see it; and that a run is the same whatever they do."""

import json
import signal
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.contract.contract_project import Finished, Project, interrupt, threshold, wait_until
from tests.fakes.loopback_port import Answer
from tests.fakes.receiver import Receiver

SECRET = "CANARYhook/8d+2c"
STRICT = threshold({"metric": "auc", "min": 0.95})
HELD = 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def told(project: Project, receiver: Receiver) -> Project:
    """Let three models of two owners end differently, and tell each of three channels of some of them."""
    project.add("churn", tags=["daily"], owner="growth")
    project.add("usage", policy=STRICT, tags=["daily"], owner="growth")
    project.add("price", policy=STRICT, owner="finance")
    project.manifest["notify"] = [
        {"on": ["held", "failed"], "to": {"env": "ALL_HELD"}},
        {"on": ["always"], "to": {"env": "GROWTH"}, "owner": "growth"},
        {"on": ["switched", "held"], "to": {"env": "DAILY"}, "owner": ["growth", "finance"], "select": ["tag:daily"]},
        {"on": ["failed", "unknown"], "to": {"env": "ALARM"}},
        {"ping": {"env": "PING"}},
    ]
    for channel in ("ALL_HELD", "GROWTH", "DAILY", "ALARM"):
        project.environment[channel] = f"{receiver.chat_url}/{channel}"
    project.environment["PING"] = f"{receiver.url}/ping"
    project.save()
    return project


def names(message: dict[str, str]) -> list[str]:
    """Return the models a message is about, in its order."""
    return [line.partition(":")[0] for line in message["message"].split("\n\n")[0].splitlines()]


def warnings(finished: Finished) -> list[str]:
    return [line for line in finished.err.splitlines() if line.startswith("warning:")]


def test_each_channel_gets_one_message_about_its_models_and_the_switch_hears_of_start_and_end(
    told: Project, receiver: Receiver
) -> None:
    uploads_at_start: list[int] = []
    told.service.watch = lambda call, _moment: (
        uploads_at_start.append(len(receiver.got)) if call.name == "put" else None
    )
    finished = told.run()
    assert (finished.code, warnings(finished)) == (HELD, [])
    assert sorted(names(*receiver.messages("/ALL_HELD"))) == ["price", "usage"]
    assert names(*receiver.messages("/GROWTH")) == ["usage", "churn"]
    assert names(*receiver.messages("/DAILY")) == ["usage", "churn"]
    assert receiver.messages("/ALARM") == []
    assert receiver.pings() == ["/ping/start", "/ping/4"]
    assert set(uploads_at_start) == {1}, "the start is told before the first upload, and nothing else"
    message = receiver.messages("/GROWTH")[0]
    report = told.report()
    assert message["title"] == f"retrain: 1 held, 1 switched (run {report['run_id']})"
    assert told.entry("usage")["reason"] in message["message"]


def test_a_run_in_which_nothing_concerns_anybody_sends_no_message_and_other_commands_send_nothing(
    told: Project, receiver: Receiver
) -> None:
    told.manifest["notify"] = [
        {"on": ["switched"], "to": {"env": "DAILY"}, "select": ["churn"]},
        {"ping": {"env": "PING"}},
    ]
    told.save()
    assert told.run("--select", "usage").code == HELD
    assert receiver.messages("/DAILY") == []
    assert receiver.pings() == ["/ping/start", "/ping/4"]
    for command in (("plan", "models.yaml"), ("approve", "usage", "--yes", "--reason", "seen")):
        assert told.retrain(*command).code == 0, command
    assert len(receiver.got) == 2


def test_receivers_that_hang_refuse_or_are_absent_are_warned_of_and_change_nothing_of_the_run(
    told: Project, receiver: Receiver
) -> None:
    broken = Receiver()
    broken.answer = Answer(status=500)
    receiver.holds.clear()
    told.environment |= {"ALL_HELD": f"{broken.chat_url}/x", "DAILY": "json://127.0.0.1:1/x", "GROWTH": ""}
    began = time.monotonic()
    finished = told.run()
    broken.stop()
    assert finished.code == told.report()["exit_code"] == HELD
    assert told.outcomes() == {"churn": "switched", "usage": "held", "price": "held"}
    assert time.monotonic() - began < 35
    assert receiver.pings() == ["/ping/start", "/ping/4"]
    assert [line.partition(" of ")[0] for line in warnings(finished)] == [
        "warning: The ping",
        "warning: The ping",
        "warning: The notification",
        "warning: The notification",
        "warning: The notification",
    ]
    assert "GROWTH is empty" in finished.err


def test_no_address_is_shown_or_kept_anywhere(told: Project, receiver: Receiver) -> None:
    refusing = Receiver()
    refusing.answer = Answer(status=404, body=SECRET.encode())
    told.environment |= {
        "ALL_HELD": f"{receiver.chat_url}/{SECRET}",
        "GROWTH": f"json://user:{SECRET.replace('/', '%2F')}@{refusing.url.removeprefix('http://')}/{SECRET}",
        "DAILY": f"no-such-service://{SECRET}",
        "PING": f"{refusing.url}/{SECRET}",
    }
    finished = told.run("-vv", "--format", "json")
    refusing.stop()
    assert finished.code == HELD
    assert (len(receiver.got), len(refusing.got), len(warnings(finished))) == (1, 3, 4)
    written = [path.read_bytes() for path in told.folder.rglob("*") if path.is_file()]
    shown = f"{finished.out}{finished.err}{written}{sorted(told.folder.rglob('*'))}"
    for form in (SECRET, SECRET.replace("/", "%2F"), "CANARYhook"):
        assert form not in shown
    assert json.loads(finished.out)["exit_code"] == HELD


def test_a_run_that_was_stopped_is_told_of_with_the_signals_code(told: Project, receiver: Receiver) -> None:
    told.service.models["churn"].training = True
    process = told.start("run", "models.yaml", "--select", "churn")
    wait_until(lambda: bool(told.service.accepted("churn")), what="the upload")
    finished = interrupt(process, signal.SIGTERM)
    assert (finished.code, warnings(finished)) == (143, [])
    assert receiver.pings() == ["/ping/start", "/ping/143"]
    assert receiver.messages("/GROWTH")[0]["title"].startswith("retrain: 1 training")

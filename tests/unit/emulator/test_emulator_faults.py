"""Faults hit the requests they name, with or without the effect, as their kind says."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.keys import own_key
from emulator.profile import Call, FaultKind, Rule
from emulator.profile_file import read_faults
from emulator.rules import Rules
from runner.errors import UsageError
from tests.unit.emulator.emulator_harness import API, Emulator, started, write_manifest

EXAMPLE = Path(__file__).with_name("every_fault.yaml")
UPLOAD_URL = f"{API}/retrain_jobs/upload_url?filename=a.csv"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("faulty")
    write_manifest(folder)
    with started(folder, "--own-keys", "--faults", str(EXAMPLE)) as emulator:
        yield emulator


def test_every_kind_of_fault_does_what_it_says(faulty: Emulator, small: bytes) -> None:
    """One story, because faults are counted: each step is the next count of its rule."""
    _refuse_or_spoil_upload_urls(faulty)
    job = _lose_uploads(faulty, small)
    _spoil_results(faulty, job)
    failed = faulty.train("spare", small)
    assert (failed["status"], "faults file" in failed["message"]) == ("job_failed", True)
    began = time.monotonic()
    assert faulty.train("spare", small)["status"] == "job_finished"
    assert time.monotonic() - began >= 1.5


def _refuse_or_spoil_upload_urls(faulty: Emulator) -> None:
    key = own_key("spare")
    answers = [faulty.call("GET", UPLOAD_URL, key=key) for _ in range(4)]
    assert [answer.status for answer in answers] == [500, 503, 429, 200]
    assert answers[1].headers["Retry-After"] == "1"
    assert answers[3].body.startswith(b"<!DOCTYPE html>")
    with pytest.raises(ConnectionResetError) as caught:
        faulty.call("GET", UPLOAD_URL, key=key)
    assert caught.type is ConnectionResetError  # a polite hang-up is a subclass
    assert faulty.describe("spare")["jobs"] == []
    with pytest.raises(http.client.IncompleteRead):
        faulty.call("GET", UPLOAD_URL, key=key)
    assert len(faulty.describe("spare")["jobs"]) == 1


def _lose_uploads(faulty: Emulator, small: bytes) -> str:
    job, url = faulty.take_job("spare")
    with pytest.raises(ConnectionError):
        faulty.call("PUT", url, body=small)
    assert faulty.describe("spare")["trainings"] == 0
    with pytest.raises(http.client.RemoteDisconnected):
        faulty.call("PUT", url, body=small)
    assert faulty.describe("spare")["trainings"] == 1
    deadline = time.monotonic() + 30
    while faulty.describe("spare")["jobs"][-1]["status"] == "training":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    log = [(e["call"], e["effect"], e["status"], e["fault"]) for e in faulty.requests() if e["call"] == "put"]
    assert log == [("put", None, 0, "reset_before"), ("put", "started", 0, "lost_answer")]
    return job


def _spoil_results(faulty: Emulator, job: str) -> None:
    expired = faulty.status("spare", job)
    assert faulty.call("GET", expired["download_url"]).status == 403
    good = faulty.status("spare", job)["download_url"]
    with pytest.raises(http.client.IncompleteRead):
        faulty.call("GET", good)
    began = time.monotonic()
    assert faulty.call("GET", good).status == 200
    assert time.monotonic() - began >= 0.4
    with pytest.raises(http.client.RemoteDisconnected):
        faulty.switch("spare", job)
    assert faulty.describe("spare")["serving_job"] == job


def test_a_late_request_has_its_effect_after_the_delay(faulty: Emulator, small: bytes) -> None:
    job, url = faulty.take_job("wine")
    sending = threading.Thread(target=faulty.call, args=("PUT", url), kwargs={"body": small})
    began = time.monotonic()
    sending.start()
    while faulty.status("wine", job)["status"] == "waiting_for_upload":
        time.sleep(0.02)
    assert time.monotonic() - began >= 0.5
    sending.join()
    assert faulty.wait("wine", job)["status"] == "job_failed"


def test_every_and_after_count_the_requests_of_their_model(faulty: Emulator) -> None:
    every = [faulty.call("GET", UPLOAD_URL, key=own_key("predicted")).status for _ in range(5)]
    assert every == [200, 500, 200, 500, 200]
    after = [faulty.call("GET", UPLOAD_URL, key=own_key("refused")).status for _ in range(4)]
    assert after == [200, 200, 503, 503]


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 9), st.sets(st.integers(1, 60), min_size=1))
def test_a_rule_fires_for_the_counts_it_names_and_no_others(total: int, every: int, after: int, nth: set[int]) -> None:
    def fired(rule: Rule) -> list[int]:
        faults = Rules([rule])
        return [count for count in range(1, total + 1) if faults.next_for("put", "m").rule is rule]

    base: dict[str, Any] = {"call": Call.PUT, "kind": FaultKind.STATUS_500}
    numbers = range(1, total + 1)
    assert fired(Rule(**base)) == list(numbers)
    assert fired(Rule(**base, every=every)) == [n for n in numbers if n % every == 0]
    assert fired(Rule(**base, after=after)) == [n for n in numbers if n > after]
    assert fired(Rule(**base, nth=tuple(nth))) == [n for n in numbers if n in nth]


def test_a_rule_counts_only_what_it_names_and_the_first_that_fires_wins() -> None:
    one = Rule(call=Call.PUT, kind=FaultKind.STATUS_500, model="a", nth=(2,))
    two = Rule(call=Call.ANY, kind=FaultKind.HTML_200, nth=(3, 4))
    expired = Rule(call=Call.ANY, kind=FaultKind.EXPIRED_URL)
    faults = Rules([one, two, expired])
    assert faults.next_for("put", "b").rule is None
    assert faults.next_for("put", "a").rule is None
    assert faults.next_for("put", "a").rule is one
    assert faults.next_for("switch", None).rule is two
    assert faults.next_for("status", "a").rule is expired
    assert faults.next_for("download", "a").rule is None


def test_the_example_file_holds_every_kind() -> None:
    text = EXAMPLE.read_text()
    assert [kind for kind in FaultKind if f"kind: {kind}," not in text] == []


BAD_FILES = {
    "- {call: put, kind: lost_answr}": ":1:21: unknown value `lost_answr`. Did you mean `lost_answer`?",
    "- {call: put, kind: lost_answer}\n- {cal: put}": ":2:4: unknown key `cal`. Did you mean `call`?",
    "- {call: put}": ":1:3: the rule says nothing to play. Give it a `kind`, or an `answer`",
    "- {call: put, kind: slow}": ":1:3: slow needs `seconds`.",
    "- {call: put, kind: status_500, seconds: 1}": "status_500 takes no `seconds`.",
    "- {call: put, kind: slow, seconds: .nan}": ":1:36: expected a number, got a string.",
    "- {call: put, kind: slow, seconds: -1}": ":1:36: expected a number >= 0.0.",
    "- {call: put, kind: expired_url}": ":1:10: expired_url cannot happen to put. It can happen to",
    "- {call: put, kind: status_500, nth: 1}": ":1:38: expected a list, got a whole number.",
    "- {call: put, kind: status_500, nth: []}": ":1:33: expected a list of length >= 1.",
    "- {call: put, kind: status_500, nth: [0]}": ":1:39: expected a whole number >= 1.",
    "- {call: put, kind: status_500, every: 0}": ":1:40: expected a whole number >= 1.",
    "- {call: put, kind: status_500, every: 1, after: 1}": "more than one of nth, every and after.",
    "- {call: put, kind: status_500, kind: status_503}": "the key `kind` is there twice.",
    "- {call: put, kind: status_500, model: chum}": "there is no model `chum`. Did you mean `churn`?",
    "- {call: [put], kind: status_500}": ":1:4: expected a string, got a list.",
    "- {? [a] : put, kind: status_500}": ":1:6: a key must be a string.",
    "- put": ":1:3: expected a mapping, got a string.",
    "call: put": ":1:1: a faults file is a list of rules.",
    "": ":1:1: a faults file is a list of rules.",
    "- {call: put": "not readable as YAML",
    "- !!python/object:os.system {}": ":1:3: the key `call` is missing.",
    "\x00": "not readable as YAML",
    "[" * 20_000: "not readable as YAML",
    "#" * (17 << 20): "the file is larger than 16 MiB.",
}


@pytest.mark.parametrize("text", BAD_FILES, ids=lambda text: text[:40])
def test_a_wrong_faults_file_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_faults(file, ["churn"])
    assert BAD_FILES[text] in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_faults_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_faults(tmp_path / "none.yaml", [])

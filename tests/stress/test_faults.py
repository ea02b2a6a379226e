"""A sample of the faults over real sockets, and the bench seen failing."""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from runner.execute import retry
from runner.providers.base import Done, Unknown
from tests.fakes.two_port_service import SIGNATURE_CANARY
from tests.fakes.world import ONE_MODEL, World, service_error
from tests.stress import fault_world, suite_faults
from tests.stress.clock_jumps import jumps
from tests.stress.fault_judge import Violation, leaks
from tests.stress.fault_kinds import KINDS, OPERATIONS
from tests.stress.fault_points import Point, pairs, parse, shown, singles
from tests.stress.fault_world import KEY_CANARY
from tests.stress.suite_faults import Judged, try_points

MEMORY = Path("/dev/shm")  # noqa: S108 -- absent elsewhere, then the ordinary folder does
EVERY_SO_MANY = 9


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """Give a folder on a file system in memory where there is one."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def sample(*, secure: bool) -> Iterator[Point]:
    """Give every kind at the upload, or at each of its operations where it does not fit there; a ninth of the rest."""
    for number, point in enumerate(singles((1,), secure=secure)):
        last = point[-1]
        if last.operation == "put" or "put" not in last.kind.only or number % EVERY_SO_MANY == 0:
            yield point


def told(judged: Judged) -> str:
    return "\n".join(map(str, judged.violations))


def test_every_kind_of_fault_leaves_one_training_one_switch_and_a_named_outcome(memory_path: Path) -> None:
    points = list(sample(secure=False))
    assert {fault.kind.name for point in points for fault in point} >= {kind.name for kind in KINDS if not kind.secure}
    assert {point[-1].operation for point in points} == set(OPERATIONS)
    judged = try_points(memory_path / "world", points, secure=False)
    assert judged.violations == (), told(judged)


def test_faults_of_tls_leave_one_training_one_switch_and_a_named_outcome(memory_path: Path) -> None:
    points = list(sample(secure=True))
    assert {fault.kind.name for point in points for fault in point} >= {kind.name for kind in KINDS if kind.secure}
    judged = try_points(memory_path / "world", points, secure=True)
    assert judged.violations == (), told(judged)


def test_faults_at_data_that_is_checked_while_it_is_sent_leave_one_training(memory_path: Path) -> None:
    kinds = {"reset-within-the-body", "reset-before-the-body", "reset-after-the-body", "hang-up-on-accept", "403-json"}
    kinds |= {"redirect-307", "silence", "500", "expired-url", "refused"}
    points = [
        point for point in singles((1,), secure=False) if point[-1].operation == "put" and point[-1].kind.name in kinds
    ]
    assert {point[-1].kind.name for point in points} == kinds
    judged = try_points(memory_path / "world", points, secure=False, one_pass=True)
    assert judged.violations == (), told(judged)


def test_what_a_proxy_made_of_a_result_is_downloaded_again(memory_path: Path) -> None:
    assert violations_of(memory_path, "html-with-200:download:1:done", "length-too-short:download:1:done") == []


def test_a_clock_that_jumps_neither_trains_nor_switches_twice(memory_path: Path) -> None:
    assert [f"{name}: {what}" for name, what in jumps(memory_path, every=4) if what is not None] == []


def test_an_outage_of_the_status_does_not_outlast_the_time_to_wait_by_more_than_one_read(memory_path: Path) -> None:
    world = World(memory_path, ONE_MODEL.replace("policy: p}", "policy: p, wait: {timeout: 1m}}"))

    def out_of_order(call: str, _job: str) -> None:
        if call == "status" and world.service.effects:
            raise service_error(None, again=True)

    world.service.before = out_of_order
    assert world.run()["m"].outcome == "training"
    assert world.clock.seconds < 60 + retry.LONGEST_S + 60


def test_there_are_at_least_thirty_kinds_and_each_point_is_one_line_that_shows_it_again() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 30
    points = [*singles(), *pairs(200)]
    assert all(parse(shown(point)) == point for point in points)
    assert len(set(points)) == len(points)


def test_a_planted_leak_is_found_in_each_form() -> None:
    for secret in (f"{KEY_CANARY}-m1", SIGNATURE_CANARY):
        forms = (secret, quote(secret, safe=""), base64.b64encode(f"ab{secret}cd".encode()).decode())
        assert all(leaks({"log": f"x {form} y".encode()}) for form in forms)
    assert leaks({"log": b"nothing here"}) == []


def violations_of(folder: Path, *texts: str) -> list[str]:
    judged = try_points(folder / "world", [parse(text) for text in texts], secure=False)
    return [str(violation) for violation in judged.violations]


def test_the_bench_sees_an_upload_that_is_sent_again_without_proof(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "NeverSent", Unknown)  # what may be sent again
    found = violations_of(memory_path, "reset-after-the-body:put:1:done")
    assert any("2 uploads were accepted" in text for text in found), found


def test_the_bench_sees_an_upload_that_is_taken_for_done_without_proof(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "runner.providers.prediction_one.client.upload_effect", lambda *_args, **_named: Done(detail="hoped")
    )
    monkeypatch.setattr(suite_faults, "RECOVERIES", 0)
    monkeypatch.setattr(fault_world, "WAIT_S", 2)
    found = violations_of(memory_path, "500:put:1:undone")
    assert any("it ends as training" in text for text in found), found


def test_the_bench_sees_a_key_that_is_told(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.lib.secrets.Redactor.redact", lambda _self, text: text)
    found = violations_of(memory_path, "400-with-every-secret:upload_url:1:done")
    assert any(text.startswith("secrets in") for text in found), found


def test_a_violation_is_one_line_that_names_its_point() -> None:
    assert str(Violation(point="reset:put:1:done", what="it broke")) == "reset:put:1:done: it broke"

"""An upload that turns out lost long after it was planned: the model is planned again, by the data as it is then."""

from pathlib import Path

import pytest

from runner.execute.retry import ATTEMPTS
from runner.journal.events import UploadIntended
from runner.journal.store import open_store
from runner.providers.base import Code, Effect
from tests.fakes.world import UNCLEAR, World, service_error

MANIFEST = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
datasets: {d: {train: data.csv}}
policies: {p: {type: auto}}
models:
  m: {api_key: {env: KEY}, dataset: d, policy: p, wait: {timeout: 1m}}
"""
LONG_S = 3600.0


def lost(call: str, _job: str) -> Effect | None:
    """Lose every upload."""
    return UNCLEAR if call == "put" else None


def sound(_call: str, _job: str) -> Effect | None:
    """Let everything go well."""
    return None


@pytest.fixture
def world(memory_path: Path) -> World:
    """Give a world whose first upload was lost, long ago; nothing is wrong any more."""
    world = World(memory_path, MANIFEST)
    lose_one(world)
    return world


def lose_one(world: World) -> None:
    world.service.before = lost
    assert world.run()["m"].outcome == "unknown"
    world.service.before = sound
    world.clock.seconds += LONG_S
    world.service.training_s = 0.0


def digests_sent(world: World) -> list[str]:
    """Return the digests under which the journal meant to send, in order."""
    store = open_store(world.state)
    facts = [one.event.fact for one in store.read()]
    store.close()
    return [fact.dataset_sha256 for fact in facts if isinstance(fact, UploadIntended)]


def test_data_that_changed_since_the_lost_upload_is_trained_in_the_same_run_under_its_own_digest(world: World) -> None:
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    assert len(set(digests_sent(world))) == 2
    last = world.model().last
    assert last is not None
    assert last.dataset_sha256 == digests_sent(world)[-1]
    assert world.run()["m"].outcome == "unchanged"


def test_unchanged_data_is_sent_again_under_another_intent(world: World) -> None:
    assert world.run()["m"].outcome == "switched"
    assert len(set(digests_sent(world))) == 1
    assert sum(world.model().intents.recent.values()) == 2


def test_data_that_went_back_to_what_serves_is_not_trained_again(world: World) -> None:
    assert world.run()["m"].outcome == "switched"
    world.write_data("2")
    lose_one(world)
    world.write_data("1")
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.effects["upload", "key-m"] == 1


def test_data_that_is_gone_by_then_fails_the_model_and_names_the_file(world: World) -> None:
    (world.folder / "data.csv").unlink()
    end = world.run()["m"]
    assert (end.outcome, end.error is not None and end.error.kind) == ("failed", "data")
    assert "data.csv" in end.reason


def test_what_the_lost_upload_had_packed_is_removed_when_another_is_made(memory_path: Path) -> None:
    manifest = MANIFEST.replace("train: data.csv", "train: data.csv, eval: eval.csv").replace(
        "timeout: 1m", "timeout: 2h"
    )
    world = World(memory_path, manifest)
    (memory_path / "eval.csv").write_text((memory_path / "data.csv").read_text().replace("1", "3"))
    packed: list[int] = []

    def lose_first(call: str, _job: str) -> Effect | None:
        if call != "put":
            return None
        packed.append(sum(path.is_file() for path in world.state.spool.rglob("*")))
        return UNCLEAR if len(packed) == 1 else None

    world.service.before = lose_first
    assert world.run()["m"].outcome == "switched"
    assert packed == [1, 1]


def test_a_model_whose_upload_was_lost_is_not_started_over_after_the_limit_of_failures(memory_path: Path) -> None:
    two = MANIFEST + "  n: {api_key: {env: OTHER}, dataset: d, policy: p, wait: {timeout: 2h}}\n"
    world = World(memory_path, f"{two}limits: {{stop_after_failures: 1}}\n")

    def fail_m_lose_n(call: str, job: str) -> Effect | None:
        key = world.service.jobs[job].key if job in world.service.jobs else ""
        if call == "status" and key == "key-m" and world.service.jobs[job].uploaded_at is not None:
            raise service_error(Code.INVALID_KEY)
        return UNCLEAR if call == "put" and key == "key-n" else None

    world.service.before = fail_m_lose_n
    ends = world.run()
    assert (ends["m"].outcome, ends["n"].outcome) == ("failed", "skipped")
    assert "stop_after_failures" in ends["n"].reason
    assert world.service.calls("put") == 2 < ATTEMPTS

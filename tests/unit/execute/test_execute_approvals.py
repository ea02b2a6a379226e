"""A person's word, and another runner's work, are above what a run had in mind."""

from pathlib import Path

import pytest

from runner.errors import StateError
from runner.journal.events import ApprovalRecorded, Draft
from runner.journal.store import open_store
from runner.lib.timestamps import stamp
from runner.plan.approvals import inputs_moved
from runner.plan.model_plan import Choice
from tests.fakes.run_ids import run_id
from tests.fakes.world import World

MANIFEST = """
version: 1
service: {url: "https://service.test", quarantine: 5m}
datasets: {d: {train: data.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}], first_run: pass}
models:
  m: {api_key: {env: KEY}, dataset: d, policy: p}
"""


@pytest.fixture
def world(memory_path: Path) -> World:
    """Give a world whose switch to the second candidate is decided and was left to a later run."""
    world = World(memory_path, MANIFEST)
    assert world.run()["m"].outcome == "switched"
    world.write_data("2")
    world.options = Choice(no_switch=True)
    assert world.run()["m"].outcome == "skipped"
    world.options = Choice()
    return world


def review(world: World, action: str) -> None:
    """Write an operator's decision on the newest candidate as `retrain approve` and `reject` do."""
    job = world.model().last
    assert job is not None
    assert job.decided is not None
    candidate = job.decided.fact.candidate_sha256
    fact = ApprovalRecorded(
        retrain_job_id=job.retrain_job_id,
        candidate_sha256=candidate,
        action="approve" if action == "approve" else "reject",
        by="p",
        reason="looked",
    )
    store = open_store(world.state)
    list(store.read())
    store.append([Draft(at=stamp(world.clock.now()), run_id=run_id(1), model="m", fact=fact)])
    store.close()


def test_a_candidate_that_a_person_rejected_is_not_switched_to_although_its_policy_would(world: World) -> None:
    review(world, "reject")
    assert world.run()["m"].outcome == "unchanged"
    assert world.service.calls("switch") == 1


def test_the_switch_that_was_left_over_is_done_when_nobody_objects(world: World) -> None:
    assert world.run()["m"].outcome == "switched"
    assert world.service.calls("switch") == 2


def test_a_decision_no_longer_holds_when_another_incumbent_serves_than_at_its_time(world: World) -> None:
    manifest, progress = world.manifest, world.model()
    job = progress.last
    assert job is not None
    assert inputs_moved(manifest, manifest.models["m"], progress, job) is None
    progress.incumbent_id = job.retrain_job_id
    assert inputs_moved(manifest, manifest.models["m"], progress, job) == "the incumbent changed since the decision"


def test_a_runner_that_wakes_up_after_another_took_over_sends_nothing_whenever_it_fell_asleep(
    memory_path: Path,
) -> None:
    """It sleeps before or after a commit, as if `unlock` had freed its lock, while the other runs to its end."""
    (memory_path / "count").mkdir()
    counted = World(memory_path / "count", MANIFEST)
    counted.run()
    fenced = 0
    for sleeps_at in (sign * number for number in range(1, counted.commits + 1) for sign in (1, -1)):
        folder = memory_path / str(sleeps_at)
        folder.mkdir()
        world = World(folder, MANIFEST)
        let_another_run_at(world, sleeps_at)
        try:
            world.run()
        except StateError:
            fenced += 1
        expected = {("upload", "key-m"): 1, ("switch", "key-m"): 1}
        assert world.service.effects == expected, f"{sleeps_at}: {world.service.log}"
        world.on_commit = lambda _commit: None
        assert world.run()["m"].outcome == "unchanged", sleeps_at
    assert fenced >= 2 * counted.commits - 1  # after the last commit there is nothing left to refuse


def let_another_run_at(world: World, commit: int) -> None:
    """Let another runner work from beginning to end at a commit, once."""
    done: list[int] = []

    def take_over(number: int) -> None:
        if number == commit and not done:
            done.append(number)
            other = World(world.folder, MANIFEST, service=world.service)
            other.runs = 100
            other.run()

    world.on_commit = take_over

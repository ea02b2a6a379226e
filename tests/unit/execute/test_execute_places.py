"""The place of the metrics is a part of each decision: recorded, compared with the result before, pinned when asked."""

from pathlib import Path

import pytest

from runner.app.audit.verify import verify
from runner.app.queries.replay import ReplayRequest, replay
from runner.journal.events import ModelFinished
from runner.journal.retrain_job import Decided
from tests.fakes.result_files import archive
from tests.fakes.world import World

MANIFEST = """\
version: 1
service: {{url: "https://service.test"}}
datasets: {{d: {{train: data.csv}}}}
policies: {{p: {{type: threshold, rules: [{{metric: auc, min: 0.8}}]}}}}
{metrics}
models: {{m: {{api_key: {{env: KEY}}, dataset: d, policy: p}}}}
"""
HERE = archive({"evaluation.json": b'{"auc": 0.91}'})
ELSEWHERE = archive({"summary.json": b'{"auc": 0.92}'})
DOCUMENTED = archive({"metrics.csv": b"AUC,0.93\n"})


def world_of(folder: Path, *results: bytes, metrics: str = "") -> World:
    world = World(folder, MANIFEST.format(metrics=metrics))
    world.service.results = list(results)
    return world


def run(world: World, data: str | None = None) -> ModelFinished:
    if data is not None:
        world.write_data(data)
    return world.run()["m"]


def decided(world: World) -> Decided:
    job = world.model().last
    assert job is not None
    assert job.decided is not None
    return job.decided


def sound(world: World, decisions: int) -> None:
    """Assert that every decision comes out the same when it is computed again from its stored file."""
    found = verify(str(world.state.root), None)
    assert found.decisions == decisions
    assert [finding.what for finding in found.findings if "decision" in finding.where] == []


def test_a_place_that_was_found_is_recorded_and_warned_of_with_the_command_that_pins_it(memory_path: Path) -> None:
    world = world_of(memory_path, HERE)
    end = run(world)
    evaluation = decided(world).fact.evaluation
    assert (end.outcome, evaluation.place, evaluation.searched) == ("switched", "evaluation.json", True)
    look = f"`retrain inspect m --state {world.state.root}` prints the lines that pin it"
    assert end.warnings == (f"the metrics were found by a search, in evaluation.json; {look}",)
    sound(world, 1)


def test_the_same_place_again_is_trusted(memory_path: Path) -> None:
    world = world_of(memory_path, HERE, HERE)
    assert [run(world).outcome, run(world, "2").outcome] == ["switched", "switched"]
    assert decided(world).fact.inputs["place_before"] == "evaluation.json"
    sound(world, 2)


def test_another_place_than_last_time_switches_nothing_until_it_is_pinned(memory_path: Path) -> None:
    world = world_of(memory_path, HERE, ELSEWHERE)
    run(world)
    end = run(world, "2")
    assert end.outcome == "held"
    assert "in summary.json now; in the result before they were in evaluation.json" in end.reason
    sound(world, 2)
    before = [world.service.calls(call) for call in ("put", "download")]
    world.service.jobs.clear()  # the service forgot the job
    world.write_manifest(MANIFEST.format(metrics="metrics: {auc: {file: summary.json, select: /auc}}"))
    world.run()
    assert decided(world).fact.evaluation.metrics == {"auc": "0.92"}
    assert decided(world).action == "switch"
    assert [world.service.calls(call) for call in ("put", "download")] == before
    sound(world, 3)


def test_after_a_change_that_was_not_accepted_the_older_place_still_counts(memory_path: Path) -> None:
    world = world_of(memory_path, HERE, ELSEWHERE, ELSEWHERE, HERE)
    assert [run(world, str(number)).outcome for number in range(4)] == ["switched", "held", "held", "switched"]


def test_the_documented_place_needs_no_pin_whatever_came_before(memory_path: Path) -> None:
    world = world_of(memory_path, HERE, DOCUMENTED)
    run(world)
    end = run(world, "2")
    assert (end.outcome, end.warnings) == ("switched", ())


@pytest.mark.parametrize("metrics", ["metrics: {auc: {unit: percent}}", "metrics: {auc: {select: AUC, unit: percent}}"])
def test_a_unit_that_comes_later_judges_the_stored_file_again(memory_path: Path, metrics: str) -> None:
    world = world_of(memory_path, archive({"metrics.csv": b"AUC,91.2\n"}))
    end = run(world)
    assert end.outcome == "held"
    assert "is it in percent?" in end.reason
    assert "`retrain inspect m" in end.warnings[-1]
    world.write_manifest(MANIFEST.format(metrics=metrics))
    assert run(world).outcome == "switched"
    assert decided(world).fact.evaluation.metrics == {"auc": "0.912"}
    assert (world.service.calls("put"), world.service.calls("download")) == (1, 1)
    sound(world, 2)


def test_replay_judges_by_the_place_that_was_known_then(memory_path: Path) -> None:
    world = world_of(memory_path, HERE, ELSEWHERE)
    run(world)
    run(world, "2")
    found = replay(ReplayRequest(paths=[world.folder / "models.yaml"], state=str(world.state.root))).decisions
    assert [one.now.action for one in found if hasattr(one, "now")] == ["switch", "hold"]

"""Whose data new data is compared with: the job that serves, and never one that came to nothing."""

from pathlib import Path

from runner.plan.incumbent import reference
from tests.fakes.world import World
from tests.unit.plan.plan_people import review, roll_back

MANIFEST = """
version: 1
service: {{url: "https://service.test"}}
datasets: {{d: {{train: data.csv}}}}
policies:
  p: {policy}
models:
  m: {{api_key: {{env: KEY}}, dataset: d, policy: p, checks: {{target: label, change: {change}}}}}
"""
BOUND = "{type: threshold, rules: [{metric: auc, min: 0.9}]}"


def world_of(folder: Path, policy: str = BOUND, change: str = "stop") -> World:
    world = World(folder, MANIFEST.format(policy=policy, change=change))
    world.service.metrics = {"AUC": "0.95"}
    return world


def run_on(world: World, labels: str, *, auc: str = "0.95", rows: int = 120) -> str:
    """Run with data of these labels, one letter each, and return what happened to it."""
    world.service.metrics = {"AUC": auc}
    lines = [f"{number},{world.runs},{labels[number % len(labels)]}\n" for number in range(rows)]
    (world.folder / "data.csv").write_text("id,value,label\n" + "".join(lines), encoding="utf-8")
    end = world.run()["m"]
    return end.outcome if end.error is None else end.error.message


def name_of(world: World) -> str | None:
    found = reference(world.model())
    return found.name if found else None


def test_without_any_job_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert name_of(world_of(tmp_path)) is None


def test_data_that_was_held_is_not_a_measure_for_the_good_data_after_it(tmp_path: Path) -> None:
    """One bad night: the file of that night lacked a label, and was held."""
    world = world_of(tmp_path)
    assert run_on(world, "ab", auc="0.5") == "held"
    assert name_of(world) is None
    assert run_on(world, "abc") == "switched"
    assert name_of(world) == "job job-2, the last one switched to"


def test_the_job_that_serves_is_the_measure_also_after_a_candidate_was_held(tmp_path: Path) -> None:
    world = world_of(tmp_path, change="warn")
    assert run_on(world, "abc") == "switched"
    assert run_on(world, "ab", auc="0.5") == "held"
    world.write_manifest(MANIFEST.format(policy=BOUND, change="stop"))
    assert name_of(world) == "job job-1, the last one switched to"
    assert run_on(world, "abc") == "switched"
    assert run_on(world, "ab") == (
        "data.csv: no row has the target label 'c' any more: 2 labels now, 3 in job job-3, the last one switched to."
    )
    assert world.service.calls("put") == 3


def test_after_a_rollback_the_job_that_serves_again_is_the_measure(tmp_path: Path) -> None:
    world = world_of(tmp_path, change="warn")
    assert run_on(world, "abc") == "switched"
    assert run_on(world, "ab") == "switched"
    roll_back(world, "job-1")
    assert name_of(world) == "job job-1, the last one switched to"
    world.write_manifest(MANIFEST.format(policy=BOUND, change="stop"))
    assert "3 in job job-1, the last one switched to" in run_on(world, "ab")


def test_what_failed_or_was_rejected_is_not_a_measure_and_what_waits_is(tmp_path: Path) -> None:
    world = world_of(tmp_path, "{type: manual}")
    assert run_on(world, "abc") == "awaiting_approval"
    assert name_of(world) == "job job-1, the last one neither held nor rejected"
    world.service.fails = "too few"
    assert "failed" in run_on(world, "abc", rows=121)
    assert name_of(world) == "job job-1, the last one neither held nor rejected"
    review(world, "job-1", "reject")
    assert name_of(world) is None


def test_a_warning_is_recorded_with_both_numbers(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    assert run_on(world, "ab", rows=400) == "switched"
    assert run_on(world, "ab", rows=150) == "switched"
    job = world.model().jobs["job-2"]
    assert job.data is not None
    assert job.data.warnings == (
        "data.csv: has 150 rows, 62 % fewer than the 400 of job job-1, the last one switched to",
    )


def test_a_column_that_lost_its_values_stops_before_anything_is_sent(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    assert run_on(world, "ab") == "switched"
    rows = "".join(f"{number},,{'ab'[number % 2]}\n" for number in range(120))
    (world.folder / "data.csv").write_text(f"id,value,label\n{rows}", encoding="utf-8")
    end = world.run()["m"]
    assert end.error is not None
    assert end.error.message == (
        "data.csv: the column 'value': no value in any of 120 rows now, and values in job job-1, "
        "the last one switched to."
    )
    assert world.service.calls("upload_url") == 1

"""What is against a candidate, and what a decision about it was computed from."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from runner.journal.model_progress import ModelProgress
from runner.lib.canonical_json import digest
from runner.plan.approvals import candidate_digest, incumbent_moved
from runner.plan.eligibility import blocked
from tests.fakes.world import World
from tests.unit.plan.plan_people import manifest

MOVED = "the incumbent changed since the decision"
RULES = "{type: threshold, rules: [{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}], first_run: pass}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world in which job-1 waits for approval and job-2 serves."""
    world = World(tmp_path, manifest("{type: manual}"))
    assert world.run()["m"].outcome == "awaiting_approval"
    world.write_manifest(manifest())
    world.write_data("2")
    assert world.run()["m"].outcome == "switched"
    return world


def test_a_candidate_older_than_the_incumbent_is_barred_while_the_incumbents_id_is_its_own(world: World) -> None:
    progress = world.model()
    older = progress.jobs["job-1"]
    assert blocked(progress, older) == "candidate job-1 is older than job job-2, the last one switched to"
    progress.served = progress.jobs["job-2"]  # the service has issued the id again: it says nothing about age
    assert blocked(progress, older) is None


def with_other_values(progress: ModelProgress) -> ModelProgress:
    """Let the incumbent be the same job with another value."""
    incumbent = progress.incumbent
    assert incumbent is not None
    assert incumbent.decided is not None
    evaluation = msgspec.structs.replace(incumbent.decided.fact.evaluation, metrics={"auc": "0.123"})
    fact = msgspec.structs.replace(incumbent.decided.fact, evaluation=evaluation)
    decided = replace(incumbent.decided, fact=fact)
    progress.jobs[incumbent.retrain_job_id] = msgspec.structs.replace(incumbent, decided=decided)
    return progress


@pytest.mark.parametrize(("policy", "moved"), [(RULES, MOVED), ("{type: auto}", None)])
def test_other_values_of_the_same_incumbent_count_only_where_rules_compare_with_them(
    tmp_path: Path, policy: str, moved: str | None
) -> None:
    world = World(tmp_path, manifest(policy))
    for value in ("1", "2"):
        world.write_data(value)
        assert world.run()["m"].outcome == "switched"
    progress, model = world.model(), world.manifest.models["m"]
    progress.incumbent_id = "job-1"
    job = progress.jobs["job-2"]
    assert incumbent_moved(world.manifest, model, progress, job) is None
    assert incumbent_moved(world.manifest, model, with_other_values(progress), job) == moved


def test_a_candidates_digest_binds_the_manifest_and_stays_what_it_was_for_older_decisions() -> None:
    parts = {"retrain_job_id": "j", "result_sha256": "r", "policy_sha256": "p"}
    assert candidate_digest("j", "r", "p") == digest(parts)
    assert candidate_digest("j", "r", "p", {"dataset": "d"}) == digest({**parts, "manifest": {"dataset": "d"}})

"""A policy type is its value, a function that decides, an entry for each, and its schema part."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from runner.app.queries.replay import ReplayRequest, replay
from runner.lib.schemas import fit, load_schema
from runner.manifest import schema_errors as misfits
from runner.manifest.model import POLICY_TYPES, Policy
from runner.policy.decide import Inputs, inputs_from_json, inputs_to_json, policy_digest
from runner.policy.evaluation import Action, Decision
from runner.policy.judge import Judgement
from runner.policy.types import DECISIONS
from tests.fakes.world import ONE_MODEL, World


class FrozenPolicy(Policy, frozen=True, kw_only=True, tag_field="type", tag="frozen"):
    """Nothing takes over, until somebody may approve it within `expires`."""

    expires: timedelta | None


def decide_frozen(policy: FrozenPolicy, judgement: Judgement, *, kept: bool) -> Decision:
    stays = "the current model is kept" if kept else "nothing is switched"
    action: Action = "hold" if policy.expires is None else "await_approval"
    return Decision(action=action, reason=f"The policy is frozen ({judgement.verdict}); {stays}.")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Enter the type into both registries and the schema's enum."""
    monkeypatch.setitem(POLICY_TYPES, "frozen", FrozenPolicy)
    monkeypatch.setitem(DECISIONS, "frozen", decide_frozen)
    values = enum()
    values.append("frozen")
    _forget_compiled()
    yield
    values.remove("frozen")
    _forget_compiled()


def enum() -> list[str]:
    found: list[str] = load_schema("manifest")["$defs"]["policy"]["properties"]["type"]["enum"]
    return found


def _forget_compiled() -> None:
    fit.cache_clear()
    misfits._validator.cache_clear()


def world_of(folder: Path, policy: str) -> World:
    return World(folder, ONE_MODEL.replace("{type: threshold, rules: [{metric: auc, min: 0.9}]}", policy))


def test_schema_values_and_decisions_know_the_same_types() -> None:
    assert enum() == [*POLICY_TYPES] == [*DECISIONS]


def test_a_run_decides_by_it_and_a_replay_decides_again(tmp_path: Path) -> None:
    world = world_of(tmp_path, "{type: frozen}")
    end = world.run()["m"]
    assert end.outcome == "held"
    assert "The policy is frozen (passed); nothing is switched" in end.reason
    request = ReplayRequest(paths=[tmp_path / "models.yaml"], state=str(world.state.root))
    assert len(replay(request).decisions) == 1
    assert world.service.effects == {("upload", "key-m"): 1}


def test_its_approvals_expire_as_it_says(tmp_path: Path) -> None:
    world = world_of(tmp_path, "{type: frozen, expires: 1d}")
    assert world.run()["m"].outcome == "awaiting_approval"
    world.clock.seconds += 2 * 86400
    end = world.run()["m"]
    assert end.outcome == "held"
    assert "the time to approve it ended" in end.reason


def test_a_candidate_that_it_held_is_judged_again_by_another_type(tmp_path: Path) -> None:
    world = world_of(tmp_path, "{type: frozen}")
    world.run()
    world.write_manifest(ONE_MODEL)
    assert world.run()["m"].outcome == "switched"
    assert world.service.effects == {("upload", "key-m"): 1, ("switch", "key-m"): 1}


def test_its_record_gives_the_same_policy_and_its_digest_follows_its_own_fields(tmp_path: Path) -> None:
    policy = world_of(tmp_path, "{type: frozen, expires: 1d}").manifest.policies["p"]
    inputs = Inputs(policy=policy, definitions={}, baseline=None, eval_sha256=None)
    recorded = inputs_to_json(inputs)
    assert recorded["policy"]["type"] == "frozen"
    assert inputs_from_json(recorded) == inputs
    assert policy_digest(policy, {}) != policy_digest(msgspec.structs.replace(policy, expires=None), {})

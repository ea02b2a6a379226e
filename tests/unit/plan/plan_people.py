"""A person in the tests of the plan: says things into a world's journal, and puts words into its approvals folder."""

from datetime import timedelta
from typing import Any

from runner.journal.events import ApprovalRecorded, Draft, Fact, RollbackDecided, RunOptions, RunStarted
from runner.journal.retrain_job import RetrainJob
from runner.journal.store import open_store
from runner.lib.timestamps import stamp
from runner.plan.model_plan import ModelPlan
from tests.fakes.run_ids import run_id
from tests.fakes.run_origin import NO_MANIFEST, TOOL
from tests.fakes.world import REALM, World

MANIFEST = """
version: 1
service: {{url: "https://service.test"}}
approvals: approvals/
datasets: {{d: {{train: data.csv}}}}
policies:
  p: {policy}
models:
  m: {{api_key: {{env: {key}}}, dataset: d, policy: p, retrain: {retrain}{more}}}
"""


def manifest(policy: str = "{type: auto}", retrain: str = "{when: changed}", key: str = "KEY", **settings: str) -> str:
    """Return a manifest of one model; `settings` are further keys of it."""
    more = "".join(f", {name}: {value}" for name, value in settings.items())
    return MANIFEST.format(policy=policy, retrain=retrain, key=key, more=more)


def plan_of(world: World) -> ModelPlan:
    """Return what a run would do now."""
    (plan,) = world.plans(world.progress())
    return plan


def say(world: World, *facts: Fact) -> None:
    """Write facts about the model, as a command would."""
    store = open_store(world.state)
    try:
        list(store.read())
        at, run = stamp(world.clock.now()), run_id(100 + store.head[0])
        start = RunStarted(
            tool=TOOL, actor="ann", service=REALM, paths=(), manifest=NO_MANIFEST, options=RunOptions(command="word")
        )
        store.append([Draft(at=at, run_id=run, model=None, fact=start)])
        store.append([Draft(at=at, run_id=run, model="m", fact=fact) for fact in facts])
    finally:
        store.close()


def decide_rollback(world: World, to: str, *, reason: str = "off") -> None:
    """Record a rollback's decision, and nothing of its switch."""
    serves = world.model().incumbent_id
    assert serves is not None
    say(world, RollbackDecided(retrain_job_id=to, from_job_id=serves, by="ann", reason=reason, unverified=()))


def roll_back(world: World, to: str) -> None:
    """Roll back, and let a run carry it out."""
    decide_rollback(world, to)
    assert world.run()["m"].outcome == "switched"
    assert world.model().incumbent_id == to


def review(world: World, job: str, action: Any, *, forced: bool = False) -> None:
    """Approve or reject a candidate."""
    decided = world.model().jobs[job].decided
    assert decided is not None
    candidate = decided.fact.candidate_sha256
    fact = ApprovalRecorded(
        retrain_job_id=job, candidate_sha256=candidate, action=action, by="ann", reason="seen", forced=forced
    )
    say(world, fact)


def write_word(world: World, name: str, about: RetrainJob, **changes: str) -> None:
    """Put an approval of a candidate into the approvals folder; it counts for a day."""
    assert about.decided is not None
    values = {
        "model": "m",
        "job": about.retrain_job_id,
        "result_sha256": about.decided.fact.result_sha256,
        "action": "approve",
        "approver": "ann",
        "expires": f"{world.clock.now() + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        **changes,
    }
    folder = world.folder / "approvals"
    folder.mkdir(exist_ok=True)
    lines = ["version: 1\n", *(f'{key}: "{value}"\n' for key, value in values.items())]
    (folder / f"{name}.yaml").write_text("".join(lines), encoding="utf-8")

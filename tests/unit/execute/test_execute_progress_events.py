"""What a run tells while it continues."""

from pathlib import Path

import pytest

from runner.execute.progress_events import (
    Decided,
    InTraining,
    ModelEnded,
    ProgressEvent,
    RequestStarted,
    StageStarted,
    StatusReceived,
    UploadProgress,
)
from runner.plan.model_plan import PlanStage
from runner.providers.base import Unknown
from tests.fakes.world import ONE_MODEL, World


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path, ONE_MODEL)


def told(world: World, *kinds: type) -> list[ProgressEvent]:
    return [news for _, news in world.told if isinstance(news, kinds)]


def test_a_model_tells_of_its_stages_its_bytes_its_words_its_verdict_and_its_end(world: World) -> None:
    world.run()
    stages = [PlanStage.CHECK, PlanStage.UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH]
    assert told(world, StageStarted) == [StageStarted(stage=stage) for stage in stages]
    (sent,) = told(world, UploadProgress)
    assert isinstance(sent, UploadProgress)
    assert sent.sent == sent.total == (world.folder / "data.csv").stat().st_size
    assert [news.status for news in told(world, StatusReceived) if isinstance(news, StatusReceived)] == [
        "training",
        "job_finished",
    ]
    assert told(world, Decided) == [Decided(verdict="passed", action="switch", policy="threshold")]
    (end,) = told(world, ModelEnded)
    assert isinstance(end, ModelEnded)
    assert end.outcome == "switched"
    assert world.told[-1] == ("m", end)


def test_a_training_is_expected_to_take_what_the_last_one_took(world: World) -> None:
    world.run()
    took = world.progress().model("service.test", "m").last_training_seconds()
    world.write_data("2")
    world.run()
    first, second = told(world, InTraining)
    assert isinstance(first, InTraining)
    assert isinstance(second, InTraining)
    assert (first.expected_s, second.expected_s) == (None, took)


def test_every_call_is_told_once(world: World) -> None:
    (end,) = world.run().values()
    calls = [news.call for news in told(world, RequestStarted) if isinstance(news, RequestStarted)]
    assert {name: calls.count(name) for name in calls} == dict(end.calls)


def test_an_upload_without_an_answer_is_seen_to_be_settled(world: World) -> None:
    world.service.after = lambda call, _job: Unknown(message="cut", hint="-") if call == "put" else None
    world.run()
    assert StageStarted(stage=PlanStage.SETTLE_UPLOAD) in told(world, StageStarted)


@pytest.mark.parametrize(
    ("policy", "action", "text"),
    [
        ("manual", "await_approval", "it waits for a person, because the policy is manual"),
        ("auto", "switch", "the candidate takes over, because the policy is auto"),
        ("threshold", "await_approval", "judged: passed; it waits for a person"),
        ("threshold", "switch", "judged: passed; the candidate takes over"),
    ],
)
def test_a_policy_without_rules_is_not_said_to_judge(policy: str, action: str, text: str) -> None:
    assert Decided(verdict="passed", action=action, policy=policy).text == text

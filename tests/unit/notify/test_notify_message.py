"""What recipients read: only what concerns them, the worst first, bounded, and harmless whatever is in it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from runner.journal.events import ErrorRecord
from runner.journal.outcomes import Outcome
from runner.manifest.load import load
from runner.manifest.model import EnvKey, Model, Notification, Place
from runner.notify import Message, ModelEnd, RunEnd, compose
from runner.reports.model import ModelReport
from runner.reports.next_step import CommandContext, next_step

ROOT = Path(__file__).parents[3]

MODELS = """
version: 1
datasets: {d: {train: d.csv}}
policies: {p: {type: auto}}
defaults: {dataset: d, policy: p}
models:
  churn: {api_key: {env: A}, owner: growth, tags: [daily]}
  usage: {api_key: {env: B}, owner: finance, tags: [daily, large]}
  price: {api_key: {env: C}, owner: finance}
  alone: {api_key: {env: D}}
"""


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Model]:
    path = tmp_path / "models.yaml"
    path.write_text(MODELS, encoding="utf-8")
    return dict(load([path]).models)


def entry(*on: str, owners: tuple[str, ...] = (), select: tuple[str, ...] = ()) -> Notification:
    place = Place(file="models.yaml", line=1, column=1)
    return Notification(on=on, to=EnvKey(name="HOOK"), owners=owners, select=select, place=place)


def end(reason: str = "Because.", **outcomes: Outcome) -> RunEnd:
    ends = [ModelEnd(name=name, outcome=outcome, reason=reason) for name, outcome in outcomes.items()]
    return RunEnd(run_id="run-1", service="service.test", exit_code=1, models=ends)


def told(entry: Notification, models: dict[str, Model], run: RunEnd) -> Message:
    message = compose(entry, models, run)
    assert message is not None
    return message


def test_a_candidate_that_is_still_held_is_told_only_to_who_wants_every_run(models: dict[str, Model]) -> None:
    ends = [ModelEnd(name="churn", outcome="held", reason="Because.", still_held=True)]
    run = RunEnd(run_id="run-1", service="service.test", exit_code=0, models=ends)
    assert compose(entry("failed", "held"), models, run) is None
    assert told(entry("always"), models, run).title == "retrain: 1 held (run run-1)"


def test_a_message_counts_outcomes_and_gives_each_models_reason_with_the_worst_first(models: dict[str, Model]) -> None:
    run = end(churn="held", usage="failed", price="switched", alone="held")
    message = told(entry("failed", "held"), models, run)
    assert message.title == "retrain: 1 failed, 2 held (run run-1)"
    assert message.body.splitlines()[:3] == [
        "usage: failed. Because.",
        "churn: held. Because.",
        "alone: held. Because.",
    ]
    assert "price" not in message.body
    assert message.body.endswith(
        "Run run-1 on service.test ended with exit code 1 (at least one model failed); `retrain report run-1` shows it."
    )


def test_nothing_is_said_when_no_outcome_is_one_the_entry_names(models: dict[str, Model]) -> None:
    assert compose(entry("failed", "unknown"), models, end(churn="switched", usage="unchanged")) is None
    assert compose(entry("always"), models, end()) is None


def test_always_tells_of_every_outcome(models: dict[str, Model]) -> None:
    message = told(entry("always"), models, end(churn="unchanged", usage="skipped", price="training", alone="switched"))
    assert message.title == "retrain: 1 training, 1 skipped, 1 switched, 1 unchanged (run run-1)"


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"owners": ("finance",)}, {"usage", "price"}),
        ({"owners": ("finance", "growth")}, {"usage", "price", "churn"}),
        ({"select": ("tag:daily",)}, {"churn", "usage"}),
        ({"select": ("alone", "tag:large")}, {"alone", "usage"}),
        ({"owners": ("finance",), "select": ("tag:daily",)}, {"usage"}),
        ({}, {"churn", "usage", "price", "alone"}),
    ],
)
def test_owner_and_selection_narrow_the_models_together(
    models: dict[str, Model], filters: dict[str, Any], names: set[str]
) -> None:
    run = end(churn="failed", usage="failed", price="failed", alone="failed")
    lines = told(entry("failed", **filters), models, run).body.split("\n\n")[0].splitlines()
    assert {line.partition(":")[0] for line in lines} == names


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [
        ("failed", "failure"),
        ("unknown", "failure"),
        ("held", "warning"),
        ("awaiting_approval", "warning"),
        ("switched", "success"),
    ],
)
def test_the_severity_is_that_of_the_worst_outcome(models: dict[str, Model], outcome: Outcome, severity: str) -> None:
    assert told(entry("always"), models, end(churn="unchanged", usage=outcome)).severity == severity


@pytest.mark.parametrize("size", [1, 300, 399, 401, 100_000])
def test_a_message_of_many_models_is_bounded_and_says_how_many_it_leaves_out(
    models: dict[str, Model], size: int
) -> None:
    many = {f"m{number}": models["churn"] for number in range(500)}
    run = end(reason="\x00" * size, **{name: "failed" if name == "m499" else "held" for name in many})
    body = told(entry("always"), many, run).body
    assert len(body) <= 1900
    shown = [line for line in body.splitlines() if line.startswith("m")]
    assert f"and {500 - len(shown)} more" in body.splitlines()
    assert size > 400 or shown[0].startswith("m499: failed"), "the worst are named first"
    assert "retrain report run-1" in body


@pytest.mark.parametrize("call", ["@everyone", "@here", "@Channel", "<!here>", "<@U012AB3CD>", "<#C012>"])
def test_text_from_outside_calls_nobody_and_hides_nothing(models: dict[str, Model], call: str) -> None:
    body = told(entry("failed"), models, end(reason=f"a {call} b\r\n\x1b[31m\u202e", churn="failed")).body
    assert call not in body
    assert body.count("\n") == 2
    assert "\\x1b[31m\\u202e" in body


def test_the_command_of_a_message_names_the_state(models: dict[str, Model]) -> None:
    run = replace(end(churn="failed"), state=" --state 's 1'")
    assert "`retrain report run-1 --state 's 1'` shows it." in told(entry("failed"), models, run).body


def test_the_message_in_the_docs_is_what_is_composed(models: dict[str, Model]) -> None:
    page = (ROOT / "docs" / "how-to" / "notifications.md").read_text("utf-8")
    sample = page.split("```text\n")[1].split("```")[0]
    job, run_id = "803a56b98da5ac62a17b911b42fc8259", "20260301T040506.123456Z-4d0f6a"
    missing = ErrorRecord(
        kind="data", message="data/usage.csv does not exist.", hint="Provide the file or correct its path."
    )
    held = ModelReport(
        name="churn",
        outcome="held",
        reason="auc is 0.9, below the minimum 0.95. The current model is kept.",
        retrain_job_id=job,
    )
    failed = ModelReport(name="usage", outcome="failed", reason=missing.message, error=missing)
    ends = [
        ModelEnd(name=report.name, outcome=report.outcome, reason=report.reason, next=step.text)
        for report in (held, failed)
        if (step := next_step(report, CommandContext(run="retrain run models.yaml")))
    ]
    run = RunEnd(run_id=run_id, service="developer-api.predictionone.sony.biz", exit_code=1, models=ends)
    message = told(entry("failed", "held"), models, run)
    assert f"{message.title}\n{message.body}\n" == sample

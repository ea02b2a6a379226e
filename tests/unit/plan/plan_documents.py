"""Plans to test with: with their digest, and varied key by key."""

from typing import Any

import msgspec

from runner.plan.document import (
    PlanDocument,
    PlannedData,
    PlannedDataset,
    PlannedFile,
    PlannedManifest,
    PlannedModel,
    PlannedOptions,
    StateMark,
    Tool,
    with_digest,
)
from runner.plan.model_plan import STAGES, Action


def sha(letter: str) -> str:
    """Return a digest."""
    return letter * 64


def file(source: str = "data/churn.csv", letter: str = "1", size: int = 1234) -> PlannedData:
    """Return a data file."""
    return PlannedData(source=source, sha256=sha(letter), bytes=size)


def dataset(name: str = "churn", letter: str = "d", **changes: Any) -> PlannedDataset:
    """Return a dataset with a training file."""
    made = PlannedDataset(name=name, sha256=sha(letter), train=file(), eval=None, problem=None)
    return msgspec.structs.replace(made, **changes)


def model(name: str = "churn", action: Action = Action.RETRAIN, **changes: Any) -> PlannedModel:
    """Return a model that is to be retrained, or one that rests when the action is none."""
    made = PlannedModel(
        name=name,
        action=action,
        stages=STAGES[action],
        reason="The data changed since job 5b21.",
        outcome=None if STAGES[action] else "unchanged",
        retrain_job_id=None if action == Action.RETRAIN else "5b21",
        dataset="churn",
        dataset_sha256=sha("d"),
        policy="guarded",
        policy_sha256=sha("e"),
        incumbent="unrecorded",
        drift="cannot_be_told",
    )
    return msgspec.structs.replace(made, **changes)


def document(**changes: Any) -> PlanDocument:
    """Return a plan of one model with its digest, with other values where they are given."""
    made = PlanDocument(
        plan_version=1,
        tool=Tool(name="retrain-runner", version="0.1.0"),
        created_at="2026-03-01T04:05:06.000007Z",
        service="developer-api.predictionone.sony.biz",
        service_trusted=True,
        services_before=(),
        moves=(),
        manifest=PlannedManifest(
            paths=("models.yaml",), files=(PlannedFile(path="models.yaml", sha256=sha("a")),), sha256=sha("b")
        ),
        options=PlannedOptions(select=(), force=False, no_switch=False, emulator=False, allow_service_change=False),
        state=StateMark(lineage=sha("0"), serial=38, head_sha256=sha("c")),
        datasets=(dataset(),),
        models=(model(),),
        sha256=sha("0"),
    )
    return with_digest(msgspec.structs.replace(made, **changes))

"""What a run will do to one model: an action, the stages it walks through, and the reason in one sentence."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from runner.datasets.metadata import DatasetDigest
from runner.errors import ModelError
from runner.journal.outcomes import Outcome
from runner.manifest.model import Approval
from runner.plan.evidence import Evidence
from runner.plan.incumbent import IncumbentDeclaration


class PlanStage(StrEnum):
    """The stages, in the order they are walked. `retrain.execute` has one function for each; `plan` prints them."""

    ADOPT = "adopt"
    SETTLE_UPLOAD = "settle upload"
    CHECK = "check"
    UPLOAD = "upload"
    WAIT = "wait"
    EVALUATE = "evaluate"
    DECIDE = "decide"
    SETTLE_SWITCH = "settle switch"
    REVIEW = "review"
    SWITCH = "switch"


class Action(StrEnum):
    """What happens to a model, in one word."""

    RETRAIN = "retrain"
    RESUME = "resume"
    JUDGE = "judge again"
    SWITCH = "switch"
    REJECT = "reject"
    ROLLBACK = "roll back"
    MOVE = "move"
    ADOPT = "adopt"
    NONE = "nothing"


STAGES: Mapping[Action, tuple[PlanStage, ...]] = {
    Action.RETRAIN: (PlanStage.CHECK, PlanStage.UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH),
    Action.JUDGE: (PlanStage.DECIDE, PlanStage.SWITCH),
    Action.SWITCH: (PlanStage.SWITCH,),
    Action.REJECT: (PlanStage.REVIEW,),
    Action.ROLLBACK: (PlanStage.SWITCH,),
    Action.MOVE: (),
    Action.ADOPT: (PlanStage.ADOPT,),
    Action.NONE: (),
}


class Options(Struct, frozen=True, kw_only=True):
    """The flags of a run that change a plan; `run` and `state` make commands that run as printed.

    `run` is the run's own command without flags that change it, `state` the option that names the state, or nothing.
    """

    force: bool = False
    no_switch: bool = False
    allow_service_change: bool = False
    run: str = "retrain run"
    state: str = ""

    def train_anew(self, model: str) -> str:
        """Return the command that trains a model whatever was trained before."""
        return f"{self.run} --force --select {shlex.quote(model)}"


class ModelPlan(Struct, frozen=True, kw_only=True):
    """The plan for one model. Without stages, `outcome` (and `error`, when it failed) is what the run will report.

    `still_held` is true where that is `held` and an earlier run has reported it. `approval` is the word from a file
    that the stage `review` records, `statement` what the stage `adopt` does; `evidence` is there for a candidate that
    waits for a person or was held. `warnings` are those of the data check.
    """

    model: str
    action: Action
    stages: tuple[PlanStage, ...]
    reason: str
    outcome: Outcome | None = None
    still_held: bool = False
    error: ModelError | None = None
    retrain_job_id: str | None = None
    dataset_sha256: str | None = None
    approval: Approval | None = None
    statement: IncumbentDeclaration | None = None
    evidence: Evidence | None = None
    warnings: tuple[str, ...] = ()


class PlanInputs(Struct, frozen=True, kw_only=True):
    """What a plan needs to know of the world: the moment, and the data's digest or why it cannot be had."""

    now: datetime
    dataset: DatasetDigest | ModelError

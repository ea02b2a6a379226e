"""The policy type `manual`: a person decides."""

from runner.manifest.model import ManualPolicy
from runner.policy.evaluation import Decision
from runner.policy.judge import Judgement
from runner.policy.phrases import ASK


def decide_manual(_policy: ManualPolicy, _judgement: Judgement, *, kept: bool) -> Decision:  # noqa: ARG001 -- as every type
    """Return that the candidate waits for an approval."""
    return Decision(action="await_approval", reason=f"The policy is manual: {ASK}")

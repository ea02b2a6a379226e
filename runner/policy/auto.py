"""The policy type `auto`: the candidate takes over whatever its metrics say."""

from runner.manifest.model import AutoPolicy
from runner.policy.evaluation import Decision
from runner.policy.judge import Judgement
from runner.policy.phrases import TAKES_OVER


def decide_auto(_policy: AutoPolicy, _judgement: Judgement, *, kept: bool) -> Decision:  # noqa: ARG001 -- as every type
    """Return that the candidate takes over."""
    return Decision(action="switch", reason=f"The policy is auto{TAKES_OVER}")

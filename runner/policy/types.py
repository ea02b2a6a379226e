"""The policy types by the name that `type` of a policy gives; `runner.manifest.policies` reads them."""

from typing import Any, Protocol

from msgspec import Struct

from runner.manifest.model import AutoPolicy, ManualPolicy, Policy, ThresholdPolicy
from runner.policy.auto import decide_auto
from runner.policy.evaluation import Decision
from runner.policy.judge import Judgement
from runner.policy.manual import decide_manual
from runner.policy.threshold import decide_threshold


class Decide(Protocol):
    """How a type decides; `policy` is a value of that type. Pure: the same arguments give the same decision."""

    def __call__(self, policy: Any, judgement: Judgement, /, *, kept: bool) -> Decision:
        """Return the decision; `kept` says that the model in service is known and stays where nothing is switched."""


class PolicyType(Struct, frozen=True, kw_only=True):
    """One type: its values, whose tag is its name, and how they decide."""

    value: type[Policy]
    decide: Decide


POLICY_TYPES: dict[str, PolicyType] = {
    "auto": PolicyType(value=AutoPolicy, decide=decide_auto),
    "manual": PolicyType(value=ManualPolicy, decide=decide_manual),
    "threshold": PolicyType(value=ThresholdPolicy, decide=decide_threshold),
}


def type_of(policy: Policy) -> PolicyType:
    """Return the policy's type."""
    return POLICY_TYPES[str(policy.__struct_config__.tag)]

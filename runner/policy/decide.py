"""A judgement -> what happens to the candidate, with one plain reason that names the next step."""

from msgspec.structs import replace

from runner.manifest.model import Policy
from runner.policy.baseline import CHANGED_OUTSIDE, Drift, Knowledge
from runner.policy.evaluation import Decision
from runner.policy.judge import Judgement
from runner.policy.phrases import ASK, TAKES_OVER, unread_clause
from runner.policy.types import type_of

_CHANGED_OUTSIDE = f"; but the model in service was changed outside this project: {ASK}"


def decide(
    policy: Policy, judgement: Judgement, *, knowledge: Knowledge, drift: Drift, unread: str | None = None
) -> Decision:
    """Return the decision that the policy draws from its verdict.

    `knowledge` says what is known of the model in service, `unread` why no metric could be read. Where `drift` says
    that the model in service was changed outside this project, no policy switches: a person decides.
    """
    kept = knowledge != "unrecorded" and drift != "changed_outside"
    decision = type_of(policy).decide(policy, judgement, kept=kept)
    found = decision.reason
    if decision.action == "switch" and drift == "changed_outside":
        found = f"{found.removesuffix(TAKES_OVER)}{_CHANGED_OUTSIDE}"
        decision = Decision(action="await_approval", reason=found)
    elif decision.action == "await_approval" and drift == "changed_outside":
        found = f"{found} {CHANGED_OUTSIDE}"
        decision = replace(decision, reason=found)
    if unread is None or policy.judges_by_rules:  # which say so
        return decision
    return replace(decision, reason=f"{found} But {unread_clause(unread)}.")

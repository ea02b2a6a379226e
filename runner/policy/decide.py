"""A judgement -> what happens to the candidate, with one plain reason that names the next step."""

from decimal import Decimal
from typing import Literal

from msgspec.structs import replace

from runner.manifest.model import AutoPolicy, ManualPolicy, Policy, ThresholdPolicy
from runner.policy.baseline import CHANGED_OUTSIDE, Drift, Knowledge
from runner.policy.evaluation import Decision, RuleResult
from runner.policy.judge import Judgement

Wish = Literal["switch", "hold", "ask"]
_ASK = "a person decides."
_TAKES_OVER = "; the candidate takes over."
_CHANGED_OUTSIDE = f"; but the model in service was changed outside this project: {_ASK}"
_CAUTION: tuple[Wish, ...] = ("hold", "ask", "switch")  # where rules differ, the first of these has its way
_NO_MARGIN = {
    "measured": "was judged",
    "unread": "could not be judged",
    "unusable": "could not be judged",
    "first_run": "has nothing to be compared with yet",
    "no_baseline": "has nothing to be compared with",
    "other_evaluation": "is no fair comparison",
    "changed_outside": "could not be judged",
}
_ADVICE = {  # of several causes the first one's
    "measured": "Improve the data or change the limit.",
    "unread": "Say under `metrics:` where they are; the stored result is then judged again without a new training.",
    "unusable": (
        "Look into the result (`retrain inspect --help`); where `metrics:` says how it is read,"
        " it is judged again without a new training."
    ),
    "changed_outside": (
        "Accept what serves (`retrain adopt --help`), or restore a job of this project (`retrain rollback --help`)."
    ),
    "first_run": "State what serves (`retrain adopt --help`), or set `first_run: ask` or `pass`.",
    "other_evaluation": "Give both trainings the same evaluation file, or allow `any_eval: true`.",
}
_SHORT = 6  # significant digits of a margin that are shown as they are; the rule itself carries all of them


def decide(
    policy: Policy, judgement: Judgement, *, knowledge: Knowledge, drift: Drift, unread: str | None = None
) -> Decision:
    """Return the decision that the policy draws from its verdict.

    `knowledge` says what is known of the model in service, `unread` why no metric could be read. Where `drift` says
    that the model in service was changed outside this project, no policy switches: a person decides.
    """
    kept = knowledge != "unrecorded" and drift != "changed_outside"
    decision = _by_policy(policy, judgement, kept=kept)
    found = decision.reason
    if decision.action == "switch" and drift == "changed_outside":
        found = f"{found.removesuffix(_TAKES_OVER)}{_CHANGED_OUTSIDE}"
        decision = Decision(action="await_approval", reason=found)
    elif decision.action == "await_approval" and drift == "changed_outside":
        found = f"{found} {CHANGED_OUTSIDE}"
        decision = replace(decision, reason=found)
    if unread is None or isinstance(policy, ThresholdPolicy):  # whose rules say so
        return decision
    return replace(decision, reason=f"{found} But {unread_clause(unread)}.")


def _by_policy(policy: Policy, judgement: Judgement, *, kept: bool) -> Decision:
    match policy:
        case AutoPolicy():
            return Decision(action="switch", reason=f"The policy is auto{_TAKES_OVER}")
        case ManualPolicy():
            return Decision(action="await_approval", reason=f"The policy is manual: {_ASK}")
        case ThresholdPolicy():
            return _by_rules(policy, judgement, staying="the current model is kept" if kept else "nothing is switched")


def _by_rules(policy: ThresholdPolicy, judgement: Judgement, *, staying: str) -> Decision:
    rules = [rule for rule in judgement.rules if rule.level == "decide" and rule.verdict == judgement.verdict]
    wishes = {_wish(policy, rule) for rule in rules} or {policy.on_inconclusive}
    wish = next(one for one in _CAUTION if one in wishes)
    leading = [rule for rule in rules if _wish(policy, rule) == wish]
    found = f"{_phrase(leading[0])}{_others(leading)}" if leading else "No rule decides"
    match wish:
        case "switch":
            return Decision(action="switch", reason=f"{found}{_TAKES_OVER}")
        case "ask":
            return Decision(action="await_approval", reason=f"{found}; {_ASK}")
        case "hold":
            return Decision(action="hold", reason=f"{found}; {staying}. {_advice(leading)}")


def _wish(policy: ThresholdPolicy, rule: RuleResult) -> Wish:
    match rule.verdict:
        case "passed":
            return policy.on_pass
        case "failed":
            return policy.on_fail
        case "inconclusive" if rule.cause == "first_run" and policy.first_run != "pass":
            return policy.first_run
        case "inconclusive":
            return policy.on_inconclusive


def unread_clause(reason: str) -> str:
    """Return, as a clause without an end, that a result file has no metrics that can be read, and why."""
    return f"the metrics could not be read: {reason[0].lower()}{reason[1:].removesuffix('.')}"


def _phrase(rule: RuleResult) -> str:
    if rule.cause == "unread":
        clause = unread_clause(rule.reason)
        return f"{clause[0].upper()}{clause[1:]}"
    if rule.margin is None:
        told = f"{rule.formula} {_NO_MARGIN[rule.cause]}"
        return told if rule.cause in ("first_run", "no_baseline") else f"{told} ({rule.reason.removesuffix('.')})"
    if not Decimal(rule.margin):
        return f"{rule.formula} passed exactly at its limit"
    return f"{rule.formula} {rule.verdict} by {_rounded(abs(Decimal(rule.margin)))}"


def _rounded(margin: Decimal) -> str:
    """Return a margin for a sentence: four digits say enough."""
    return f"about {margin:.4g}" if len(margin.as_tuple().digits) > _SHORT else f"{margin:f}"


def _others(rules: list[RuleResult]) -> str:
    others = 0 if rules[0].cause == "unread" else len(rules) - 1  # no rule can be judged then
    return f", and {others} more rule{'s' if others > 1 else ''} likewise" if others else ""


def _advice(rules: list[RuleResult]) -> str:
    causes = {rule.cause for rule in rules}
    advice = next((advice for cause, advice in _ADVICE.items() if cause in causes), None)
    return advice or "Look at the stored result file, or change the rule."

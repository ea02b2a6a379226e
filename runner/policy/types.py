"""What each type of policy makes of a judgement, by the name that `type` of a policy gives."""

from typing import Any, Literal, Protocol

from runner.manifest.model import AutoPolicy, ManualPolicy, ThresholdPolicy
from runner.policy.evaluation import Decision, RuleResult
from runner.policy.judge import Judgement

ASK = "A person decides."
TAKES_OVER = " The candidate takes over."


def unread_clause(reason: str) -> str:
    """Return, as a clause without an end, that a result file has no metrics that can be read, and why."""
    return f"the metrics could not be read: {reason[0].lower()}{reason[1:].removesuffix('.')}"


def decide_auto(_policy: AutoPolicy, _judgement: Judgement, *, kept: bool) -> Decision:  # noqa: ARG001 -- as every type
    """Return that the candidate takes over."""
    return Decision(action="switch", reason=f"The policy is auto.{TAKES_OVER}")


def decide_manual(_policy: ManualPolicy, _judgement: Judgement, *, kept: bool) -> Decision:  # noqa: ARG001 -- as every type
    """Return that the candidate waits for an approval."""
    return Decision(action="await_approval", reason=f"The policy is manual. {ASK}")


Wish = Literal["switch", "hold", "ask"]
_CAUTION: tuple[Wish, ...] = ("hold", "ask", "switch")  # where rules differ, the first of these has its way
_ADVICE = {  # of several causes the first one's
    "measured": "Improve the data or change the limit.",
    "unread": (
        "Look into the result (`retrain inspect --help`): lines that it prints for `metrics:` have it judged again"
        " without a new training; where it prints none, decide yourself (`retrain approve --help`)."
    ),
    "unusable": (
        "Look into the result (`retrain inspect --help`): lines that it prints for `metrics:` have it judged again"
        " without a new training."
    ),
    "changed_outside": (
        "Accept what serves (`retrain adopt --help`), or restore a job of this project (`retrain rollback --help`)."
    ),
    "first_run": "State what serves (`retrain adopt --help`), or set `first_run: ask` or `pass`.",
    "other_evaluation": "Give both trainings the same evaluation file, or allow `any_eval: true`.",
}
_TOO = {"passed": "passed too", "failed": "failed too", "inconclusive": "could not be judged either"}
_MOST_NAMED = 3  # metrics of further rules


def decide_threshold(policy: ThresholdPolicy, judgement: Judgement, *, kept: bool) -> Decision:
    """Return the decision that the rules come to; `kept` says that the model in service is known and stays."""
    staying = "The current model is kept." if kept else "Nothing is switched."
    rules = [rule for rule in judgement.rules if rule.level == "decide" and rule.verdict == judgement.verdict]
    wishes = {_wish(policy, rule) for rule in rules} or {policy.on_inconclusive}
    wish = next(wish for wish in _CAUTION if wish in wishes)
    leading = [rule for rule in rules if _wish(policy, rule) == wish]
    found = f"{_sentence(leading[0])}{_others(leading)}" if leading else "No rule decides."
    match wish:
        case "switch":
            return Decision(action="switch", reason=f"{found}{TAKES_OVER}")
        case "ask":
            return Decision(action="await_approval", reason=f"{found} {ASK}")
        case "hold":
            return Decision(action="hold", reason=f"{found} {staying} {_advice(leading)}")


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


def _sentence(rule: RuleResult) -> str:
    if rule.cause != "unread":
        return rule.reason
    clause = unread_clause(rule.reason)
    return f"{clause[0].upper()}{clause[1:]}."


def _others(rules: list[RuleResult]) -> str:
    """Return the metrics of the other rules that ended alike, as a sentence."""
    first = rules[0]
    if first.cause == "unread":  # no rule can be judged then
        return ""
    rest = (rule.metric if rule.metric != first.metric else f"another rule for {rule.metric}" for rule in rules[1:])
    names = list(dict.fromkeys(rest))
    if not names:
        return ""
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    *others, last = [*names[:_MOST_NAMED], *more]
    told = f"{', '.join(others)} and {last}" if others else last
    return f" {told[0].upper() if told.startswith('another') else told[0]}{told[1:]} {_TOO[first.verdict]}."


def _advice(rules: list[RuleResult]) -> str:
    causes = {rule.cause for rule in rules}
    advice = next((advice for cause, advice in _ADVICE.items() if cause in causes), None)
    return advice or "Look at the stored result file, or change the rule."


class Decide(Protocol):
    """How a type decides; `policy` is a value of that type. Pure: the same arguments give the same decision."""

    def __call__(self, policy: Any, judgement: Judgement, /, *, kept: bool) -> Decision:
        """Return the decision; `kept` says that the model in service is known and stays where nothing is switched."""


DECISIONS: dict[str, Decide] = {"auto": decide_auto, "manual": decide_manual, "threshold": decide_threshold}

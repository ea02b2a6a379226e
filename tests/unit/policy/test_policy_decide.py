from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.manifest.model import AutoPolicy, ManualPolicy, Place, Rule, ThresholdPolicy
from runner.policy.decide import decide
from runner.policy.evaluation import Baseline, Decision, knowledge_of
from runner.policy.judge import Judgement, judge
from runner.results.metrics import ResultMetrics

PLACE = Place(file="retrain.yaml", line=1, column=1)
NOTHING = Judgement(verdict="passed", rules=())
ASK = "A person decides."

Decide = Callable[..., Decision]


@pytest.fixture
def decided(policy: Callable[..., ThresholdPolicy], metrics: Callable[..., ResultMetrics], evaluation: str) -> Decide:
    def judge_and_decide(*rules: Rule, baseline: Baseline | None = None, **changes: str) -> Decision:
        threshold = policy(*rules, **changes)
        found = metrics({"auc": "0.912", "rmse": "4"})
        judgement = judge(threshold, found, definitions={}, baseline=baseline, eval_sha256=evaluation)
        return decide(threshold, judgement, knowledge=knowledge_of(baseline), drift="cannot_be_told")

    return judge_and_decide


def test_an_auto_policy_switches() -> None:
    decision = decide(AutoPolicy(name="always", place=PLACE), NOTHING, knowledge="unrecorded", drift="cannot_be_told")
    assert decision == Decision(action="switch", reason="The policy is auto. The candidate takes over.")


@pytest.mark.parametrize(
    ("limit", "shown"),
    [("1.0007654321", "1.001"), ("1.0235", "1.0235"), ("0.95", "0.95"), ("0.91200004", "0.91200004")],
)
def test_a_long_number_is_rounded_in_the_sentence_but_never_to_its_opposite(
    decided: Decide, rule: Callable[..., Rule], limit: str, shown: str
) -> None:
    assert f"auc is 0.912, below the minimum {shown}. Nothing" in decided(rule("auc", "min", limit)).reason


def test_a_person_who_is_asked_is_told_of_a_change_outside() -> None:
    policy = ManualPolicy(name="ask", expires=None, place=PLACE)
    reason = decide(policy, NOTHING, knowledge="measured", drift="changed_outside").reason
    assert reason == f"The policy is manual. {ASK} The model in service was changed outside this project."


def test_a_manual_policy_asks() -> None:
    policy = ManualPolicy(name="ask", expires=timedelta(days=14), place=PLACE)
    assert decide(policy, NOTHING, knowledge="measured", drift="in_sync") == Decision(
        action="await_approval", reason=f"The policy is manual. {ASK}"
    )


@pytest.mark.parametrize(
    ("limit", "wish", "action"),
    [
        ("0.9", {"on_pass": "switch"}, "switch"),
        ("0.9", {"on_pass": "ask"}, "await_approval"),
        ("0.95", {"on_fail": "hold"}, "hold"),
        ("0.95", {"on_fail": "ask"}, "await_approval"),
    ],
)
def test_the_policy_says_what_follows_from_its_verdict(
    decided: Decide, rule: Callable[..., Rule], limit: str, wish: dict[str, str], action: str
) -> None:
    assert decided(rule("auc", "min", limit), **wish).action == action


@pytest.mark.parametrize(("wish", "action"), [("hold", "hold"), ("ask", "await_approval")])
def test_on_inconclusive_says_what_follows_from_a_missing_metric(
    decided: Decide, rule: Callable[..., Rule], wish: str, action: str
) -> None:
    for first_run in ("pass", "hold", "ask"):
        assert decided(rule("recall", "min", "0"), on_inconclusive=wish, first_run=first_run).action == action


@pytest.mark.parametrize(("first_run", "action"), [("pass", "switch"), ("hold", "hold"), ("ask", "await_approval")])
@pytest.mark.parametrize("on_inconclusive", ["hold", "ask"])
def test_first_run_says_what_follows_without_an_incumbent(
    decided: Decide, rule: Callable[..., Rule], first_run: str, action: str, on_inconclusive: str
) -> None:
    change = rule("auc", "max_drop", "0.01")
    assert decided(change, first_run=first_run, on_inconclusive=on_inconclusive).action == action


@pytest.mark.parametrize(
    ("first_run", "on_inconclusive", "action"),
    [
        ("ask", "hold", "hold"),
        ("hold", "ask", "hold"),
        ("ask", "ask", "await_approval"),
        ("pass", "ask", "await_approval"),
    ],
)
def test_hold_wins_where_a_missing_metric_and_a_missing_incumbent_differ(
    decided: Decide, rule: Callable[..., Rule], first_run: str, on_inconclusive: str, action: str
) -> None:
    rules = (rule("auc", "max_drop", "0.01"), rule("recall", "min", "0"))
    assert decided(*rules, first_run=first_run, on_inconclusive=on_inconclusive).action == action


def test_a_failed_rule_wins_over_the_first_run(decided: Decide, rule: Callable[..., Rule]) -> None:
    rules = (rule("auc", "max_drop", "0.01"), rule("auc", "min", "0.95"))
    assert decided(*rules, first_run="ask").action == "hold"


@pytest.mark.parametrize("limit", ["0.5", "0.95"])
def test_a_warning_changes_no_decision(decided: Decide, rule: Callable[..., Rule], limit: str) -> None:
    assert decided(rule("auc", "min", "0.5"), rule("auc", "min", limit, level="warn")).action == "switch"
    assert decided(rule("auc", "min", "0.95"), rule("auc", "min", limit, level="warn")).action == "hold"


def test_a_policy_of_warnings_alone_does_not_switch(decided: Decide, rule: Callable[..., Rule]) -> None:
    only = rule("auc", "min", "0.5", level="warn")
    assert decided(only) == Decision(
        action="hold",
        reason="No rule decides. Nothing is switched. Look at the stored result file, or change the rule.",
    )
    assert decided(only, on_inconclusive="ask").action == "await_approval"


class TestReasons:
    """One plain reason names the deciding rule with its numbers and the next step."""

    def test_of_a_failed_bound(
        self, decided: Decide, rule: Callable[..., Rule], baseline: Callable[..., Baseline]
    ) -> None:
        decision = decided(rule("auc", "min", "0.95"), baseline=baseline(auc="0.9"))
        assert decision.reason == (
            "auc is 0.912, below the minimum 0.95. The current model is kept. Improve the data or change the limit."
        )

    def test_of_several_failed_rules(self, decided: Decide, rule: Callable[..., Rule]) -> None:
        rules = (rule("auc", "min", "0.5"), rule("auc", "min", "0.95"), rule("rmse", "max", "3"))
        assert decided(*rules).reason.startswith(
            "auc is 0.912, below the minimum 0.95. rmse failed too. Nothing is switched. "
        )

    def test_of_rules_that_passed(self, decided: Decide, rule: Callable[..., Rule]) -> None:
        rules = (rule("auc", "min", "0.912"), rule("rmse", "max", "5"), rule("auc", "min", "0.5"))
        assert decided(*rules).reason == (
            "auc is 0.912, exactly the minimum. rmse and another rule for auc passed too. The candidate takes over."
        )

    def test_of_many_rules_that_passed(self, decided: Decide, rule: Callable[..., Rule]) -> None:
        metrics = ("auc", "rmse", "auc", "auc")
        found = decided(*(rule(metric, "min", "0.5") for metric in metrics)).reason
        assert "above the minimum 0.5. rmse and another rule for auc passed too. The" in found

    def test_of_a_person_to_be_asked(self, decided: Decide, rule: Callable[..., Rule]) -> None:
        assert decided(rule("auc", "min", "0.9"), on_pass="ask").reason == f"auc is 0.912, above the minimum 0.9. {ASK}"

    @pytest.mark.parametrize(
        ("first_run", "rest"),
        [
            ("pass", " The candidate takes over."),
            (
                "hold",
                " Nothing is switched. State what serves (`retrain adopt --help`), or set `first_run: ask` or `pass`.",
            ),
            ("ask", f" {ASK}"),
        ],
    )
    def test_of_a_first_run(self, decided: Decide, rule: Callable[..., Rule], first_run: str, rest: str) -> None:
        assert decided(rule("auc", "max_drop", "0.01"), first_run=first_run).reason == (
            f"Nothing is recorded of the model in service to compare auc with.{rest}"
        )

    def test_of_a_missing_metric(self, decided: Decide, rule: Callable[..., Rule]) -> None:
        assert decided(rule("recall", "min", "0.6")).reason == (
            "recall is missing from the result; it has auc, rmse. Nothing is switched. Look into the result "
            "(`retrain inspect --help`): lines that it prints for `metrics:` have it judged again without a new "
            "training."
        )

    def test_of_other_evaluation_data(
        self, decided: Decide, rule: Callable[..., Rule], baseline: Callable[..., Baseline]
    ) -> None:
        decision = decided(rule("auc", "max_drop", "0.01"), baseline=baseline("a" * 64, auc="0.92"))
        assert decision.action == "hold"
        assert decision.reason.endswith(
            "Candidate and incumbent were scored on different evaluation files. The current model is kept. "
            "Give both trainings the same evaluation file, or allow `any_eval: true`."
        )

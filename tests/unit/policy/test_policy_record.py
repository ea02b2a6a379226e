import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from errno import EIO
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from runner.errors import ModelError, StateError
from runner.lib.canonical_json import canonical_bytes
from runner.manifest.model import AutoPolicy, ManualPolicy, MetricDefinition, Place, Policy, Rule, ThresholdPolicy
from runner.policy.decide import Inputs, evaluate, inputs_from_json, inputs_to_json, policy_digest
from runner.policy.evaluation import Baseline
from tests.fakes.result_files import result

PLACE = Place(file="retrain.yaml", line=1, column=1)


@pytest.fixture
def inputs(
    rule: Callable[..., Rule],
    policy: Callable[..., ThresholdPolicy],
    definition: Callable[..., MetricDefinition],
    baseline: Callable[..., Baseline],
    evaluation: str,
) -> Inputs:
    rules = (rule("auc", "min", "0.80"), rule("auc", "max_drop", "1E-2"), rule("cost", "max", "9", level="warn"))
    return Inputs(
        policy=policy(*rules, expires=timedelta(days=14, microseconds=1)),
        definitions={"cost": definition("cost", "/cost", file="a.json", direction="nearest", target=Decimal("5.0"))},
        baseline=baseline(auc="0.920"),
        eval_sha256=evaluation,
    )


def through_json(inputs: Inputs) -> Inputs:
    value = inputs_to_json(inputs)
    assert json.loads(canonical_bytes(value)) == value
    return inputs_from_json(json.loads(canonical_bytes(value)))


def test_inputs_come_back_from_json_as_they_were(inputs: Inputs) -> None:
    assert through_json(inputs) == inputs
    for policy in (
        AutoPolicy(name="always", place=PLACE),
        ManualPolicy(name="ask", expires=None, place=PLACE),
        ManualPolicy(name="ask", expires=timedelta(days=14), place=PLACE),
    ):
        plain = Inputs(policy=policy, definitions={}, baseline=None, eval_sha256=None)
        assert through_json(plain) == plain


def test_limits_come_back_with_the_digits_as_written(inputs: Inputs) -> None:
    back = through_json(inputs).policy
    assert isinstance(back, ThresholdPolicy)
    assert [str(rule.limit) for rule in back.rules] == ["0.80", "0.01", "9"]


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of a JSON value with one place replaced."""
    copy = json.loads(json.dumps(value))
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = new
    return copy


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("policy",), None),
        (("policy", "type"), "automatic"),
        (("policy", "type"), "manual"),
        (("policy", "type"), ["auto"]),
        (("policy", "surplus"), 1),
        (("policy", "on_pass"), "hold"),
        (("policy", "on_pass"), ["switch"]),
        (("policy", "expires"), 14),
        (("policy", "expires"), "1.5"),
        (("policy", "expires"), "9" * 20),
        (("policy", "expires"), "9" * 21),
        (("policy", "rules"), {}),
        (("policy", "rules", 0), None),
        (("policy", "rules", 0, "kind"), "least"),
        (("policy", "rules", 0, "against"), "anyone"),
        (("policy", "rules", 0, "any_eval"), 0),
        (("policy", "rules", 0, "limit"), 0.8),
        (("policy", "rules", 0, "limit"), "NaN"),
        (("policy", "rules", 0, "limit"), "many"),
        (("policy", "rules", 0, "limit"), "+0.8"),
        (("policy", "place", "line"), "3"),
        (("policy", "place", "line"), True),
        (("definitions",), []),
        (("definitions", "cost", "direction"), "up"),
        (("definitions", "cost"), "x"),
        (("baseline", "source"), "guess"),
        (("baseline", "metrics", "auc"), 0.92),
        (("baseline", "metrics"), None),
        (("eval_sha256",), 1),
        (("surplus",), 1),
    ],
)
def test_a_record_of_any_other_form_is_refused(inputs: Inputs, path: tuple[str | int, ...], new: Any) -> None:
    with pytest.raises(StateError, match="inputs of a decision cannot be read"):
        inputs_from_json(changed(inputs_to_json(inputs), path, new))


@pytest.mark.parametrize("key", ["policy", "definitions", "baseline", "eval_sha256"])
def test_a_record_with_a_gap_is_refused(inputs: Inputs, key: str) -> None:
    value = {name: part for name, part in inputs_to_json(inputs).items() if name != key}
    with pytest.raises(StateError):
        inputs_from_json(value)


class TestPolicyDigest:
    """Same rules, same digest: a held candidate is judged again only when what is asked of it changed."""

    @staticmethod
    def of(policy: Any, inputs: Inputs) -> str:
        return policy_digest(policy, inputs.definitions)

    def test_name_place_and_spelling_of_numbers_do_not_count(self, inputs: Inputs) -> None:
        policy = inputs.policy
        assert isinstance(policy, ThresholdPolicy)
        moved = replace(policy, name="other", place=replace(PLACE, line=99))
        respelt = replace(
            policy, rules=tuple(replace(r, limit=Decimal(f"{r.limit:f}0"[:20])) for r in policy.rules[:2])
        )
        same = replace(policy, rules=policy.rules[:2])
        assert self.of(moved, inputs) == self.of(policy, inputs)
        assert self.of(respelt, inputs) == self.of(same, inputs)
        zeros = [(replace(policy.rules[0], limit=Decimal(text)),) for text in ("0", "-0.0", "0E+3")]
        assert len({self.of(replace(policy, rules=rules), inputs) for rules in zeros}) == 1

    def test_every_setting_counts(self, inputs: Inputs) -> None:
        policy = inputs.policy
        assert isinstance(policy, ThresholdPolicy)
        first = policy.rules[0]
        variants = [
            policy,
            AutoPolicy(name="guarded", place=PLACE),
            ManualPolicy(name="guarded", expires=None, place=PLACE),
            replace(policy, on_pass="ask"),
            replace(policy, on_fail="ask"),
            replace(policy, on_inconclusive="ask"),
            replace(policy, first_run="ask"),
            replace(policy, expires=None),
            replace(policy, rules=policy.rules[1:]),
            replace(policy, rules=(replace(first, limit=Decimal("0.81")), *policy.rules[1:])),
            replace(policy, rules=(replace(first, metric="recall"), *policy.rules[1:])),
            replace(policy, rules=(replace(first, level="warn"), *policy.rules[1:])),
            replace(policy, rules=(replace(first, any_eval=True), *policy.rules[1:])),
        ]
        assert len({self.of(variant, inputs) for variant in variants}) == len(variants)

    def test_the_custom_metrics_of_its_rules_count_and_no_others(self, inputs: Inputs) -> None:
        cost = inputs.definitions["cost"]
        digest = policy_digest(inputs.policy, {"cost": cost})
        assert policy_digest(inputs.policy, {"cost": cost, "unused": replace(cost, name="unused")}) == digest
        assert policy_digest(inputs.policy, {"cost": replace(cost, target=Decimal(5))}) == digest
        assert policy_digest(inputs.policy, {"cost": replace(cost, target=Decimal(6))}) != digest
        assert policy_digest(inputs.policy, {"cost": replace(cost, select="/price")}) != digest


class TestEvaluate:
    """The whole way from the bytes of a result file to the decision."""

    @pytest.fixture
    def result(self, zipped: Callable[..., io.BytesIO]) -> io.BytesIO:
        members = {
            "out/metrics.csv": "指標,値\n分類精度 (AUC),91.2%\n再現率,-\n".encode("cp932"),
            "a.json": '{"cost": 7}',
        }
        return zipped(members)

    def test_gives_metrics_rules_and_decision(self, inputs: Inputs, result: io.BytesIO) -> None:
        evaluated = evaluate(inputs, result)
        assert evaluated.metrics == {"auc": "0.912", "recall": None, "cost": "7"}
        assert evaluated.problems == {"recall": "is not a number: '-'"}
        assert evaluated.texts == {"auc": "91.2%", "recall": "-"}
        assert evaluated.verdict == "passed"
        assert [rule.verdict for rule in evaluated.rules] == ["passed", "passed", "passed"]
        assert to_builtins(evaluated.decision) == {
            "action": "switch",
            "by": "policy",
            "reason": (
                "auc is 0.912, above the minimum 0.80. Another rule for auc passed too. The candidate takes over."
            ),
        }

    def test_gives_the_same_bytes_again_from_the_record(self, inputs: Inputs, result: io.BytesIO) -> None:
        assert evaluate(through_json(inputs), result) == evaluate(inputs, result)

    def test_gives_no_number_that_is_not_text(self, inputs: Inputs, result: io.BytesIO) -> None:
        def leaves(value: Any) -> list[Any]:
            if isinstance(value, dict):
                return [leaf for item in value.values() for leaf in leaves(item)]
            return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list | tuple) else [value]

        evaluation = to_builtins(evaluate(inputs, result))
        assert evaluation.pop("searched") is False
        assert {type(leaf) for leaf in leaves(evaluation)} == {str, type(None)}

    def test_text_from_the_file_has_a_canonical_form(self, inputs: Inputs) -> None:
        content = json.dumps({"AUC": "\ud800\x1b", "\udfff": 1}).encode()
        written = canonical_bytes(to_builtins(evaluate(inputs, io.BytesIO(content))))
        assert json.loads(written)["texts"] == {"auc": "??"}

    def test_without_a_baseline_nothing_is_said_of_the_model_in_service(
        self, inputs: Inputs, result: io.BytesIO
    ) -> None:
        kept = ((inputs, "The current model is kept."), (replace(inputs, baseline=None), "Nothing is switched."))
        for given, staying in kept:
            policy = given.policy
            assert isinstance(policy, ThresholdPolicy)
            strict = replace(policy, rules=(replace(policy.rules[0], limit=Decimal("0.95")),))
            reason = evaluate(replace(given, policy=strict), result).decision.reason
            assert f"auc is 0.912, below the minimum 0.95. {staying}" in reason

    def test_an_unreadable_file_is_judged_without_metrics(self, inputs: Inputs) -> None:
        found = evaluate(through_json(inputs), io.BytesIO(b"<html/>"))
        assert (found.metrics, found.problems, found.texts, found.verdict) == ({}, {}, {}, "inconclusive")
        assert str(found.unread).startswith("The result is XML or HTML")
        assert [(rule.cause, rule.reason) for rule in found.rules] == [("unread", found.unread)] * 3
        assert [rule.baseline for rule in found.rules] == [None, "0.920", None]

    @pytest.mark.parametrize(
        ("without_rules", "action"),
        [
            (AutoPolicy(name="always", place=PLACE), "switch"),
            (ManualPolicy(name="ask", expires=None, place=PLACE), "await_approval"),
        ],
    )
    def test_auto_and_manual_need_no_metrics(self, inputs: Inputs, without_rules: Policy, action: str) -> None:
        found = evaluate(replace(inputs, policy=without_rules), io.BytesIO(b""))
        assert (found.decision.action, found.unread) == (action, "The result is empty.")
        assert found.decision.reason.endswith(" But the metrics could not be read: the result is empty.")

    def test_a_metric_that_nobody_knows_is_an_error_whatever_the_file(
        self, inputs: Inputs, rule: Callable[..., Rule], policy: Callable[..., ThresholdPolicy]
    ) -> None:
        with pytest.raises(ModelError, match="neither built in nor defined"):
            evaluate(replace(inputs, policy=policy(rule("gloss", "min", "1"))), io.BytesIO(b""))

    @pytest.mark.parametrize("good", range(12))
    def test_a_stream_that_cannot_be_read_says_nothing_about_the_file(self, inputs: Inputs, good: int) -> None:
        class Failing(io.BytesIO):
            left = good

            def read(self, size: int | None = -1, /) -> bytes:
                self.left -= 1
                if self.left < 0:
                    raise OSError(EIO, "Input/output error")
                return super().read(size)

        stream = Failing(result(AUC="0.9"))
        with suppress(OSError):
            assert evaluate(inputs, stream).metrics["auc"] == "0.9"
            assert stream.left >= 0, "a failed reading was taken for something else"

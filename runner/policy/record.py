"""What a decision is made from, as JSON values, and the decision itself: enough to make it again from the file."""

from collections.abc import Mapping
from decimal import Context, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runner.canonical import digest
from runner.errors import StateError
from runner.manifest.model import AutoPolicy, ManualPolicy, MetricDefinition, Policy, ThresholdPolicy
from runner.policy.baseline import Baseline, Drift, knowledge_of
from runner.policy.decide import decide
from runner.policy.encoding import EncodingError, decode, encode
from runner.policy.evaluation import Evaluation
from runner.policy.judge import judge
from runner.policy.number import number_text
from runner.policy.result import result_metrics

_POLICY_TYPES: Mapping[str, type[Policy]] = MappingProxyType(
    {"auto": AutoPolicy, "manual": ManualPolicy, "threshold": ThresholdPolicy}
)
_UNROUNDED = Context(prec=5000)


class Inputs(Struct, frozen=True, kw_only=True):
    """All that a decision depends on besides the result file.

    `definitions` are the custom metrics to read; `baseline` is None while nothing is recorded of the model in service;
    `eval_sha256` is the candidate's evaluation file, None when the service held out rows of its own; `drift` is what
    the service's list said of the model in service at that moment. `place_before` is where the result before had its
    metrics, None where it was a single file or there was none.
    """

    policy: Policy
    definitions: Mapping[str, MetricDefinition]
    baseline: Baseline | None
    eval_sha256: str | None
    drift: Drift = "cannot_be_told"
    place_before: str | None = None


def inputs_to_json(inputs: Inputs) -> dict[str, Any]:
    """Return the inputs as a JSON object; every decimal and duration in it is a text."""
    return {
        "policy": _policy_to_json(inputs.policy),
        "definitions": encode(inputs.definitions),
        "baseline": baseline_to_json(inputs.baseline),
        "eval_sha256": inputs.eval_sha256,
        "drift": inputs.drift,
        "place_before": inputs.place_before,
    }


def baseline_to_json(baseline: Baseline | None) -> dict[str, Any] | None:
    """Return the part of the inputs that tells what changes are compared with."""
    value: dict[str, Any] | None = encode(baseline)
    return value


def _policy_to_json(policy: Policy) -> dict[str, Any]:
    name = next(name for name, kind in _POLICY_TYPES.items() if isinstance(policy, kind))
    return {"type": name, **encode(policy)}


def inputs_from_json(value: dict[str, Any]) -> Inputs:
    """Return the inputs that `inputs_to_json` made this object from.

    Raises:
        StateError: the object has any other form.
    """
    try:
        typed = _typed_policy(msgspec.json.encode(value.get("policy")))
        rest = decode(_Rest, {key: item for key, item in value.items() if key != "policy"})
    except (EncodingError, RecursionError) as error:
        raise StateError(
            f"The recorded inputs of a decision cannot be read: {error}.",
            hint="They come from another version or were changed; `retrain verify` shows where the record breaks.",
        ) from error
    return Inputs(
        policy=typed,
        definitions=rest.definitions,
        baseline=rest.baseline,
        eval_sha256=rest.eval_sha256,
        drift=rest.drift,
        place_before=rest.place_before,
    )


class _Rest(Struct, frozen=True, kw_only=True):
    """The inputs but for the policy, whose type stands in the record."""

    definitions: Mapping[str, MetricDefinition]
    baseline: Baseline | None
    eval_sha256: str | None
    drift: Drift
    place_before: str | None


@lru_cache  # by its text: in a journal nearly all decisions are made by a few policies
def _typed_policy(recorded: bytes) -> Policy:
    kind, policy = _split_policy(msgspec.json.decode(recorded))
    typed: Policy = decode(_POLICY_TYPES[kind], policy)
    return typed


def _split_policy(value: Any) -> tuple[str, dict[str, Any]]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _POLICY_TYPES:
        raise EncodingError(f"expected a policy of type {', '.join(_POLICY_TYPES)}")
    return kind, {key: item for key, item in value.items() if key != "type"}


def policy_digest(policy: Policy, definitions: Mapping[str, MetricDefinition]) -> str:
    """Return the lower-case hex SHA-256 of what the policy asks for.

    Its name, its place and the spelling of its numbers do not count; the custom metrics that its rules use do.
    """
    rules = policy.rules if isinstance(policy, ThresholdPolicy) else ()
    return _spec_digest(policy, tuple((rule.metric, definitions.get(rule.metric)) for rule in rules))


@lru_cache  # all models of a fleet may share one policy
def _spec_digest(policy: Policy, used: tuple[tuple[str, MetricDefinition | None], ...]) -> str:
    if isinstance(policy, ThresholdPolicy):
        policy = replace(policy, rules=tuple(replace(rule, limit=_plain(rule.limit)) for rule in policy.rules))
    spec = {key: item for key, item in _policy_to_json(policy).items() if key not in ("name", "place")}
    metrics = {name: encode(_plain_target(definition)) for name, definition in used if definition is not None}
    return digest({"policy": spec, "metrics": metrics})


def _plain(value: Decimal) -> Decimal:
    """Return one spelling for all that are equal; a minus before nothing says nothing."""
    return value.normalize(_UNROUNDED) if value else Decimal(0)


def _plain_target(definition: MetricDefinition) -> MetricDefinition:
    return definition if definition.target is None else replace(definition, target=_plain(definition.target))


def evaluate(inputs: Inputs, stream: BinaryIO) -> Evaluation:
    """Return what a policy makes of a result file in a seekable stream.

    The same inputs and the same bytes give the same value: a run records it, an audit makes it again.

    Raises:
        ModelError: of kind config, when a rule's metric is not defined.
        OSError: the stream cannot be read.
    """
    found = result_metrics(stream, inputs.definitions, inputs.place_before)
    judgement = judge(
        inputs.policy,
        found,
        definitions=inputs.definitions,
        baseline=inputs.baseline,
        eval_sha256=inputs.eval_sha256,
        drift=inputs.drift,
    )
    decision = decide(
        inputs.policy,
        judgement,
        knowledge=knowledge_of(inputs.baseline),
        drift=inputs.drift,
        unread=found.unread,
    )
    metrics = found.metrics
    values = {name: None if metric.value is None else number_text(metric.value) for name, metric in metrics.items()}
    return Evaluation(
        unread=found.unread,
        place=found.place,
        searched=found.searched,
        metrics=values,
        problems={name: metric.problem for name, metric in metrics.items() if metric.problem is not None},
        texts={name: metric.text for name, metric in metrics.items() if metric.text not in ("", values[name])},
        verdict=judgement.verdict,
        rules=judgement.rules,
        decision=decision,
    )

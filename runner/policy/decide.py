"""The decision: from a result file and its inputs to the evaluation that the journal keeps."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, BinaryIO, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from runner.errors import StateError
from runner.lib.canonical_json import digest
from runner.manifest.model import POLICY_TYPES, MetricDefinition, Policy
from runner.policy.evaluation import (
    CHANGED_OUTSIDE,
    Baseline,
    Decision,
    Drift,
    Evaluation,
    Knowledge,
    RecordedInputs,
    knowledge_of,
)
from runner.policy.judge import Judgement, judge
from runner.policy.types import ASK, DECISIONS, TAKES_OVER, unread_clause
from runner.results.number import number_text
from runner.results.result_file import result_metrics

_CHANGED_OUTSIDE = f" But the model in service was changed outside this project. {ASK}"


def decide(
    policy: Policy, judgement: Judgement, *, knowledge: Knowledge, drift: Drift, unread: str | None = None
) -> Decision:
    """Return the decision that the policy draws from its verdict.

    `knowledge` says what is known of the model in service, `unread` why no metric could be read. Where `drift` says
    that the model in service was changed outside this project, no policy switches: a person decides.
    """
    kept = knowledge != "unrecorded" and drift != "changed_outside"
    decision = DECISIONS[str(policy.__struct_config__.tag)](policy, judgement, kept=kept)
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


T = TypeVar("T")
_UNROUNDED = Context(prec=5000)
_ENCODER = msgspec.json.Encoder(order="sorted", enc_hook=dict)  # of mappings that cannot change


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


def inputs_to_json(inputs: Inputs) -> RecordedInputs:
    """Return the inputs as a JSON object; every decimal and duration in it is a text."""
    value: RecordedInputs = as_json(inputs)
    return value


def as_json(value: object) -> Any:
    """Return a value of frozen structs as JSON has it, decimals and durations as texts: no number becomes a float."""
    return msgspec.json.decode(_ENCODER.encode(value))


def inputs_from_json(value: Mapping[str, object]) -> Inputs:
    """Return the inputs that `inputs_to_json` made this object from.

    Raises:
        StateError: the object has any other form.
    """
    try:
        inputs = _inputs(msgspec.convert(value, _Recorded))
        _require_as_written(inputs, value)
        _require_finite([rule.limit for rule in inputs.policy.rules])
        _require_finite_targets(inputs.definitions)
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"The recorded inputs of a decision cannot be read: {error}.",
            hint="They come from another version or were changed; `retrain verify` shows where the record breaks.",
        ) from error
    return inputs


class _Recorded(Struct, frozen=True, kw_only=True):
    """The inputs before the policy has its own type."""

    policy: dict[str, object]
    definitions: Mapping[str, MetricDefinition]
    baseline: Baseline | None
    eval_sha256: str | None
    drift: Drift
    place_before: str | None


def _inputs(recorded: _Recorded) -> Inputs:
    kind = POLICY_TYPES.get(str(recorded.policy.get("type")))
    if kind is None:
        raise ValueError(f"expected a policy of type {', '.join(POLICY_TYPES)}")
    return Inputs(
        policy=msgspec.convert(recorded.policy, kind),
        definitions=recorded.definitions,
        baseline=recorded.baseline,
        eval_sha256=recorded.eval_sha256,
        drift=recorded.drift,
        place_before=recorded.place_before,
    )


def definitions_from_json(value: object) -> Mapping[str, MetricDefinition]:
    """Return the custom metrics of recorded inputs.

    Raises:
        ValueError: the value has another form.
    """
    definitions = _from_json(value, dict[str, MetricDefinition])
    _require_finite_targets(definitions)
    return definitions


def _from_json(value: object, kind: type[T]) -> T:
    """Return the value that JSON was made from; another spelling, or a key too many or too few, is refused."""
    found = msgspec.convert(value, kind)
    _require_as_written(found, value)
    return found


def _require_as_written(found: object, value: object) -> None:
    if _ENCODER.encode(found) != _ENCODER.encode(value):
        raise ValueError("it is not written as this version writes it")


def _require_finite_targets(definitions: Mapping[str, MetricDefinition]) -> None:
    _require_finite([definition.target for definition in definitions.values() if definition.target is not None])


def _require_finite(numbers: Sequence[Decimal]) -> None:
    if not all(number.is_finite() for number in numbers):
        raise ValueError("expected finite numbers")


def policy_digest(policy: Policy, definitions: Mapping[str, MetricDefinition]) -> str:
    """Return the lower-case hex SHA-256 of what the policy asks for.

    Its name, its place and the spelling of its numbers do not count; the custom metrics that its rules use do.
    """
    return _spec_digest(policy, tuple((rule.metric, definitions.get(rule.metric)) for rule in policy.rules))


@lru_cache  # all models of a fleet may share one policy
def _spec_digest(policy: Policy, used: tuple[tuple[str, MetricDefinition | None], ...]) -> str:
    if policy.judges_by_rules:
        policy = replace(policy, rules=tuple(replace(rule, limit=_plain(rule.limit)) for rule in policy.rules))
    spec = {key: item for key, item in as_json(policy).items() if key not in ("name", "place")}
    metrics = {name: as_json(_plain_target(definition)) for name, definition in used if definition is not None}
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
        places={
            name: metric.place.bounded()
            for name, metric in metrics.items()
            if metric.place is not None and metric.value is not None
        },
        metrics=values,
        problems={name: metric.problem for name, metric in metrics.items() if metric.problem is not None},
        texts={name: metric.text for name, metric in metrics.items() if metric.text not in ("", values[name])},
        verdict=judgement.verdict,
        rules=judgement.rules,
        decision=decision,
    )

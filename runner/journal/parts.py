"""Which form the open parts of events have: what a run was told, and what a decision was made from.

Their types are those of other rooms, so a fact has them as JSON values. Whoever makes up a journal can put anything
there, and all who show a run or judge again go by this form.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from runner.journal.events import CandidateEvaluated, Fact, RunStarted
from runner.journal.forms import Sha256
from runner.policy.types import POLICY_TYPES


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts."""


class _Options(Struct, frozen=True, kw_only=True):
    """Of the options a run was given, those that are shown."""

    command: str = "run"
    plan_sha256: Sha256 | None = None


class _Baseline(_Part, frozen=True, kw_only=True):
    retrain_job_id: str | None
    source: Literal["measured", "stated", "result_file"]
    metrics: Mapping[str, str]
    eval_sha256: Sha256 | None


class _Policy(Struct, frozen=True, kw_only=True):
    """Of a policy, what is shown without reading all of it."""

    type: str
    rules: tuple[Mapping[str, Any], ...] = ()


class _Inputs(_Part, frozen=True, kw_only=True):
    policy: _Policy
    definitions: Mapping[str, Mapping[str, Any]]
    baseline: _Baseline | None
    eval_sha256: Sha256 | None
    drift: Literal["in_sync", "changed_outside", "cannot_be_told"]
    place_before: str | None


def payload_problem(fact: Fact) -> str | None:
    """Return what is wrong with the open parts of a fact, or None."""
    for name, value, form in _parts(fact):
        try:
            msgspec.convert(value, form)
        except (msgspec.ValidationError, RecursionError):
            return f"its part {name!r} has another form than what a run writes"
    if isinstance(fact, CandidateEvaluated) and fact.inputs["policy"]["type"] not in POLICY_TYPES:
        return "its part 'inputs' has a policy of a type that this version does not know"
    if isinstance(fact, CandidateEvaluated) and len(fact.inputs["policy"].get("rules", ())) != len(
        fact.evaluation.rules
    ):
        return "its part 'evaluation' has another number of rules than its policy"
    return None


def _parts(fact: Fact) -> Iterator[tuple[str, Mapping[str, Any], type[Struct]]]:
    if isinstance(fact, RunStarted):
        yield "options", fact.options, _Options
    elif isinstance(fact, CandidateEvaluated):
        yield "inputs", fact.inputs, _Inputs

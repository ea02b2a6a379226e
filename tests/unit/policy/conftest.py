"""Builders of small policies; each test states only what it is about."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from runner.manifest.model import Place, Rule, RuleKind, ThresholdPolicy
from runner.policy.evaluation import Baseline
from runner.results.metrics import Metric, ResultMetrics, metric_from_text

EVALUATION = "e" * 64


def build_rule(metric: str, kind: RuleKind, limit: str, **changes: Any) -> Rule:
    values: dict[str, Any] = {
        "against": None if kind in ("min", "max") else "incumbent",
        "level": "decide",
        "any_eval": False,
        **changes,
    }
    return Rule(metric=metric, kind=kind, limit=Decimal(limit), **values)


def build_policy(*rules: Rule, **changes: Any) -> ThresholdPolicy:
    values: dict[str, Any] = {
        "name": "guarded",
        "on_pass": "switch",
        "on_fail": "hold",
        "on_inconclusive": "hold",
        "first_run": "hold",
        "expires": None,
        "place": Place(file="retrain.yaml", line=3, column=5),
        **changes,
    }
    return ThresholdPolicy(rules=rules, **values)


def build_metrics(current: Mapping[str, str], previous: Mapping[str, str] | None = None) -> ResultMetrics:
    def metrics(texts: Mapping[str, str]) -> dict[str, Metric]:
        return {name: metric_from_text(name, text) for name, text in texts.items()}

    return ResultMetrics(metrics=metrics(current), previous=metrics(previous or {}), found=tuple(current))


def build_baseline(eval_sha256: str | None = EVALUATION, **metrics: str) -> Baseline:
    return Baseline(retrain_job_id="job-1", source="measured", metrics=metrics, eval_sha256=eval_sha256)


@pytest.fixture
def rule() -> Callable[..., Rule]:
    return build_rule


@pytest.fixture
def policy() -> Callable[..., ThresholdPolicy]:
    return build_policy


@pytest.fixture
def metrics() -> Callable[..., ResultMetrics]:
    return build_metrics


@pytest.fixture
def baseline() -> Callable[..., Baseline]:
    return build_baseline


@pytest.fixture
def evaluation() -> str:
    return EVALUATION

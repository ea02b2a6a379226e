"""`schemas/report.schema.json` and what the runner writes agree, in both directions."""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.lib.schemas import load_schema
from runner.policy.evaluation import Cause
from runner.reports.formats.render import render_files
from tests.unit.reports.report_history import Recording

# The keys that product.md, section 6, promises.
TOP = [
    "report_version",
    "run_id",
    "tool",
    "started_at",
    "finished_at",
    "actor",
    "exit_code",
    "summary",
    "manifest",
    "models",
    "journal",
]
MODEL = [
    "name",
    "outcome",
    "reason",
    "retrain_job_id",
    "model_id",
    "dataset",
    "result",
    "metrics",
    "verdict",
    "rules",
    "decision",
    "switched_at",
    "error",
    "timings",
    "calls",
    "warnings",
]
RULE = ["metric", "observed", "baseline", "formula", "limit", "margin", "level", "verdict"]


def validator() -> Draft202012Validator:
    """Return the schema's validator; an empty registry lets nothing be fetched."""
    return Draft202012Validator(load_schema("report"), registry=Registry())


def written(record: Recording) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(render_files(record.history())["report.json"], parse_float=Decimal)
    return value


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every described key of a schema with its place."""
    if isinstance(schema, dict):
        for name, one in schema.get("properties", {}).items():
            yield f"{path}/{name}", one
        for key, part in schema.items():
            if key not in ("examples", "if"):
                yield from properties(part, f"{path}/{key}")
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part, path)


def test_the_schema_is_a_schema() -> None:
    judge = Draft202012Validator(Draft202012Validator.META_SCHEMA, registry=Registry())
    assert [f"{error.json_path}: {error.message}" for error in judge.iter_errors(load_schema("report"))] == []


def test_a_report_with_a_model_of_every_kind_is_valid(everything: Recording) -> None:
    assert [f"{error.json_path}: {error.message}" for error in validator().iter_errors(written(everything))] == []


def test_the_keys_are_the_promised_ones_and_the_schema_names_no_others(everything: Recording) -> None:
    report, schema = written(everything), load_schema("report")
    assert set(TOP) <= set(report) == set(schema["properties"])
    model = schema["$defs"]["model"]
    for one in report["models"]:
        assert set(MODEL) <= set(one) == set(model["properties"])
    rule = model["properties"]["rules"]["items"]
    assert set(RULE) <= set(report["models"][0]["rules"][0]) == set(rule["properties"])


def test_every_cause_of_a_verdict_is_in_the_schema() -> None:
    rule = load_schema("report")["$defs"]["model"]["properties"]["rules"]["items"]
    assert set(rule["properties"]["cause"]["enum"]) == set(get_args(Cause))


def test_keys_stand_in_the_documented_order(everything: Recording) -> None:
    report, schema = written(everything), load_schema("report")
    assert list(report) == list(schema["properties"])
    assert list(report["models"][0]) == list(schema["$defs"]["model"]["properties"])
    assert list(report["manifest"]) == ["files", "sha256", "git"]


def test_every_key_has_a_title_a_description_and_a_valid_example() -> None:
    schema = load_schema("report")
    found = list(properties(schema))
    assert len(found) > 80
    for place, one in found:
        assert {"title", "description", "examples"} <= set(one), place
        part = Draft202012Validator({**one, "$defs": schema["$defs"]}, registry=Registry())
        assert [error.message for example in one["examples"] for error in part.iter_errors(example)] == [], place


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("extra",), 1),
        (("models", 0, "extra"), 1),
        (("models", 0, "outcome"), "won"),
        (("models", 0, "rules", 0, "extra"), 1),
        (("models", 0, "metrics", "auc"), "0.9120"),
        (("started_at",), "2026-03-01T04:05:06+01:00"),
        (("started_at",), "2026-13-01T04:05:06.000000Z"),
        (("journal", "head_sha256"), "A" * 64),
        (("manifest", "files", 0, "sha256"), "0" * 63),
        (("exit_code",), 256),
        (("summary", "lost"), 1),
        (("report_version",), 2),
    ],
)
def test_a_report_that_differs_from_the_promise_is_refused(everything: Recording, place: Any, value: Any) -> None:
    report = copy.deepcopy(written(everything))
    target = report
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    assert not validator().is_valid(report)


def test_a_missing_key_is_refused(everything: Recording) -> None:
    report = written(everything)
    for name in TOP:
        assert not validator().is_valid({key: item for key, item in report.items() if key != name}), name

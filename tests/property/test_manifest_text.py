"""Whatever is in a file, reading it ends soon and with a value or with problems, never with another error."""

import json
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.manifest.durations import parse_duration
from runner.manifest.load import Reading, read
from runner.manifest.model import ThresholdPolicy

SECONDS = 5
PIECES = st.sampled_from(
    ["version: 1\n", "models:\n", "  churn: ", "{", "}", "[", "]", "- ", "&a ", "*a", "<<: ", "? ", ": ", "!!str ", "'", '"', "|\n", "\n", "\t", " ", "#", "%YAML 1.1\n", "---\n", "...\n", "api_key: ", "{env: K}", "policies:\n", "rules: ", "1e999", "\\u0000", "é", "\ufeff", "service: ", "defaults: ", "~", "null", "0.1", "x: &x\n", ",", "<<<<<<< "]  # noqa: E501 - a list
)  # fmt: skip
WORDS = st.text(st.sampled_from("abcxyzé解09_"), min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = ["version", "service", "defaults", "datasets", "policies", "metrics", "models", "approvals", "limits", "notify"]
INNER = ["env", "train", "glob", "pick", "type", "rules", "metric", "min", "api_key", "dataset", "wait", "timeout"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text") / "m.yaml"


def read_soon(file: Path, content: bytes) -> Reading:
    """Read the content, within a few seconds of computing."""
    file.write_bytes(content)
    began = time.process_time()
    reading = read([file])
    assert time.process_time() - began < SECONDS
    return reading


def ends_well(reading: Reading, content: bytes) -> bool:
    """Return whether there is either a manifest or an error, and every problem is printable and has a place."""
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    lines = content.count(b"\n") + content.count(b"\r") + 5
    placed = all(1 <= problem.line <= lines and problem.column >= 1 for problem in reading.problems)
    printable = all(problem.line_text().isprintable() for problem in reading.problems)
    return (reading.manifest is None) == bool(errors) and placed and printable


@given(content=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_end_in_a_manifest_or_in_problems(file: Path, content: bytes) -> None:
    assert ends_well(read_soon(file, content), content)


@given(text=st.lists(PIECES | WORDS, max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_pieces_of_yaml_end_in_a_manifest_or_in_problems(file: Path, text: str) -> None:
    content = text.encode("utf-8", "replace")
    assert ends_well(read_soon(file, content), content)


@given(value=st.dictionaries(st.sampled_from(KEYS), st.dictionaries(WORDS | st.sampled_from(INNER), JSON) | JSON))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_under_the_known_keys_ends_in_a_manifest_or_in_problems(file: Path, value: object) -> None:
    content = json.dumps(value).encode()
    assert ends_well(read_soon(file, content), content)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, object]:
    """Return a valid manifest as JSON, which is YAML."""
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique_by=str.casefold))
    limits = draw(st.lists(st.decimals(-1000, 1, places=3), min_size=1, max_size=3))
    rules = [{"metric": "r2", "min": float(limit)} for limit in limits]
    hours = draw(st.integers(1, 9999))
    return {
        "version": 1,
        "datasets": {"d": {"train": draw(WORDS)}},
        "policies": {"p": {"type": "threshold", "rules": rules}},
        "models": {
            name: {"api_key": {"env": f"K{number}"}, "dataset": "d", "policy": "p", "wait": {"timeout": f"{hours}h"}}
            for number, name in enumerate(names)
        },
    }


@given(value=manifests())
@settings(max_examples=100, deadline=None)
def test_what_a_valid_manifest_says_is_what_the_typed_values_hold(
    file: Path, value: dict[str, dict[str, dict[str, object]]]
) -> None:
    manifest = read_soon(file, json.dumps(value).encode()).manifest
    assert manifest is not None
    assert list(manifest.models) == list(value["models"])
    policy = manifest.policies["p"]
    assert isinstance(policy, ThresholdPolicy)
    written = json.loads(json.dumps(value["policies"]["p"]["rules"]), parse_float=Decimal)
    assert [(rule.metric, rule.limit) for rule in policy.rules] == [(rule["metric"], rule["min"]) for rule in written]
    for name, model in manifest.models.items():
        wait = value["models"][name]["wait"]
        assert isinstance(wait, dict)
        assert model.wait.timeout == parse_duration(wait["timeout"])
    assert manifest.datasets["d"].train.pattern == value["datasets"]["d"]["train"]


@given(count=st.integers(0, 10**9), unit=st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_is_its_count_of_units_or_too_long(count: int, unit: str) -> None:
    seconds = count * Decimal({"ms": "0.001", "s": "1", "m": "60", "h": "3600", "d": "86400"}[unit])
    duration = parse_duration(f"{count}{unit}")
    assert (duration is None) == (seconds > 3650 * 86400)
    if duration is not None:
        assert Decimal(duration // timedelta(microseconds=1)) == seconds * 10**6


@given(text=st.text(max_size=8).filter(lambda text: not text.endswith(("s", "m", "h", "d"))))
def test_nothing_but_the_five_units_is_a_duration(text: str) -> None:
    assert parse_duration(text) is None

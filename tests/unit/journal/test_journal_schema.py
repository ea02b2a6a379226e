"""`schemas/journal.schema.json` describes every event that can be written, and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.journal.chain import link
from runner.journal.events import Event
from runner.lib.schemas import load_schema
from tests.unit.journal.journal_facts import FACTS, draft, example

LATER = {  # keys that journals of earlier versions do not have
    "candidate_evaluated": {"bound"},
    "approval_recorded": {"source", "forced"},
    "switch_intended": {"listed_before"},
    "switch_rejected": {"by_service"},
    "report_written": {"checkpoint"},
}


def validator() -> Draft202012Validator:
    """Return the schema's validator; an empty registry lets nothing be fetched."""
    return Draft202012Validator(load_schema("journal"), registry=Registry())


def line(kind: str) -> dict[str, Any]:
    """Return the event of a kind as it is in journal.jsonl."""
    value: dict[str, Any] = json.loads(link(draft(example(kind), guard="g"), seq=1, prev="0" * 64).body)
    return value


def described(schema: Any) -> list[dict[str, Any]]:
    """Return the schemas of all keys, at any depth."""
    if isinstance(schema, list):
        return [one for part in schema for one in described(part)]
    if not isinstance(schema, dict):
        return []
    own = list(schema.get("properties", {}).values())
    return own + [one for key, part in schema.items() if key not in ("examples", "if") for one in described(part)]


def test_the_schema_is_a_schema() -> None:
    judge = Draft202012Validator(Draft202012Validator.META_SCHEMA, registry=Registry())
    assert [f"{error.json_path}: {error.message}" for error in judge.iter_errors(load_schema("journal"))] == []


def test_the_envelope_is_described_key_by_key() -> None:
    schema = load_schema("journal")
    assert set(schema["properties"]) == set(schema["required"]) == set(Event.__struct_fields__)
    assert set(schema["properties"]["fact"]["properties"]["kind"]["enum"]) == set(FACTS)


@pytest.mark.parametrize("kind", FACTS)
def test_every_kind_of_fact_is_described_with_exactly_its_keys(kind: str) -> None:
    schema = load_schema("journal")["$defs"][kind]
    assert set(schema["properties"]) == {"kind", *FACTS[kind].__struct_fields__}
    assert set(schema["required"]) == set(schema["properties"]) - LATER.get(kind, set())
    assert schema["additionalProperties"] is False
    branches = [
        one
        for one in load_schema("journal")["allOf"]
        if one["if"]["properties"]["fact"]["properties"]["kind"]["const"] == kind
    ]
    assert [one["then"]["properties"]["fact"]["$ref"] for one in branches] == [f"#/$defs/{kind}"]


@pytest.mark.parametrize("kind", FACTS)
def test_an_event_of_every_kind_is_valid_as_it_is_written(kind: str) -> None:
    assert [error.message for error in validator().iter_errors(line(kind))] == []


@pytest.mark.parametrize("kind", FACTS)
def test_an_unknown_missing_or_mistyped_key_of_any_kind_is_refused(kind: str) -> None:
    event = line(kind)
    assert not validator().is_valid({**event, "fact": {**event["fact"], "extra": 1}})
    for name in event["fact"]:
        rest = {key: value for key, value in event["fact"].items() if key != name}
        assert validator().is_valid({**event, "fact": rest}) == (name in LATER.get(kind, ())), name
        assert not validator().is_valid({**event, "fact": {**event["fact"], name: object()}}), name


@pytest.mark.parametrize("kind", FACTS)
def test_the_example_of_every_kind_can_be_read_by_the_journal(kind: str) -> None:
    [value] = load_schema("journal")["$defs"][kind]["examples"]
    assert json.loads(msgspec.json.encode(example(kind))) == value


def test_every_key_has_a_title_a_description_and_a_valid_example() -> None:
    schema = load_schema("journal")
    keys = described(schema)
    assert len(keys) > 120
    for one in keys:
        if set(one) <= {"const", "properties", "required", "$ref"}:
            continue  # a branch's reference to what is described elsewhere
        assert {"title", "description", "examples"} <= set(one), one
        part = Draft202012Validator({**one, "$defs": schema["$defs"]}, registry=Registry())
        assert [error.message for example_ in one["examples"] for error in part.iter_errors(example_)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("at", "2026-03-01T04:05:06Z"),
        ("at", "2026-03-01 04:05:06.000007"),
        ("prev", "0" * 63),
        ("prev", "F" * 64),
        ("seq", 0),
        ("run_id", ""),
        ("model", 7),
        ("extra", None),
        ("fact", {"kind": "other"}),
        ("fact", {}),
    ],
)
def test_a_malformed_envelope_is_refused(key: str, value: object) -> None:
    assert not validator().is_valid({**line("status_changed"), key: value})

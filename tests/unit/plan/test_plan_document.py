"""A plan's file is read as it was written, or refused."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.errors import StateError
from runner.lib.schemas import load_schema
from runner.plan.document import counts, read_document
from runner.plan.model_plan import Action
from runner.reports.text import render_json
from tests.unit.plan.plan_documents import dataset, document, file, model

WHOLE = document(
    datasets=(
        dataset(eval=file("data/eval.csv", "2")),
        dataset("wine", sha256=None, train=None, problem="It is gone."),
    ),
    models=(
        model(),
        model("wine", Action.NONE, outcome="failed", dataset="wine"),
        model("demand", Action.NONE, outcome="awaiting_approval", metrics="auc 0.9 against 0.8"),
    ),
)
CONTENT = render_json(WHOLE)
Place = tuple[str | int, ...]


def validator() -> Draft202012Validator:
    return Draft202012Validator(load_schema("plan"), registry=Registry())


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every value in a JSON document."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def changed(place: Place, value: Any) -> Any:
    """Return the plan's JSON value with another value at a place."""
    whole = json.loads(CONTENT)
    target = whole
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return whole


def refused(content: bytes) -> str:
    with pytest.raises(StateError) as caught:
        read_document(content, "plan.json")
    assert "retrain plan" in caught.value.hint
    return caught.value.message


def test_a_plan_is_read_as_it_was_written() -> None:
    assert read_document(CONTENT, "plan.json") == WHOLE
    assert [error.message for error in validator().iter_errors(json.loads(CONTENT))] == []


def test_the_schema_describes_every_key_with_a_title_and_a_valid_example() -> None:
    schema = load_schema("plan")
    Draft202012Validator.check_schema(schema)
    assert list(json.loads(CONTENT)) == list(schema["properties"]) == schema["required"]
    pending, seen = [schema], 0
    while pending:
        one = pending.pop()
        assert {"title", "description", "examples"} <= set(one), one
        assert all(Draft202012Validator(one, registry=Registry()).is_valid(example) for example in one["examples"]), one
        pending += [*one.get("properties", {}).values(), *([one["items"]] if "items" in one else [])]
        seen += 1
    assert seen > 50


@pytest.mark.parametrize("place", [place for place in places(json.loads(CONTENT)) if place], ids=str)
def test_any_changed_removed_or_added_value_is_refused(place: Place) -> None:
    value: Any
    for value in ("x", 7, None, True, [], {}):
        whole = changed(place, value)
        if whole != json.loads(CONTENT):
            assert refused(json.dumps(whole).encode()).startswith("The plan plan.json cannot be used: ")


@pytest.mark.parametrize(
    "place", [place for place in places(json.loads(CONTENT)) if place and isinstance(place[-1], str)], ids=str
)
def test_schema_and_reader_agree_on_what_has_the_form_of_a_plan(place: Place) -> None:
    value: Any
    for value in ("x", 7, -1, None, True, [], {}, "0" * 64, "A" * 64, ["x"]):
        whole = changed(place, value)
        try:
            read_document(json.dumps(whole).encode(), "plan.json")
            formed = True
        except StateError as error:
            formed = "was changed" in error.message
        assert formed == validator().is_valid(whole), value


def test_a_plan_cut_anywhere_is_refused() -> None:
    for length in range(0, len(CONTENT) - 2, 7):
        assert "cut, damaged or not a plan" in refused(CONTENT[:length])


def test_one_damaged_bit_is_refused_or_means_the_same() -> None:
    for place in range(0, len(CONTENT), 3):
        damaged = bytearray(CONTENT)
        damaged[place] ^= 1 << place % 8
        try:
            assert read_document(bytes(damaged), "plan.json") == WHOLE
        except StateError:
            continue


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"version: 1\n",
        b"\xff\xfe",
        b'{"report_version": 1}',
        b"[" * 100_000,
        b'{"plan_version": 1e999}',
        b'{"plan_version": ' + b"9" * 5000 + b"}",
        CONTENT.replace(b'"serial": 38', b'"serial": NaN'),
        CONTENT.replace(b'"bytes": 1234', b'"bytes": 99999999999999999999'),
        CONTENT + b"{}",
    ],
    ids=range(11),
)
def test_what_is_not_a_plan_is_refused_in_one_sentence(content: bytes) -> None:
    assert "cut, damaged or not a plan" in refused(content)


def test_a_plan_of_another_version_says_which() -> None:
    content = json.dumps({**json.loads(CONTENT), "plan_version": 2, "new": 1}).encode()
    assert "version 2" in refused(content)


def test_counts_name_what_asks_for_attention_first() -> None:
    models = (
        model("a", Action.NONE),
        model("b", Action.NONE, outcome="awaiting_approval"),
        model("c", Action.SWITCH),
        model("d"),
        model("e"),
        model("f", Action.NONE, outcome="failed"),
    )
    assert list(counts(models).items()) == [
        ("would fail", 1),
        ("to retrain", 2),
        ("to switch", 1),
        ("awaiting_approval", 1),
        ("unchanged", 1),
    ]
    assert counts(()) == {}


def test_the_seal_is_over_everything_but_itself() -> None:
    other = msgspec.structs.replace(WHOLE, service="emulator")
    assert "was changed after it was written" in refused(render_json(other))

"""The quick yes-or-no and the search for mistakes say of any manifest what jsonschema says of it."""

from collections.abc import Iterable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from runner.lib.schemas import Fit, fit, load_schema
from runner.manifest.schema_errors import misfits

REGISTRY: Registry[Any] = Registry()
SCHEMA = load_schema("manifest")
PLAIN = Draft202012Validator(SCHEMA, registry=REGISTRY)
KEY = {"env": "K"}
WHOLE: dict[str, Any] = {
    "version": 1,
    "service": {"url": "https://service.test", "quarantine": "5m", "statuses": {"finished": ["done"]}},
    "defaults": {"retrain": {"when": "changed", "attempts": 2}, "owner": "team"},
    "datasets": {
        "a": {"train": "a.csv", "eval": {"glob": "e*.csv", "pick": "all"}, "sha256": {"train": "0" * 64}},
        "b": {"train": {"glob": "*.csv"}},
    },
    "policies": {
        "auto": {"type": "auto"},
        "ask": {"type": "manual", "expires": "14d"},
        "guard": {
            "type": "threshold",
            "rules": [{"metric": "auc", "min": Decimal("0.8")}, {"metric": "r2", "max_drop": 1, "level": "warn"}],
            "on_fail": "ask",
        },
    },
    "metrics": {
        "profit": {"select": "/profit", "direction": "higher"},
        "bias": {"select": "bias", "direction": "nearest", "target": Decimal("0.5")},
    },
    "models": {
        "one": {"api_key": KEY, "dataset": "a", "policy": "guard", "wait": {"poll": "30s"}, "tags": ["x", "y"]},
        "two": {
            "api_key": {"secret_key": {"command": ["pass", "k"]}, "model_id": 7},
            "dataset": "b",
            "policy": "ask",
            "checks": {"rows": {"min": 5}, "on_fail": "warn"},
            "emulator": {"task": "regression", "target": "y"},
        },
    },
    "approvals": "approvals/",
    "limits": {"parallel": 8},
    "notify": [{"on": ["failed"], "to": KEY, "owner": ["team"], "select": ["tag:x"]}, {"ping": {"file": "url"}}],
}  # fmt: skip
SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, Decimal("1.0"), Decimal("-0.5"), "", "x", "5m", "5m\n", "adaptive", "auto",
    "manual", "threshold", "nearest", "lower", "switch", "incumbent", "latest", "x y", "0" * 64,
]  # fmt: skip
OTHERS: list[Any] = [None, True, 0, 1, 1000, Decimal("1.0"), "", "x", "5m", [], {}]
KEYS = [
    "type",
    "rules",
    "env",
    "secret_key",
    "model_id",
    "ping",
    "on",
    "target",
    "expires",
    "glob",
    "train",
    "other",
    "1",
]
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=4,
)


def parts(value: Any) -> list[tuple[Any, Any]]:
    """Return every place within a value, as what it is in and its key or index."""
    found: list[tuple[Any, Any]] = []
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        found += [(value, step), *parts(value[step])]
    return found


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """Return the manifest with up to three changes anywhere: another value, a key less or a key more."""
    value = deepcopy(WHOLE)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(parts(value) or [(value, "version")]))
        owner, step = place
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del owner[step]
        elif change == "add" and isinstance(owner, dict):
            owner[draw(st.sampled_from(KEYS))] = draw(VALUES)
        else:
            owner[step] = draw(VALUES)
    return value


def violations(errors: Iterable[ValidationError], *, named: bool) -> list[tuple[str, str]]:
    """Return place and keyword of each error, in order.

    Of a key that is not allowed at all jsonschema names only what it is in; ours name the key (`named`).
    """
    found = []
    for error in errors:
        path = list(error.absolute_path)
        cut = path[:-1] if named and error.schema is False else path
        found.append((str(cut), str(error.validator)))
    return sorted(found)


def test_with_any_one_value_changed_the_quick_check_agrees_with_jsonschema() -> None:
    value = deepcopy(WHOLE)
    for owner, step in parts(value):
        kept = owner[step]
        for other in OTHERS:
            owner[step] = other
            assert fit("manifest").accepts(SCHEMA, value) == PLAIN.is_valid(value), (step, other)
        owner[step] = kept


@given(value=changed())
@example(value=WHOLE)
@settings(max_examples=120, deadline=None)
def test_what_certainly_fits_is_exactly_what_jsonschema_finds_no_fault_with(value: dict[str, Any]) -> None:
    plain = violations(PLAIN.iter_errors(value), named=False)
    assert fit("manifest").accepts(SCHEMA, value) == (not plain)
    assert violations(misfits("manifest", value), named=True) == plain


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "format": "date"}, "today"),  # a keyword that is not known
        ({"not": {"type": "string"}}, 1),
        ({"$ref": "#/properties/a", "properties": {"a": {"type": "integer"}}}, 1),
        ({"enum": [1.5]}, 1.5),
        ({"enum": [True]}, True),
        ({"type": "array", "uniqueItems": True}, [1, True]),  # different for JSON, the same for Python
        ({"if": {"format": "date"}, "then": True, "else": True}, 1),
    ],
)
def test_what_the_quick_check_does_not_know_it_leaves_to_jsonschema(schema: dict[str, Any], value: Any) -> None:
    assert not Fit(schema).accepts(schema, value)
    assert Draft202012Validator(schema, registry=REGISTRY).is_valid(value)


@pytest.mark.parametrize("name", ["report", "journal"])
def test_with_any_one_value_changed_the_quick_check_of_a_record_agrees_with_jsonschema(name: str) -> None:
    schema = load_schema(name)
    plain, value = Draft202012Validator(schema, registry=REGISTRY), deepcopy(schema["examples"][0])
    others: tuple[Any, ...] = (None, True, -1, -1.5, 1.5, "x", {})
    for owner, step in parts(value):
        kept = owner[step]
        for other in others:
            owner[step] = other
            assert fit(name).accepts(schema, value) == plain.is_valid(value), (step, other)
        owner[step] = kept


def test_a_fact_is_judged_by_its_own_kind_alone_as_jsonschema_does() -> None:
    schema = load_schema("journal")
    plain, value = Draft202012Validator(schema, registry=REGISTRY), deepcopy(schema["examples"][0])
    kinds = schema["properties"]["fact"]["properties"]["kind"]["enum"]
    facts = [schema["$defs"][kind]["examples"][0] for kind in kinds]
    fitting = 0
    for place, fact in enumerate(facts):
        others: list[Any] = [kinds[place - 1], kinds[place - 7], "other", None, True, {}, [kinds[place]]]
        for kind in [kinds[place], *others]:
            value["fact"] = {**fact, "kind": kind}
            fits = fit("journal").accepts(schema, value)
            assert fits == plain.is_valid(value), (place, kind)
            fitting += fits
    assert fitting >= len(kinds)
    for fact in ("run_started", [], None, {}, 1):
        value["fact"] = fact
        assert not fit("journal").accepts(schema, value)


CASES: list[tuple[Any, Any]] = [("a", {"required": ["x"]}), ("b", {"required": ["y"]}), ("a", False), ("c", True)]


@given(
    cases=st.lists(st.sampled_from(CASES), max_size=4),
    depth=st.integers(1, 2),
    value=st.dictionaries(
        st.sampled_from(["k", "x", "y"]),
        st.sampled_from(["a", "b", "c", 1, True, None, ["a"]]) | st.just({"k": "a"}) | st.just({"k": 2}) | st.just({}),
    ),
)
@example(cases=[CASES[0], CASES[2]], depth=1, value={"k": "a", "x": "a"})
def test_parts_for_one_word_each_are_together_what_jsonschema_says_of_all_of_them(
    cases: list[tuple[str, Any]], depth: int, value: Any
) -> None:
    def condition(word: str) -> dict[str, Any]:
        found: dict[str, Any] = {"const": word}
        for _ in range(depth):
            found = {"properties": {"k": found}, "required": ["k"]}
        return found

    schema = {"allOf": [True, *({"if": condition(word), "then": then} for word, then in cases)]}
    plain = Draft202012Validator(schema, registry=REGISTRY)
    for one in (value, "a", [value], None):
        assert Fit(schema).accepts(schema, one) == plain.is_valid(one)


@pytest.mark.parametrize("name", ["manifest", "approval", "report", "journal"])
def test_the_quick_check_knows_every_keyword_of_our_schemas(name: str) -> None:
    for example_value in load_schema(name)["examples"]:
        assert fit(name).accepts(load_schema(name), example_value)

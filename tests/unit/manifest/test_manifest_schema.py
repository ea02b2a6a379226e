"""The published schema: complete for editors, and in the subset that older editor servers read."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from runner.lib.schemas import load_schema, schema_path

SCHEMA = load_schema("manifest")
UNKNOWN_TO_OLDER_SERVERS = {
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentSchemas",
    "dependentRequired",
    "prefixItems",
    "$dynamicRef",
    "$dynamicAnchor",
    "oneOf",
}


def schemas(schema: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Yield every subschema with its path."""
    yield path, schema
    if not isinstance(schema, dict):
        return
    for name in ("properties", "$defs"):
        for key, item in schema.get(name, {}).items():
            yield from schemas(item, f"{path}/{name}/{key}")
    for name in ("additionalProperties", "items", "if", "then", "else"):
        if name in schema:
            yield from schemas(schema[name], f"{path}/{name}")
    for index, item in enumerate(schema.get("allOf", [])):
        yield from schemas(item, f"{path}/allOf/{index}")


def keys() -> list[tuple[str, dict[str, Any]]]:
    """Return the schemas of all keys a user can write, and of all definitions."""
    branches = ("/if/", "/then/", "/else/")
    return [
        (path, schema)
        for path, schema in schemas(SCHEMA)
        if path.split("/")[-2:-1] in (["properties"], ["$defs"]) and not any(branch in path for branch in branches)
    ]


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    registry: Registry[Any] = Registry()
    return Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}, registry=registry)


def test_the_walk_finds_the_keys() -> None:
    found = {path.rsplit("/", 1)[1] for path, _ in keys()}
    assert {"version", "poll", "max_drop_pct", "secret_key", "url_lifetime", "any_eval", "on"} <= found
    assert len(keys()) > 80


@pytest.mark.parametrize(("path", "schema"), [("#", SCHEMA), *keys()], ids=["#", *(path for path, _ in keys())])
def test_each_key_has_title_description_and_examples_that_fit(path: str, schema: dict[str, Any]) -> None:
    assert schema["title"], path
    assert schema["description"].endswith("."), path
    assert schema["examples"], path
    for example in schema["examples"]:
        assert list(validator(schema).iter_errors(example)) == [], path


def test_unknown_keys_are_refused_everywhere_but_in_maps_of_names() -> None:
    open_maps = [
        path
        for path, schema in schemas(SCHEMA)
        if isinstance(schema, dict)
        and "object" in schema.get("type", "")
        and schema.get("additionalProperties") is not False
    ]
    named = [f"#/properties/{name}" for name in ("datasets", "policies", "metrics", "models")]
    headers = "#/properties/service/properties/upload/properties/headers"
    assert open_maps == [headers, *named, "#/$defs/model/properties/incumbent/properties/metrics"]


def test_the_schema_uses_no_keyword_that_older_editor_servers_ignore() -> None:
    used = {key for _, schema in schemas(SCHEMA) if isinstance(schema, dict) for key in schema}
    assert used & UNKNOWN_TO_OLDER_SERVERS == set()


def test_references_stay_within_the_file() -> None:
    references = {s["$ref"] for _, s in schemas(SCHEMA) if isinstance(s, dict) and "$ref" in s}
    assert references
    assert all(reference.removeprefix("#/$defs/") in SCHEMA["$defs"] for reference in references)


def test_the_schema_is_valid_by_its_metaschema() -> None:
    command = [
        str(Path(sys.executable).parent / "check-jsonschema"),
        "--check-metaschema",
        str(schema_path("manifest")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_foreign_validator_accepts_our_accepted_cases() -> None:
    cases = sorted(str(path) for path in (Path(__file__).parents[2] / "cases" / "accept").glob("*.yaml"))
    odd = {"words_that_stay_text.yaml", "document_markers_and_comments.yaml"}  # its YAML reads these as other types
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--schemafile", str(schema_path("manifest"))]
    done = subprocess.run(
        command + [case for case in cases if Path(case).name not in odd], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_file_is_utf8_json_with_one_identity() -> None:
    assert json.loads(schema_path("manifest").read_text("utf-8"))["$id"] == "urn:retrain-runner:manifest:1"

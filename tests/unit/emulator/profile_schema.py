"""The published schema of a profile as it is made from the types; as a program it writes the file."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from emulator.profile import Profile

FILE = Path(__file__).parents[3] / "schemas" / "profile.schema.json"
_ID = "urn:retrain-runner:profile:1"


def made_schema() -> dict[str, Any]:
    """Return the schema that fits the types."""
    definitions = {name: _plain(part) for name, part in msgspec.json.schema(Profile)["$defs"].items()}
    document = definitions.pop("Profile")
    document["examples"] = [{"title": "the end is said as succeeded", "statuses": {"finished": "succeeded"}}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        **document,
        "title": "retrain-runner profile of an emulated service, version 1",
        "$defs": definitions,
    }


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with its description on one line, paragraphs apart."""
    paragraphs = inspect.cleandoc(part.get("description", "")).split("\n\n")
    text = " ".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    keys = {name: _without_default(key) for name, key in part.get("properties", {}).items()}
    return {**part, **({"description": text} if text else {}), **({"properties": keys} if keys else {})}


def _without_default(key: dict[str, Any]) -> dict[str, Any]:
    """Return a key without the default that its own definition has."""
    return {name: value for name, value in key.items() if name != "default" or "$ref" not in key}


if __name__ == "__main__":
    FILE.write_text(json.dumps(made_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

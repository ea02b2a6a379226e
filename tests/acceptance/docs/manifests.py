"""What a YAML block of the documentation is, made whole enough for a check to read it."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from runner.lib.schemas import load_schema
from tests.acceptance.docs.blocks import Block

MANIFEST_KEYS = frozenset(load_schema("manifest")["properties"])
# What a fragment of a manifest is laid over.
SMALLEST: dict[str, Any] = {
    "version": 1,
    "datasets": {"churn": {"train": "data/churn/train.csv", "eval": "data/churn/eval.csv"}},
    "policies": {"guarded": {"type": "auto"}},
    "models": {"churn": {"api_key": {"env": "CHURN_API_KEY"}, "dataset": "churn", "policy": "guarded"}},
}
_KEYS_OF_ENTRIES = 3  # section, name, key: what stands deeper replaces


class _Yaml12(yaml.SafeLoader):
    """Reads `on` and dates as texts, as the manifest and the pipelines' own readers do."""


_Yaml12.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in known if not tag.endswith((":bool", ":timestamp"))]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def value_of(block: Block) -> Any:
    """Return the block's value; digests that are cut short with `...` are filled up."""
    whole = re.sub(r"\b([0-9a-f]{6,})\.\.\.", lambda cut: cut[1].ljust(64, "0"), block.text)
    return yaml.load(whole, _Yaml12)  # noqa: S506 -- a SafeLoader without two of its guesses


def kind_of(block: Block) -> str:
    """Return what the block is: as its note says, else a manifest or a fragment of one, else nothing known."""
    told = block.told("kind")
    if told:
        return told[0]
    value = value_of(block)
    if not isinstance(value, dict) or not value.keys() <= MANIFEST_KEYS:
        return "unknown"
    return "manifest" if {"version", "models"} <= value.keys() else "fragment"


def manifest_text(block: Block) -> str:
    """Return a whole manifest: the block itself, or its fragment laid over the smallest one."""
    return block.text if kind_of(block) == "manifest" else json.dumps(_laid_over(SMALLEST, value_of(block)))


def workflow_text(block: Block) -> str:
    """Return a GitHub workflow that has the block's steps."""
    job = {"runs-on": "ubuntu-latest", "steps": value_of(block)}
    return json.dumps({"on": "push", "jobs": {"retrain": job}})


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any], depth: int = _KEYS_OF_ENTRIES) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and depth > 1
        merged[key] = _laid_over(merged[key], value, depth - 1) if both else value
    return merged

"""The page on the first day names every setting by which a wrong assumption is put right, and no other."""

import re
from collections.abc import Iterator
from typing import Any

from runner.lib.schemas import load_schema
from tests.acceptance.docs.blocks import inline_code, text_of

PAGE = "first-day.md"
NO_ASSUMPTION = {"service.provider", "service.emulator", "service.statuses", "service.fields", "service.upload"}


def keys(schema: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the paths of a section's keys."""
    for key, part in schema.get("properties", {}).items():
        yield f"{name}.{key}"
        yield from keys(part, f"{name}.{key}")


def test_every_setting_of_the_service_is_on_the_page() -> None:
    settings = set(keys(load_schema("manifest")["properties"]["service"], "service")) - NO_ASSUMPTION
    named = {span.split(":")[0] for span in inline_code(PAGE)}
    assert settings - named - {"service.fields.model_id", "service.fields.message"} == set(), "these change nothing"


def test_every_setting_on_the_page_exists() -> None:
    known = set(keys(load_schema("manifest")["properties"]["service"], "service")) | {"service.classifier_id"}
    named = {span.split(":")[0] for span in inline_code(PAGE) if re.match(r"service\.", span)}
    assert named - known == set()


def test_the_page_says_first_that_nobody_has_run_it_live() -> None:
    assert text_of(PAGE).split("\n\n")[1].startswith("**Nobody has run this program against a live account.**")

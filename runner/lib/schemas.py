"""The JSON schemas of the package, and whether a value fits one."""

import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.lib.schema_keywords import ANYTHING, DOUBT, NOTHING, Checks, Keywords, Schema, UnsureError, make_check

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

NAMES = ("manifest", "approval", "plan", "report", "journal", "diagnosis", "profile")


def schema_path(name: str) -> Path:
    """Return the file of a schema: inside the installed package, or beside it in a checkout.

    A wheel carries `schemas/` inside the package; an editable install has it next to the package only.
    """
    here = Path(__file__).parents[1]
    file = f"{name}.schema.json"
    packaged = here / "schemas" / file
    return packaged if packaged.exists() else here.parent / "schemas" / file


@cache
def load_schema(name: str) -> Keywords:
    """Return the schema `manifest`, `report` or `journal` as a JSON value."""
    schema: Keywords = json.loads(schema_path(name).read_bytes())
    return schema


def report_violation(report: object) -> str | None:
    """Return where and how a report departs from its schema, or None."""
    return _violation(_validator("report"), report)


def event_violation(event: object) -> str | None:
    """Return where and how a line of a journal departs from its schema, or None.

    Only the branch for the event's own kind is looked at: the schema has one for each, and a journal has many events.
    """
    fact = event.get("fact") if isinstance(event, dict) else None
    kind = fact.get("kind") if isinstance(fact, dict) else None
    kinds = load_schema("journal")["properties"]["fact"]["properties"]["kind"]["enum"]
    if kind not in kinds:
        return "it is of no kind that the schema knows"
    return _violation(_event_validator(kind), event)


@cache
def _validator(name: str) -> "Draft202012Validator":
    return _offline(load_schema(name))


@cache
def _event_validator(kind: str) -> "Draft202012Validator":
    schema = {key: value for key, value in load_schema("journal").items() if key not in ("$id", "allOf")}
    return _offline({**schema, "properties": {**schema["properties"], "fact": {"$ref": f"#/$defs/{kind}"}}})


def _offline(schema: Keywords) -> "Draft202012Validator":
    """Return a validator that fetches nothing; the library is slow to load and most commands do without it."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 -- loaded when first used
    from referencing import Registry  # noqa: PLC0415 -- as above

    return Draft202012Validator(schema, registry=Registry())


def _violation(validator: "Draft202012Validator", document: object) -> str | None:
    """Return the first error's place and keyword; the library's own message would repeat the value."""
    error = next(validator.iter_errors(document), None)
    if error is None:
        return None
    place = "/".join(str(part) for part in error.absolute_path)
    return f"it breaks the published schema at /{place} ({error.validator})"


class Fit:
    """The checks of one schema document and of all its parts."""

    def __init__(self, document: Keywords) -> None:
        self._document = document
        self._made: dict[int, Checks] = {}  # by the identity of the part, which lives as long as the document

    def accepts(self, schema: Schema, value: object) -> bool:
        """Return whether the value certainly fits this part of the document."""
        try:
            check = self.checks(schema)[type(value)]
            return check is None or bool(check(value))
        except UnsureError:
            return False

    def checks(self, schema: Schema) -> Checks:
        """Return the checks of a part of the document."""
        if isinstance(schema, bool):
            return ANYTHING if schema else NOTHING
        made = self._made.get(id(schema))
        if made is None:
            made = self._made[id(schema)] = Checks(partial(make_check, self, schema))
        return made

    def target(self, reference: str) -> Checks:
        """Return the checks of the definition that a `$ref` names."""
        start, _, name = reference.rpartition("/")
        return self.checks(self._document["$defs"][name]) if start == "#/$defs" else DOUBT


@cache
def fit(document: str) -> Fit:
    """Return the checks of a published schema, by its name."""
    return Fit(load_schema(document))

"""Whether a value surely fits a JSON schema: yes or no, soon, and without the library that explains.

From each part of the schema a check is made once for each type of value that is met there, so that a value is asked for
its type once and then only what its type leaves open; of thousands of models all or nearly all fit. What does not, or
what is beyond the keywords known here, is left to jsonschema, which has the last word.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from runner.lib.schema_keywords import ANYTHING, DOUBT, NOTHING, Checks, Schema, UnsureError, make_check
from runner.lib.schemas import load_schema


class Fit:
    """The checks of one schema document and of all its parts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._made: dict[int, Checks] = {}  # by the identity of the part, which lives as long as the document

    def surely(self, schema: Schema, value: Any) -> bool:
        """Tell whether the value surely fits this part of the document."""
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

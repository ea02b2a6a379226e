"""The schema check: every violation of the manifest's schema, at its place."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from runner.manifest.document import YamlMap
from runner.manifest.model import Place
from runner.manifest.problems import Findings
from runner.manifest.violations import Path, Spot, explain_violation
from runner.schema import load_schema

NAMED_SECTIONS = ("datasets", "policies", "metrics", "models")
_MOST_REMEMBERED = 20_000
_LARGEST_REMEMBERED = 64
_DECISIVE = frozenset({"wrong-type", "literal-key"})


def check_shape(root: YamlMap, start: Place, findings: Findings, schema: str = "manifest") -> frozenset[Path]:
    """Check one file's value against the schema of a manifest, or of another document.

    Places that already have a problem get no second one, nor does a value of a wrong type.

    Returns:
        The sections, and for named things section and name, that are not as the schema wants them; beside those the
        exact paths of what is wrong in them.
    """
    reported = set(findings.places())
    broken = set()
    for error in _validator(schema).iter_errors(root):
        path: Path = tuple(error.absolute_path)
        broken |= {path, path[: 2 if path and path[0] in NAMED_SECTIONS else 1]}
        for said in explain_violation(error, Spot(root, path, start)):
            if said.place not in reported:
                findings.error(said.place, said.code, said.message, hint=said.hint)
                if said.code in _DECISIVE:
                    reported.add(said.place)
    return frozenset(broken)


@cache
def _validator(schema: str) -> Any:
    """Return the validator; its registry is empty, so that no reference is ever fetched."""
    registry: Registry[Any] = Registry()
    remembering = validators.extend(  # type: ignore[no-untyped-call] # types-jsonschema leaves it untyped
        Draft202012Validator, {"properties": _properties_remembered()}
    )
    return remembering(load_schema(schema), registry=registry)


def _properties_remembered() -> Callable[..., Iterator[ValidationError]]:
    """Return the keyword `properties` of jsonschema with a memory of what fitted.

    In a manifest of thousands of models most settings are the same in each: the same value under the same subschema
    is checked once. `repr` tells 1, True, '1' and Decimal('1') apart.
    """
    fitting: set[tuple[int, str]] = set()

    def properties(
        validator: Any, subschemas: dict[str, Any], instance: Any, _schema: Any
    ) -> Iterator[ValidationError]:
        for key in instance if isinstance(instance, dict) else ():
            if key not in subschemas:
                continue
            value, subschema = instance[key], subschemas[key]
            remembered = (id(subschema), repr(value)) if _is_small(value) else None
            if remembered in fitting:
                continue
            errors = list(validator.descend(value, subschema, path=key, schema_path=key))
            if subschema is False:
                for error in errors:
                    error.path.appendleft(key)  # descend() leaves the path out where nothing is allowed
            yield from errors
            if remembered and not errors and len(fitting) < _MOST_REMEMBERED:
                fitting.add(remembered)

    return properties


def _is_small(value: Any) -> bool:
    return not isinstance(value, str | list | dict) or len(value) <= _LARGEST_REMEMBERED

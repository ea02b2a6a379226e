"""Where a value departs from its schema, by jsonschema, and what is said of it at its place."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from runner.lib.schema_keywords import Keywords, Schema
from runner.lib.schemas import Fit, fit, load_schema
from runner.lib.text import choice, did_you_mean, nearest, shown
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.document import Path, YamlList, YamlMap
from runner.manifest.model import Place

_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def misfits(document: str, value: object) -> Iterator[ValidationError]:
    """Yield every violation of a published schema, in the order of the file."""
    errors: Iterator[ValidationError] = _validator(document).iter_errors(value)
    return errors


@cache
def _validator(document: str) -> Draft202012Validator:
    """Return the validator; its registry is empty, so that no reference is ever fetched."""
    registry: Registry[Any] = Registry()
    class_ = validators.extend(Draft202012Validator, _keywords(fit(document)))  # type: ignore[no-untyped-call] # types-jsonschema leaves it untyped
    validator: Draft202012Validator = class_(load_schema(document), registry=registry)
    return validator


def _keywords(sure: Fit) -> dict[str, _Keyword]:
    """Return the keywords of jsonschema that go into a value, without going into what certainly fits.

    One mistake among thousands of models then costs no explanation of all the others.
    """

    def properties(
        validator: Draft202012Validator, schemas: Mapping[str, Schema], instance: object, _schema: Keywords
    ) -> Iterator[ValidationError]:
        if isinstance(instance, dict):
            yield from _within(
                sure, validator, ((key, instance[key], schemas[key]) for key in instance if key in schemas)
            )

    def additional(
        validator: Draft202012Validator, other: Schema, instance: object, schema: Keywords
    ) -> Iterator[ValidationError]:
        known = schema.get("properties", {})
        members = instance if isinstance(instance, dict) else {}
        extra = (key for key in members if key not in known)
        if other is not False:
            yield from _within(sure, validator, ((key, members[key], other) for key in extra))
        elif next(extra, None) is not None:
            yield ValidationError("there are keys that are not known")

    def items(
        validator: Draft202012Validator, every: Schema, instance: object, _schema: Keywords
    ) -> Iterator[ValidationError]:
        if isinstance(instance, list):
            yield from _within(sure, validator, ((index, item, every) for index, item in enumerate(instance)))

    return {"properties": properties, "additionalProperties": additional, "items": items}


def _within(
    sure: Fit, validator: Draft202012Validator, parts: Iterable[tuple[str | int, object, Schema]]
) -> Iterator[ValidationError]:
    for step, value, schema in parts:
        if sure.accepts(schema, value):
            continue
        for error in validator.descend(value, schema, path=step, schema_path=step):
            if schema is False:
                error.path.appendleft(step)  # descend() leaves the path out where nothing is allowed
            yield error


# Violations of the schema in our own words. jsonschema's own messages hold whole values, which may be secrets; they
# are not used.

_KEY_SOURCES = ("env", "file", "command", "keyring", "secret_key")
_LITERAL_WORDS = frozenset({"value", "literal", "key", "api_key", "secret", "token", "password", "plain", "url"})
_KEYS_OF_OTHERS = ("direction", "target")  # of metrics that are not built in
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
}


class Said(NamedTuple):
    """A problem before it has its file: place, code, message and hint."""

    place: Place
    code: str
    message: str
    hint: str


class Spot:
    """A path within a file's value, and what can be said about it."""

    def __init__(self, root: YamlMap, path: Path, start: Place) -> None:
        self.path = path
        self.value_place = self.key_place = start
        self.parent: Any = None
        self.value: Any = root
        for step in path:
            self._descend(step)

    def _descend(self, step: str | int) -> None:
        self.parent, self.value = self.value, self.value[step]
        if isinstance(self.parent, YamlMap) and isinstance(step, str):
            self.value_place, self.key_place = self.parent.value_place(step), self.parent.key_place(step)
        elif isinstance(self.parent, YamlList) and isinstance(step, int):
            self.value_place = self.key_place = self.parent.item_place(step)

    @property
    def name(self) -> str:
        """The key in backticks, or what the value is when no key leads to it."""
        if not self.path:
            return "The file"
        last = self.path[-1]
        return shown(last) if isinstance(last, str) else f"Item {last + 1} of {shown(str(self.path[-2]))}"

    @property
    def secret(self) -> str | None:
        """What secret's source is described here, if any: unknown text may then be the secret itself."""
        if self.path and self.path[-1] in ("api_key", "secret_key"):
            return "key"
        return "address" if self.path[:1] == ("notify",) and self.path[-1] in ("to", "ping") else None


def explain_violation(error: ValidationError, spot: Spot) -> Iterator[Said]:
    """Yield what there is to say of one error; no value is quoted but the words the schema itself lists."""
    if error.schema is False:
        yield _misplaced(spot)
        return
    explanation = _EXPLANATIONS.get(str(error.validator), _other)
    yield from explanation(error, spot)


def _misplaced(spot: Spot) -> Said:
    for choosing in ("type", "direction"):
        if choosing in spot.parent:
            message = f"{spot.name} does not belong to the {choosing} {shown(str(spot.parent[choosing]))}."
            return Said(spot.key_place, "misplaced-key", message, f"Remove it, or choose another {choosing}.")
    if spot.path[:1] == ("moved",):
        message = f"{spot.name} does not go with `service`."
        return Said(spot.key_place, "misplaced-key", message, "Make two entries of it.")
    if "ping" in spot.parent:
        message = f"{spot.name} does not go with `ping`."
        return Said(spot.key_place, "misplaced-key", message, "Make two entries of it.")
    return Said(
        spot.key_place, "misplaced-key", f"{spot.name} needs `secret_key` beside it.", "Add it, or remove this."
    )


def _unknown_keys(error: ValidationError, spot: Spot) -> Iterator[Said]:
    known = list(_schema(error)["properties"])
    for key in spot.value:
        if key in known:
            continue
        place = spot.value.key_place(key)
        if key in _KEYS_OF_OTHERS and spot.path[:1] == ("metrics",) and spot.path[-1] in BUILT_IN_METRICS:
            message = f"{spot.name} is a built-in metric, whose `{key}` is known."
            yield Said(place, "built-in-metric", message, f"Remove {shown(key)}, or choose another name.")
        elif spot.secret is None:
            hint = did_you_mean(key, known, otherwise=f"Known here: {choice(known, 'and')}.")
            yield Said(place, "unknown-key", f"There is no key {shown(key)} here.", hint)
        elif key in _LITERAL_WORDS:
            yield _literal_key(place, spot.secret)
        else:
            near = nearest(key, known)
            hint = f"Did you mean `{near}`?" if near else f"Known here: {choice(known, 'and')}."
            yield Said(place, "unknown-key", "A key here is not known; it is not shown, as it may be secret.", hint)


def _missing_keys(error: ValidationError, spot: Spot) -> Iterator[Said]:
    for key in error.validator_value:  # type: ignore[union-attr] # the schema is ours
        if key not in spot.value:
            example = _example(_schema(error).get("properties", {}).get(key, {}), key)
            yield Said(
                spot.key_place, "missing-key", f"{spot.name} lacks the key `{key}`.", example or f"Add `{key}` to it."
            )


def _wrong_type(error: ValidationError, spot: Spot) -> Iterator[Said]:
    if spot.secret is not None and spot.value is not None and not isinstance(spot.value, list):
        yield _literal_key(spot.value_place, spot.secret)
        return
    wanted = error.validator_value
    names = [_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]  # type: ignore[union-attr] # the schema is ours
    found = "nothing" if spot.value is None else _found(spot.value)
    hint = _example(_schema(error), spot.path[-1] if spot.path else "") or "Write it in that form."
    if "pattern" in _schema(error):
        hint = _schema(error)["description"]
    elif "text" in names and spot.value is not None and not isinstance(spot.value, list | dict):
        hint = "Put it in quotes."
    yield Said(spot.value_place, "wrong-type", f"{spot.name} must be {' or '.join(names)}, not {found}.", hint)


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "text"
    return "a decimal number" if isinstance(value, Decimal) else "a number"


def _literal_key(place: Place, secret: str) -> Said:
    return Said(
        place,
        "literal-key",
        f"The {secret} is in the manifest itself.",
        f"Put it into an environment variable and write `{{env: NAME}}`; replace the {secret} if this file was ever"
        " shared.",
    )


def _wrong_value(error: ValidationError, spot: Spot) -> Iterator[Said]:
    values = [str(value) for value in error.validator_value]  # type: ignore[union-attr] # the schema is ours
    hint = "Use one of these values."
    if isinstance(spot.value, str):
        hint = did_you_mean(spot.value, values, otherwise=hint)
    yield Said(spot.value_place, "wrong-value", f"{spot.name} must be {choice(values)}.", hint)


def _wrong_form(error: ValidationError, spot: Spot) -> Iterator[Said]:
    schema = _schema(error)
    yield Said(spot.value_place, "wrong-form", f"{spot.name} is not a {schema['title']}.", schema["description"])


def _out_of_range(error: ValidationError, spot: Spot) -> Iterator[Said]:
    bound = "least" if error.validator == "minimum" else "most"
    yield Said(
        spot.value_place,
        "out-of-range",
        f"{spot.name} must be at {bound} {error.validator_value}.",
        "Write another number.",
    )


def _wrong_count(_error: ValidationError, spot: Spot) -> Iterator[Said]:
    yield Said(
        spot.key_place,
        "wrong-count",
        f"{spot.name} must name exactly one source of the {spot.secret}.",
        f"Choose one of {choice(_KEY_SOURCES if spot.path[-1] == 'api_key' else _KEY_SOURCES[:-1])}.",
    )


def _empty(error: ValidationError, spot: Spot) -> Iterator[Said]:
    hint = _example(_schema(error), spot.path[-1]) or "Write something, or remove it."
    yield Said(spot.value_place, "empty-value", f"{spot.name} must not be empty.", hint)


def _repeated(_error: ValidationError, spot: Spot) -> Iterator[Said]:
    yield Said(spot.value_place, "repeated-item", f"{spot.name} holds the same item twice.", "Keep one of them.")


def _other(error: ValidationError, spot: Spot) -> Iterator[Said]:
    yield Said(spot.value_place, "wrong-value", f"{spot.name} is not valid.", f"See `{error.validator}`.")


_EXPLANATIONS: dict[str, Callable[[ValidationError, Spot], Iterator[Said]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _wrong_value,
    "pattern": _wrong_form,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "minProperties": _wrong_count,
    "maxProperties": _wrong_count,
    "minLength": _empty,
    "minItems": _empty,
    "uniqueItems": _repeated,
}


def _schema(error: ValidationError) -> Keywords:
    schema: Keywords = dict(error.schema)  # type: ignore[arg-type] # a false schema is told apart before
    return schema


def _example(schema: Keywords, key: str | int) -> str | None:
    """Return the schema's first example as a hint in YAML's flow form."""
    examples = schema.get("examples")
    if not examples:
        return None
    return f"For example: `{f'{key}: ' if isinstance(key, str) and key else ''}{_flow(examples[0])}`."


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)

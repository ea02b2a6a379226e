"""A published JSON schema as Markdown tables, one for each kind of object. Pure: a schema in, a text out.

An object under `$defs` is described once, under its own heading; every key that takes it links there. An object that
stands where it is used is described under its path, such as `service.statuses` or `notify[].to`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
LONGEST_EXAMPLE = 72  # characters; a longer one breaks the table on a small screen
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} of them",
    "uniqueItems": "each once",
}
_WORDS = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "`null`"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one schema; `name` keeps its anchors apart from those of other schemas."""

    name: str
    schema: Node

    def markdown(self) -> str:
        """Return all tables: the document itself, its definitions, then the forms of single values."""
        definitions: Mapping[str, Node] = self.schema.get("$defs", {})
        objects = {key: node for key, node in definitions.items() if "properties" in node}
        values = {key: node for key, node in definitions.items() if key not in objects}
        lines = [*self._object("", self.schema, heading="The document")]
        for key, node in objects.items():
            lines += self._object(key, node, heading=f"`{key}`")
        if values:
            lines += ["## Forms of values", "", "| form | meaning | examples |", "| --- | --- | --- |"]
            lines += [self._value(key, node) for key, node in values.items()]
        return "\n".join(lines) + "\n"

    def _object(self, path: str, node: Node, *, heading: str) -> Iterator[str]:
        level = "##" if "." not in path and "[]" not in path else "###"
        yield from (f"({self._anchor(path)})=", f"{level} {heading}", "", _cell(node.get("description", "")), "")
        yield from ("| key | takes | default | meaning |", "| --- | --- | --- | --- |")
        required = node.get("required", ())
        for key, child in node["properties"].items():
            yield self._row(path, key, child, required=key in required)
        if isinstance(node.get("additionalProperties"), Mapping):
            yield self._row(path, "NAME", node["additionalProperties"], required=False)
        yield ""
        for key, child in node["properties"].items():
            below, inner = _inline_object(f"{path}.{key}" if path else key, child)
            if inner is not None:
                yield from self._object(below, inner, heading=f"`{below}`")

    def _row(self, path: str, key: str, node: Node, *, required: bool) -> str:
        default = f"`{_json(node['default'])}`" if "default" in node else ("required" if required else "")
        words = [_cell(node.get("description", "")), _bounds(node), _example(node)]
        takes = self._takes(f"{path}.{key}" if path else key, node)
        return f"| `{key}` | {takes} | {default} | {' '.join(word for word in words if word)} |"

    def _value(self, key: str, node: Node) -> str:
        examples = ", ".join(f"`{_json(one)}`" for one in node.get("examples", ()))
        return f"| {key} | {_cell(node['description'])} | {examples} |"

    def _takes(self, path: str, node: Node) -> str:
        """Return what a key takes, with links to objects and forms of values."""
        if "$ref" in node:
            return self._link(node["$ref"].rsplit("/", 1)[1])
        if "anyOf" in node:
            return " or ".join(self._takes(path, one) for one in node["anyOf"])
        if "const" in node:
            return f"`{_json(node['const'])}`"
        if "enum" in node:
            return ", ".join(f"`{_json(one)}`" for one in node["enum"])
        types = node["type"] if isinstance(node["type"], list) else [node["type"]]
        return " or ".join(self._word(path, node, one) for one in types)

    def _word(self, path: str, node: Node, kind: str) -> str:
        if kind == "object" and "properties" in node:
            return f"[keys](#{self._anchor(path)})"
        if kind == "object" and isinstance(node.get("additionalProperties"), Mapping):
            return f"{self._takes(f'{path}.NAME', node['additionalProperties'])} by name"
        if kind == "array" and "items" in node:
            return f"list of {self._takes(f'{path}[]', node['items'])}"
        return _WORDS.get(kind, kind)

    def _link(self, definition: str) -> str:
        if "properties" in self.schema["$defs"][definition]:
            return f"[{definition}](#{self._anchor(definition)})"
        return definition

    def _anchor(self, path: str) -> str:
        return re.sub(r"[^A-Za-z0-9]+", "-", f"{self.name} {path}").strip("-")


def _inline_object(path: str, node: Node) -> tuple[str, Node | None]:
    """Return the object that stands in a key itself, or in its list or map, with the path of its table."""
    if "properties" in node:
        return path, node
    options = (_inline_object(path, option) for option in node.get("anyOf", ()))
    if found := next((option for option in options if option[1] is not None), None):
        return found
    if isinstance(node.get("items"), Mapping):
        return _inline_object(f"{path}[]", node["items"])
    if isinstance(node.get("additionalProperties"), Mapping):
        return _inline_object(f"{path}.NAME", node["additionalProperties"])
    return path, None


def _bounds(node: Node) -> str:
    told = [words.format(node[key]) for key, words in _BOUNDS.items() if key in node]
    return f"{', '.join(told).capitalize()}." if told else ""


def _example(node: Node) -> str:
    shown = [_json(one) for one in node.get("examples", ()) if one != node.get("default")]
    fitting = [one for one in shown if len(one) <= LONGEST_EXAMPLE]
    return f"Example: `{_cell(fitting[0])}`." if fitting and "enum" not in node and "const" not in node else ""


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

"""The reader of `--profile` and `--faults`: strict YAML, and each problem with its line and column."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from emulator.cassette_profile import cassette_profile
from emulator.profile import DOCUMENTED, Profile, Rule
from emulator.profile_checks import check_profile
from runner.errors import UsageError
from runner.lib.atomic_files import open_file
from runner.lib.cassette import read_cassette

CAUTIOUS = Path(__file__).with_name("cautious.yaml")
"""The profile of that name."""

_NAMED = ("documented", "cautious")
_LARGEST_FILE = 16 << 20
_MOST_NODES = 200_000
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})?\.[0-9]+([eE][-+]?[0-9]{1,3})?")
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")

Path_ = tuple[str | int, ...]


def read_profile(name: str, models: Sequence[str]) -> Profile:
    """Return the profile `documented`, `cautious`, or that of a YAML file or a cassette.

    `models` are the names a rule may use.

    Raises:
        UsageError: the file cannot be read or is neither; the message names line and column.
    """
    if name == "documented":
        return DOCUMENTED
    if name.lower().endswith(".zip"):
        return cassette_profile(read_cassette(Path(name)))
    file = CAUTIOUS if name == "cautious" else Path(name)
    if not file.exists():
        close = difflib.get_close_matches(name, _NAMED, n=1)
        hint = f"Did you mean `{close[0]}`?" if close else f"Give {' or '.join(_NAMED)}, a YAML file or a cassette."
        raise UsageError(f"There is no profile {name}.", hint=hint)
    reader = _Reader(file, models)
    if not isinstance(reader.root, MappingNode):
        reader.refuse((), "a profile is a mapping", hint="Begin with `title:`, or give a list of rules to --faults.")
    return reader.convert(reader.value)


def read_faults(file: Path, models: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules of a faults file, which is the list `rules` of a profile alone.

    Raises:
        UsageError: the file cannot be read or is not a list of rules; the message names line and column.
    """
    reader = _Reader(file, models)
    if not isinstance(reader.root, SequenceNode):
        reader.refuse((), "a faults file is a list of rules", hint="Begin each rule with `- call: put`.")
    return reader.convert({"rules": reader.value}, below=("rules",)).rules


class _Reader:
    """A YAML file as plain values, and where each of them is."""

    def __init__(self, file: Path, models: Sequence[str]) -> None:
        self._file = file
        self._models = models
        self._left = _MOST_NODES
        self.root = self._compose()
        self.value = None if self.root is None else self._plain(self.root, ())

    def convert(self, value: Any, *, below: Path_ = ()) -> Profile:
        """Return the value as a profile; `below` is what of its path the file does not have."""
        try:
            profile = msgspec.convert(value, Profile)
        except msgspec.ValidationError as error:
            message, _, place = str(error).partition(" - at `")
            unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
            key = (unknown[1],) if unknown else ()
            self.refuse((*_steps(place)[len(below) :], *key), *_told(message), at_key=bool(key))
        for path, problem, hint in check_profile(profile, self._models):
            self.refuse(path[len(below) :], problem, hint=hint)
        return profile

    def refuse(self, path: Path_, problem: str, hint: str, *, at_key: bool = False) -> NoReturn:
        """Raise the error for the value at a path, or for the nearest one above that is in the file."""
        mark = None if self.root is None else _nearest(self.root, path, at_key=at_key).start_mark
        place = "1:1" if mark is None else f"{mark.line + 1}:{mark.column + 1}"
        raise UsageError(f"{self._file}:{place}: {problem}.", hint=hint)

    def _compose(self) -> Node | None:
        try:
            with open_file(self._file) as stream:
                content = stream.read(_LARGEST_FILE + 1)
            if len(content) > _LARGEST_FILE:
                raise UsageError(f"{self._file}: the file is larger than 16 MiB.", hint="Write a shorter one.")
            # The pure Python loader: deep nesting ends in an exception there, in libyaml in a crash.
            node: Node | None = yaml.compose(content, Loader=yaml.SafeLoader)
        except OSError as error:
            raise UsageError(f"{self._file}: {error.strerror}.", hint="Give a file that can be read.") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problem = str(error).replace("\n", " ")[:300]
            raise UsageError(f"{self._file}: not readable as YAML: {problem}.", hint="Correct the file.") from None
        return node

    def _plain(self, node: Node, path: Path_) -> Any:
        self._left -= 1
        if self._left < 0:  # aliases of aliases
            self.refuse((), "the file is too large when its aliases are replaced", hint="Write the values out.")
        if isinstance(node, ScalarNode):
            return _scalar(node)
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*path, place)) for place, item in enumerate(node.value)]
        return dict(self._items(node, path))

    def _items(self, node: Node, path: Path_) -> Iterator[tuple[str, Any]]:
        known = set[str]()
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else None
            if name is None or name in known:
                problem = "a key must be a string" if name is None else f"the key `{name}` is there twice"
                mark = key.start_mark
                place = f"{self._file}:{mark.line + 1}:{mark.column + 1}"
                raise UsageError(f"{place}: {problem}.", hint="Keep one of them." if name else "Write a single word.")
            known.add(name)
            yield name, self._plain(value, (*path, name))


def _scalar(node: ScalarNode) -> Any:
    """Return a scalar: what JSON has keeps its type, all else is a string (`on`, `12:30` and `017` too)."""
    text = str(node.value)
    if node.style:  # quoted, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _steps(place: str) -> Path_:
    found = _STEP.finditer(place.rstrip("`"))
    return tuple(int(step[2]) if step[2] else step[1] for step in found)


def _nearest(root: Node, path: Path_, *, at_key: bool) -> Node:
    """Return the value at a path, its key where that is a list or a mapping, or the nearest that is in the file."""
    node, shown = root, root
    for step in path:
        if isinstance(step, int):
            inner = node.value[step] if isinstance(node, SequenceNode) and step < len(node.value) else None
            shown = shown if inner is None else inner
        else:
            pairs = node.value if isinstance(node, MappingNode) else ()
            key, inner = next(((k, v) for k, v in pairs if k.value == step), (None, None))
            shown = (
                shown
                if inner is None or key is None
                else (key if at_key or not isinstance(inner, ScalarNode) else inner)
            )
        if inner is None:
            break
        node = inner
    return shown


def _told(message: str) -> tuple[str, str]:
    """Return a problem of the decoder in the words of a profile, and what to do about it."""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f"unknown key `{unknown[1]}`", _suggestion(unknown[1], _KEYS)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f"the key `{missing[1]}` is missing", f"Add `{missing[1]}`."
    if unknown := re.fullmatch(r"Invalid enum value '?(.*?)'?", message, re.DOTALL):
        return f"unknown value `{unknown[1]}`", _suggestion(unknown[1], _VALUES)
    plain = re.sub(
        r"`([\w| ]+)`",
        lambda types: " or ".join(_TYPES.get(kind, kind) for kind in types[1].split(" | ") if kind != "null"),
        message,
    )
    return f"{plain[:1].lower()}{plain[1:]}", "`retrain schema profile` prints what a profile may hold."


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean `{close[0]}`?" if close else "`retrain schema profile` prints what a profile may hold."


def _known_words() -> tuple[list[str], list[str]]:
    """Return all keys of a profile, and all values of its enumerations."""
    definitions: Mapping[str, Any] = msgspec.json.schema(Profile)["$defs"]
    keys = {key for part in definitions.values() for key in part.get("properties", {})}
    values = {value for part in definitions.values() for value in part.get("enum", ())}
    for part in definitions.values():
        for child in part.get("properties", {}).values():
            for option in (child, *child.get("anyOf", ())):
                values.update(value for value in option.get("enum", ()) if isinstance(value, str))
    return sorted(keys), sorted(values)


_KEYS, _VALUES = _known_words()

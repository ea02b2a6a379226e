"""Text -> values with positions, in one pass over the events of the YAML parser.

The same pass is the safety scan: depth, number of nodes, aliases, tags and documents are bounded before anything
grows. PyYAML's own constructors are not used: they let the last duplicate key win, expand merge bombs for a minute
and, in C, end the process at deep nesting.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

import yaml

from runner.manifest.document import Mark, YamlList, YamlMap
from runner.manifest.model import Place
from runner.manifest.problems import Findings
from runner.manifest.scalars import NumberRangeError, resolve
from runner.manifest.syntax import explain
from runner.manifest.text import Text
from runner.manifest.words import shown

MAX_DEPTH = 64
MAX_NODES = 1_000_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FREE_ALIAS_NODES = 1_000
_ALIAS_FACTOR = 10  # aliases may stand for ten times what is written; a bomb stands for millions of times
_ESCAPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MERGE = object()
_SKIPPED = object()


class _RefusedError(Exception):
    """The file cannot be read any further."""

    def __init__(self, place: Place, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.place, self.code, self.message, self.hint = place, code, message, hint


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun and not yet ended. `key` is None while a mapping waits for a key."""

    value: YamlMap | YamlList
    line: int
    column: int
    anchor: str | None
    size_before: int
    key: Any = None
    key_line: int = 0
    key_column: int = 0
    merged: list[YamlMap] = field(default_factory=list)
    merge_place: Place | None = None


def build(source: Text, findings: Findings) -> YamlMap | None:
    """Return the file's one mapping, or None when it cannot be read on; reasons go to `findings`."""
    builder = _Builder(source.file, findings)
    start = Place(file=source.file, line=1, column=1)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            builder.take(event)
    except _RefusedError as refused:
        findings.error(refused.place, refused.code, refused.message, hint=refused.hint)
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        findings.add(explain(error, source))
        return None
    if builder.root is None:
        findings.error(start, "empty-file", "The file holds nothing.", hint="Begin with `version: 1`.")
        return None
    if not isinstance(builder.root, YamlMap):
        findings.error(
            start, "wrong-type", "The file must be a mapping of keys to values.", hint="Begin with `version: 1`."
        )
        return None
    return builder.root


class _Builder:
    """Takes one event after the other; `root` is the finished value."""

    def __init__(self, file: str, findings: Findings) -> None:
        self.root: Any = None
        self._file = file
        self._findings = findings
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0
        self._written = 0
        self._aliased = 0
        self._steps = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: yaml.Event) -> None:
        step = self._steps.get(type(event))
        if step is not None:
            step(event)

    def _place(self, event: Any) -> Place:
        return Place(file=self._file, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _refuse(self, event: Any, code: str, message: str, hint: str) -> NoReturn:
        raise _RefusedError(self._place(event), code, message, hint)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(
                event, "several-documents", "A second YAML document begins here.", "Put it into a file of its own."
            )

    def _count(self, event: Any) -> None:
        self._written += 1
        if self._written > MAX_NODES:
            self._refuse(
                event, "too-many-nodes", f"The file has more than {MAX_NODES:,} values.", "Split it into several files."
            )
        if event.tag is not None:
            self._refuse(event, "tag", "YAML tags such as `!name` are not allowed.", "Remove the tag.")

    def _scalar(self, event: Any) -> None:
        self._count(event)
        text, mark = event.value, event.start_mark
        value: Any = text
        plain = not event.style
        if plain:
            try:
                value = resolve(text)
            except NumberRangeError:
                self._findings.error(
                    self._place(event),
                    "number-range",
                    "A number here is too long or too large.",
                    hint="Write a shorter number, or put the text in quotes.",
                )
        elif event.style == '"' and _ESCAPED.search(text):
            self._findings.error(
                self._place(event),
                "control-character",
                "A text here holds a control character.",
                hint="Remove the escape; only line breaks and tabs are allowed.",
            )
            value = ""
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, mark.line + 1, mark.column + 1, is_merge=plain and text == "<<")

    def _begin(self, event: Any) -> None:
        self._count(event)
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(
                event, "too-deep", f"Values are nested more than {MAX_DEPTH} levels deep.", "Flatten the file."
            )
        value = YamlMap() if type(event) is yaml.MappingStartEvent else YamlList(self._file)
        size = self._written + self._aliased - 1
        mark = event.start_mark
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Open(value, mark.line + 1, mark.column + 1, event.anchor, size))

    def _end(self, _event: Any) -> None:
        ended = self._stack.pop()
        if isinstance(ended.value, YamlMap):
            _merge_into(ended.value, ended.merged)
        if ended.anchor is not None:
            self._anchors[ended.anchor] = (ended.value, self._written + self._aliased - ended.size_before)
        self._add(ended.value, ended.line, ended.column)

    def _alias(self, event: Any) -> None:
        self._written += 1
        known = self._anchors.get(event.anchor)
        if known is None:
            self._refuse(
                event,
                "unknown-alias",
                f"There is no finished anchor {shown('&' + event.anchor)} before this alias.",
                "Define the anchor above its first use, and outside of itself.",
            )
        value, size = known
        self._aliased += size
        if self._aliased > _FREE_ALIAS_NODES + _ALIAS_FACTOR * self._written:
            self._refuse(
                event,
                "alias-expansion",
                "The aliases of this file stand for far more than is written.",
                "Write the values out, or use `defaults`.",
            )
        self._add(value, event.start_mark.line + 1, event.start_mark.column + 1)

    def _add(self, value: Any, line: int, column: int, *, is_merge: bool = False) -> None:
        if not self._stack:
            self.root = value
            return
        parent = self._stack[-1]
        if type(parent.value) is YamlList:
            parent.value.put(value, line, column)
        elif parent.key is None:
            parent.key_line, parent.key_column = line, column
            parent.key = self._merge_key(parent) if is_merge else self._key(parent, value)
        else:
            self._pair(parent, value, line, column)

    def _pair(self, parent: _Open, value: Any, line: int, column: int) -> None:
        key, parent.key = parent.key, None
        if key is _MERGE:
            self._merge(parent, value, Place(file=self._file, line=line, column=column))
        elif key is not _SKIPPED and isinstance(parent.value, YamlMap):
            parent.value.put(key, value, Mark(self._file, parent.key_line, parent.key_column, line, column))

    def _key(self, parent: _Open, value: Any) -> Any:
        place = Place(file=self._file, line=parent.key_line, column=parent.key_column)
        if not isinstance(value, str):
            hint = "Put it in quotes." if isinstance(value, int | Decimal) else "Write a plain name before the colon."
            self._findings.error(place, "non-string-key", "A key here is not text.", hint=hint)
            return str(value) if isinstance(value, int | Decimal) else _SKIPPED
        if value in parent.value and isinstance(parent.value, YamlMap):
            self._duplicate(place, value, parent.value.key_place(value))
            return _SKIPPED
        return value

    def _merge_key(self, parent: _Open) -> object:
        place = Place(file=self._file, line=parent.key_line, column=parent.key_column)
        if parent.merge_place is not None:
            self._duplicate(place, "<<", parent.merge_place)
            return _SKIPPED
        parent.merge_place = place
        return _MERGE

    def _duplicate(self, place: Place, key: str, first: Place) -> None:
        self._findings.error(
            place,
            "duplicate-key",
            f"The key {shown(key)} stands here twice, first at line {first.line}.",
            hint="Keep one of the two.",
            related=(first,),
        )

    def _merge(self, parent: _Open, value: Any, place: Place) -> None:
        merged = value if isinstance(value, YamlList) else [value]
        if not all(isinstance(item, YamlMap) for item in merged):
            self._findings.error(
                place,
                "bad-merge",
                "The merge key `<<` takes a mapping or a list of mappings.",
                hint="Give it an alias of a mapping, such as `<<: *base`.",
            )
            return
        parent.merged.extend(merged)


def _merge_into(value: YamlMap, merged: list[YamlMap]) -> None:
    """Add what the mapping does not say itself; of two merged mappings the first wins, as in YAML 1.1."""
    for other in merged:
        for key in other:
            if key not in value:
                value.put(key, other[key], other.marks[key])

"""Text -> values with positions, in one pass over the events of the YAML parser.

The same pass is the safety scan: depth, number of nodes, aliases, tags and documents are bounded before anything
grows. PyYAML's own constructors are not used: they let the last duplicate key win, expand merge bombs for a minute
and, in C, end the process at deep nesting.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import yaml

from runner.lib.text import shown
from runner.manifest.document import Findings, YamlList, YamlMap
from runner.manifest.model import Place
from runner.manifest.text import Text
from runner.manifest.yaml_values import (
    NumberRangeError,
    Opened,
    OpenedList,
    OpenedMap,
    ParserMark,
    RefusedError,
    explain,
    resolve,
)

MAX_DEPTH = 64
MAX_NODES = 500_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FREE_ALIAS_NODES = 1_000
_ALIAS_FACTOR = 10  # aliases may stand for ten times what is written; a bomb stands for millions of times
_ESCAPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def build(source: Text, findings: Findings) -> YamlMap | None:
    """Return the file's one mapping, or None when it cannot be read on; reasons go to `findings`."""
    builder = _Builder(source.file, findings)
    start = Place(file=source.file, line=1, column=1)
    try:
        builder.take_all(source.text)
    except RefusedError as refused:
        findings.error(refused.place, refused.code, refused.message, hint=refused.hint)
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        from runner.manifest.text import odd_characters  # noqa: PLC0415 -- most manifests can be read

        stopped = explain(error, source)
        findings.add_all(list(odd_characters(source, {stopped.line})) or [stopped])
        return None
    if builder.root is None:
        findings.error(start, "empty-file", "The file is empty.", hint="Begin with `version: 1`.")
        return None
    if not isinstance(builder.root, YamlMap):
        findings.error(
            start, "wrong-type", "The file must be a mapping of keys to values.", hint="Begin with `version: 1`."
        )
        return None
    return builder.root


class _Event(Protocol):
    """An event as the parser gives it."""

    start_mark: ParserMark


class _Node(_Event, Protocol):
    tag: str | None
    anchor: str | None


class _Scalar(_Node, Protocol):
    value: str
    style: str | None


class _Alias(_Event, Protocol):
    anchor: str


class _Builder:
    """Takes one event after the other; `root` is the finished value."""

    def __init__(self, file: str, findings: Findings) -> None:
        self._file = file
        self._findings = findings
        self._around = self._top = Opened(None, yaml.Mark(file, 0, 0, 0, None, 0), None, 0)
        self._stack: list[Opened] = []  # what stands around the top, from the outside
        self._anchors: dict[str, tuple[object, int]] = {}
        self._documents = 0
        self._written = 0
        self._aliased = 0

    @property
    def root(self) -> object:
        """The file's value; None where there is none."""
        return self._around.value

    def take_all(self, text: str) -> None:
        """Read all events of a text; each goes through few calls, since a large file has hundreds of thousands."""
        steps: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
            yaml.DocumentEndEvent: _pass,
            yaml.StreamStartEvent: _pass,
            yaml.StreamEndEvent: _pass,
        }
        parser = _LOADER(text)
        try:
            for event in iter(parser.get_event, None):
                steps[type(event)](event)
        finally:
            parser.dispose()

    def _place(self, event: _Event) -> Place:
        return Place(file=self._file, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _refuse(self, event: _Event, code: str, message: str, hint: str) -> NoReturn:
        raise RefusedError(self._place(event), code, message, hint)

    def _document(self, event: _Event) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(
                event, "several-documents", "A second YAML document begins here.", "Put it into a separate file."
            )

    def _refuse_node(self, event: _Event) -> NoReturn:
        if self._written > MAX_NODES:
            self._refuse(
                event, "too-many-nodes", f"The file has more than {MAX_NODES:,} values.", "Split it into several files."
            )
        self._refuse(event, "tag", "YAML tags such as `!name` are not allowed.", "Remove the tag.")

    def _scalar(self, event: _Scalar) -> None:
        self._written += 1
        if self._written > MAX_NODES or event.tag is not None:
            self._refuse_node(event)
        text, plain = event.value, not event.style
        try:
            value = resolve(text) if plain else text if event.style != '"' else self._unescaped(text, event)
        except NumberRangeError:
            value = self._out_of_range(text, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._top.add(value, event.start_mark, plain and text == "<<")

    def _out_of_range(self, text: str, event: _Event) -> str:
        self._findings.error(
            self._place(event),
            "number-range",
            "A number here is too long or too large.",
            hint="Write a shorter number, or put the text in quotes.",
        )
        return text

    def _unescaped(self, text: str, event: _Event) -> str:
        if not _ESCAPED.search(text):
            return text
        self._findings.error(
            self._place(event),
            "control-character",
            "A string here has a control character.",
            hint="Remove the escape; only line breaks and tabs are allowed.",
        )
        return ""

    def _begin(self, event: Any) -> None:
        self._written += 1
        if self._written > MAX_NODES or event.tag is not None:
            self._refuse_node(event)
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(
                event, "too-deep", f"Values are nested more than {MAX_DEPTH} levels deep.", "Flatten the file."
            )
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(self._top)
        mark, size = event.start_mark, self._written + self._aliased - 1
        if type(event) is yaml.MappingStartEvent:
            self._top = OpenedMap(mark, event.anchor, size, self._file, self._findings)
        else:
            self._top = OpenedList(YamlList(self._file), mark, event.anchor, size)

    def _end(self, _event: _Event) -> None:
        ended = self._top
        self._top = self._stack.pop()
        value = ended.end()
        if ended.anchor is not None:
            self._anchors[ended.anchor] = (value, self._written + self._aliased - ended.size_before)
        self._top.add(value, ended.mark, False)

    def _alias(self, event: _Alias) -> None:
        self._written += 1
        if self._written > MAX_NODES:
            self._refuse_node(event)
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
                "The aliases of this file expand to far more than is written.",
                "Write the values out, or use `defaults`.",
            )
        self._top.add(value, event.start_mark, False)


def _pass(_event: _Event) -> None:
    """Streams and the ends of documents say nothing."""

"""All files as one: sections side by side, each name once, and model settings laid over the defaults."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from runner.lib.text import shown
from runner.manifest.document import Findings, YamlMap
from runner.manifest.model import Place
from runner.manifest.schema_check import NAMED_SECTIONS

_REPLACED_WHOLE = frozenset({"api_key"})  # a choice between sources; half of one and half of another is neither


class Document(Struct, frozen=True, kw_only=True):
    """One parsed file; `broken` names the sections, and section and name, that do not fit the schema."""

    file: str
    folder: Path
    root: YamlMap
    broken: frozenset[tuple[str | int, ...]]


class Combined(Struct, frozen=True, kw_only=True):
    """All files as one value.

    `folders` maps each file to the folder its relative paths start at. When not `complete`, another file could not be
    read: what is missing here may be there.
    """

    root: YamlMap
    folders: Mapping[str, Path]
    broken: frozenset[tuple[str | int, ...]]
    start: Place
    complete: bool
    findings: Findings

    def section(self, name: str) -> YamlMap:
        """Return a section of keys; empty when it is absent or not a mapping."""
        value = self.root.get(name)
        return value if isinstance(value, YamlMap) else YamlMap()

    def known(self, name: str) -> Collection[str] | None:
        """Return the names in a section; None when they cannot be known."""
        value = self.root.get(name, YamlMap())
        return value.keys() if self.complete and isinstance(value, YamlMap) else None

    def is_sound(self, *path: str) -> bool:
        """Whether a section, or a named thing in it, fits the schema."""
        return path not in self.broken and path[:1] not in self.broken

    def is_sound_within(self, *path: str | int) -> bool:
        """Whether exactly this part of a named thing, with all that is in it, fits the schema."""
        return not any(broken[: len(path)] == path for broken in self.broken)

    def folder(self, owner: YamlMap, key: str) -> Path:
        """Return the folder of the file in which a key stands."""
        return self.folders[owner.file_of(key)]


def combine(documents: list[Document], findings: Findings, *, complete: bool) -> Combined:
    """Return all files as one; a name or section that is in two files is an error that shows both places."""
    root = YamlMap()
    for document in documents:
        for key in document.root:
            _take(root, key, document.root, findings)
    return Combined(
        root=root,
        folders={document.file: document.folder for document in documents},
        broken=frozenset().union(*(document.broken for document in documents)),
        start=Place(file=documents[0].file, line=1, column=1),
        complete=complete,
        findings=findings,
    )


def _take(root: YamlMap, key: str, source: YamlMap, findings: Findings) -> None:
    value = source[key]
    if key not in root:
        fresh = _copy(value) if key in NAMED_SECTIONS and isinstance(value, YamlMap) else value
        root.put(key, fresh, source.marks[key])
    elif key in NAMED_SECTIONS:
        if isinstance(value, YamlMap) and isinstance(root[key], YamlMap):
            _take_names(root[key], value, findings)
    elif key != "version":
        _twice(findings, shown(key), source.key_place(key), root.key_place(key))


def _take_names(into: YamlMap, source: YamlMap, findings: Findings) -> None:
    for name in source:
        if name in into:
            _twice(findings, f"The name {shown(name)}", source.key_place(name), into.key_place(name))
        else:
            into.put(name, source[name], source.marks[name])


def _copy(value: YamlMap) -> YamlMap:
    copied = YamlMap()
    copied.update(value)
    copied.marks.update(value.marks)
    return copied


def _twice(findings: Findings, what: str, place: Place, first: Place) -> None:
    findings.error(
        place,
        "duplicate-name",
        f"{what} is defined twice, first in {first.file} at line {first.line}.",
        hint="Keep one of the two; all files together are one manifest.",
        related=(first,),
    )


def overlay(own: Any, default: Any) -> Any:
    """Lay own settings over defaults: maps merge key by key, everything else is replaced. Neither is changed."""
    if not isinstance(own, YamlMap) or not isinstance(default, YamlMap) or not default:
        return own
    merged = _copy(own)
    for key in default:
        if key not in own:
            merged.put(key, default[key], default.marks[key])
        elif key not in _REPLACED_WHOLE:
            merged[key] = overlay(own[key], default[key])
    return merged

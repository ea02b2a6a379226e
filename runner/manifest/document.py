"""Values of one YAML file that know where they stand.

They are dicts and lists, so that a JSON schema can be checked against them, and never leave this package.
"""

from typing import Any, NamedTuple

from runner.manifest.model import Place


class Mark(NamedTuple):
    """Where a key and its value stand; lines and columns count from 1."""

    file: str
    line: int
    column: int
    value_line: int
    value_column: int


class YamlMap(dict[str, Any]):
    """A mapping with the mark of each key. After a merge, keys can come from several files."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, mark: Mark) -> None:
        """Set a key with its mark."""
        self[key] = value
        self.marks[key] = mark

    def key_place(self, key: str) -> Place:
        """Return where the key stands."""
        mark = self.marks[key]
        return Place(file=mark.file, line=mark.line, column=mark.column)

    def value_place(self, key: str) -> Place:
        """Return where the key's value stands."""
        mark = self.marks[key]
        return Place(file=mark.file, line=mark.value_line, column=mark.value_column)


class YamlList(list[Any]):
    """A list with the place of each item."""

    __slots__ = ("file", "marks")

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self.marks: list[tuple[int, int]] = []

    def put(self, value: Any, line: int, column: int) -> None:
        """Append an item with its position."""
        self.append(value)
        self.marks.append((line, column))

    def item_place(self, index: int) -> Place:
        """Return where an item stands."""
        line, column = self.marks[index]
        return Place(file=self.file, line=line, column=column)

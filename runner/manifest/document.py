"""Values of one YAML file that know where they stand.

They are dicts and lists, so that a JSON schema can be checked against them, and never leave this package.
"""

from typing import Any

from runner.manifest.model import Place

Path = tuple[str | int, ...]  # keys and positions from the root to a value

# The file, line and column of a key, line and column of its value; all count from 1. A bare tuple, since a class for it
# takes as long to make as all the rest of a key, and a large file has hundreds of thousands.
Mark = tuple[str, int, int, int, int]


class YamlMap(dict[str, Any]):
    """A mapping with the mark of each key. After a merge, keys can come from several files."""

    __slots__ = ("marks",)

    def __init__(self) -> None:  # always empty, so dict has nothing to do
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, mark: Mark) -> None:
        """Set a key with its mark."""
        self[key] = value
        self.marks[key] = mark

    def key_place(self, key: str) -> Place:
        """Return where the key stands."""
        file, line, column, _, _ = self.marks[key]
        return Place(file=file, line=line, column=column)

    def value_place(self, key: str) -> Place:
        """Return where the key's value stands."""
        file, _, _, line, column = self.marks[key]
        return Place(file=file, line=line, column=column)

    def file_of(self, key: str) -> str:
        """Return the file in which the key stands."""
        return self.marks[key][0]


class YamlList(list[Any]):
    """A list with the place of each item."""

    __slots__ = ("file", "marks")

    def __init__(self, file: str) -> None:  # as above
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

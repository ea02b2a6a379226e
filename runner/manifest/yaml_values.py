"""Mappings and lists of a file while they are read: what has begun and not yet ended."""

from decimal import Decimal
from typing import Any

from runner.manifest.document import YamlList, YamlMap
from runner.manifest.model import Place
from runner.manifest.problems import Findings
from runner.manifest.wording import shown

MAX_KEYS = 100_000  # of one mapping; no section of a manifest has as many, and a file of nonsense is soon refused
_MERGE = object()
_SKIPPED = object()


class RefusedError(Exception):
    """The file cannot be read any further."""

    def __init__(self, place: Place, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.place, self.code, self.message, self.hint = place, code, message, hint


class Opened:
    """Takes one value after the other; this one stands around the whole file and keeps the last.

    `mark` is where it begins, as the parser counts: from 0. `anchor` is its name, if it has one, and `size_before` how
    many nodes the file had when it began.
    """

    __slots__ = ("anchor", "mark", "size_before", "value")

    def __init__(self, value: Any, mark: Any, anchor: str | None, size_before: int) -> None:
        self.value, self.mark, self.anchor, self.size_before = value, mark, anchor, size_before

    def add(self, value: Any, _mark: Any, _is_merge: bool) -> None:
        """Take a value that has been read whole, with the parser's mark; `_is_merge`: it is a plain `<<`."""
        self.value = value

    def end(self) -> Any:
        """Return the finished value."""
        return self.value


class OpenedList(Opened):
    """A list that has begun."""

    __slots__ = ()
    value: YamlList

    def add(self, value: Any, mark: Any, _is_merge: bool) -> None:
        """Take an item."""
        self.value.append(value)
        self.value.marks.append((mark.line + 1, mark.column + 1))


class OpenedMap(Opened):
    """A mapping that has begun; between a key and its value the key is kept."""

    __slots__ = ("_file", "_findings", "_key", "_key_mark", "_merge_place", "_merged")
    value: YamlMap

    def __init__(self, mark: Any, anchor: str | None, size_before: int, file: str, findings: Findings) -> None:
        super().__init__(YamlMap(), mark, anchor, size_before)
        self._file, self._findings = file, findings
        self._key: Any = None
        self._key_mark: Any = None
        self._merge_place: Place | None = None
        self._merged: list[YamlMap] | None = None

    def add(self, value: Any, mark: Any, is_merge: bool) -> None:
        """Take a key or the value of the last key."""
        key = self._key
        if key is None:
            self._key_mark = mark
            usual = type(value) is str and not is_merge and value not in self.value and len(self.value) < MAX_KEYS
            self._key = value if usual else self._unusual_key(value, is_merge)
        else:
            self._key = None
            if type(key) is str:
                at = self._key_mark
                self.value[key] = value
                self.value.marks[key] = (self._file, at.line + 1, at.column + 1, mark.line + 1, mark.column + 1)
            elif key is _MERGE:
                self._merge(value, self._place(mark))

    def end(self) -> YamlMap:
        """Return the mapping with what is merged into it.

        Its own keys win, and of two merged mappings the first one's, as in YAML 1.1.
        """
        for other in self._merged or ():
            for key in other:
                if key not in self.value:
                    self.value.put(key, other[key], other.marks[key])
        return self.value

    def _place(self, mark: Any) -> Place:
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1)

    def _unusual_key(self, value: Any, is_merge: bool) -> Any:
        """Return what to do with a key that is a merge, no text, there already, or one too many."""
        place = self._place(self._key_mark)
        if len(self.value) >= MAX_KEYS:
            message = f"A mapping has more than {MAX_KEYS:,} keys."
            raise RefusedError(place, "too-many-nodes", message, "Split the file into several.")
        if is_merge:
            return self._merge_key(place)
        if isinstance(value, str):
            self._duplicate(place, value, self.value.key_place(value))
            return _SKIPPED
        hint = "Put it in quotes." if isinstance(value, int | Decimal) else "Write a plain name before the colon."
        self._findings.error(place, "non-string-key", "A key here is not text.", hint=hint)
        return str(value) if isinstance(value, int | Decimal) else _SKIPPED

    def _merge_key(self, place: Place) -> object:
        if self._merge_place is not None:
            self._duplicate(place, "<<", self._merge_place)
            return _SKIPPED
        self._merge_place = place
        return _MERGE

    def _duplicate(self, place: Place, key: str, first: Place) -> None:
        self._findings.error(
            place,
            "duplicate-key",
            f"The key {shown(key)} stands here twice, first at line {first.line}.",
            hint="Keep one of the two.",
            related=(first,),
        )

    def _merge(self, value: Any, place: Place) -> None:
        merged = value if isinstance(value, YamlList) else [value]
        if not all(isinstance(item, YamlMap) for item in merged):
            self._findings.error(
                place,
                "bad-merge",
                "The merge key `<<` takes a mapping or a list of mappings.",
                hint="Give it an alias of a mapping, such as `<<: *base`.",
            )
            return
        self._merged = list(merged)

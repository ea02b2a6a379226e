"""Values of a YAML file while it is read: scalars as JSON knows them, open mappings and lists, syntax errors."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

import yaml

from runner.lib.text import shown
from runner.manifest.document import Findings, Problem, YamlList, YamlMap
from runner.manifest.model import Place
from runner.manifest.text import Text

_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 40
_HIGHEST_EXPONENT = 100
_NUMBER_STARTS = frozenset("-0123456789")

Scalar = str | int | Decimal | bool | None


class NumberRangeError(ValueError):
    """A number is longer or larger than any setting of a manifest can be."""


def resolve(text: str) -> Scalar:
    """Return the value of a plain scalar; decimals are exact.

    Raises:
        NumberRangeError: a number has more than 40 characters or an exponent beyond 100.
    """
    if text[:1] in _NUMBER_STARTS:
        return _resolve_number(text)
    return _CONSTANTS.get(text, text)


@lru_cache(maxsize=1024)
def _resolve_number(text: str) -> Scalar:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise NumberRangeError
    if match[1] is None and match[2] is None:
        return int(text)
    exponent = int(match[2][1:]) if match[2] else 0
    if abs(exponent) > _HIGHEST_EXPONENT:
        raise NumberRangeError
    return Decimal(text)


MAX_KEYS = 100_000  # of one mapping; no section of a manifest has as many, and a file of nonsense is soon refused
_MERGE = object()
_SKIPPED = object()


class RefusedError(Exception):
    """The file cannot be read any further."""

    def __init__(self, place: Place, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.place, self.code, self.message, self.hint = place, code, message, hint


class ParserMark(Protocol):
    """A place in the text as the parser counts: from 0."""

    line: int
    column: int
    index: int


class Opened:
    """Takes one value after the other; this one stands around the whole file and keeps the last.

    `mark` is where it begins. `anchor` is its name, if it has one, and `size_before` how
    many nodes the file had when it began.
    """

    __slots__ = ("anchor", "mark", "size_before", "value")

    def __init__(self, value: object, mark: ParserMark, anchor: str | None, size_before: int) -> None:
        self.value, self.mark, self.anchor, self.size_before = value, mark, anchor, size_before

    def add(self, value: object, _mark: ParserMark, _is_merge: bool) -> None:
        """Take a value that has been read whole, with the parser's mark; `_is_merge`: it is a plain `<<`."""
        self.value = value

    def end(self) -> object:
        """Return the finished value."""
        return self.value


class OpenedList(Opened):
    """A list that has begun."""

    __slots__ = ()
    value: YamlList

    def add(self, value: object, mark: ParserMark, _is_merge: bool) -> None:
        """Take an item."""
        self.value.append(value)
        self.value.marks.append((mark.line + 1, mark.column + 1))


class OpenedMap(Opened):
    """A mapping that has begun; between a key and its value the key is kept."""

    __slots__ = ("_file", "_findings", "_key", "_key_mark", "_merge_place", "_merged")
    value: YamlMap

    def __init__(self, mark: ParserMark, anchor: str | None, size_before: int, file: str, findings: Findings) -> None:
        super().__init__(YamlMap(), mark, anchor, size_before)
        self._file, self._findings = file, findings
        self._key: object = None
        self._key_mark = mark
        self._merge_place: Place | None = None
        self._merged: list[YamlMap] | None = None

    def add(self, value: object, mark: ParserMark, is_merge: bool) -> None:
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

    def _place(self, mark: ParserMark) -> Place:
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1)

    def _unusual_key(self, value: object, is_merge: bool) -> object:
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
            f"The key {shown(key)} is here twice, first at line {first.line}.",
            hint="Keep one of the two.",
            related=(first,),
        )

    def _merge(self, value: object, place: Place) -> None:
        given = value if isinstance(value, YamlList) else [value]
        merged = [item for item in given if isinstance(item, YamlMap)]
        if len(merged) < len(given):
            self._findings.error(
                place,
                "bad-merge",
                "The merge key `<<` takes a mapping or a list of mappings.",
                hint="Give it an alias of a mapping, such as `<<: *base`.",
            )
            return
        self._merged = merged


# What libyaml and PyYAML say -> what it most often means in a manifest.
_SENTENCES = (
    ("mapping values are not allowed", "A colon is where no key can begin.", "Check the indentation of this line and the one before, and quote text that holds a colon and a space."),  # noqa: E501 - a table
    ("could not find expected ':'", "A key has no colon after it.", "Write a colon and a space after the key."),
    ("unexpected end of stream", "A quoted text or a bracket is not closed.", "Close it."),
    ("unknown escape", "A double-quoted text holds a backslash escape that YAML does not know.", "Use single quotes, or write the backslash twice."),  # noqa: E501 - a table
    ("escape code", "A double-quoted text holds a character that does not exist.", "Use single quotes, or write the backslash twice."),  # noqa: E501 - a table
    ("cannot start any token", "A value begins with a character that YAML keeps for itself.", "Put the value in quotes."),  # noqa: E501 - a table
    ("expected <block end>", "This line does not fit the indentation of the lines before.", "Line it up with its neighbours."),  # noqa: E501 - a table
    ("expected key", "This line does not fit the indentation of the lines before.", "Line it up with its neighbours."),
    ("expected '-'", "This line does not fit the list above it.", "Begin it with a dash, or line it up with the list's key."),  # noqa: E501 - a table
    ("block sequence entries are not allowed", "A list item cannot begin here.", "Put the dash on its own line below the key."),  # noqa: E501 - a table
    ("expected ',' or", "A list or mapping in brackets misses a comma or its closing bracket.", "Add what is missing."),
    ("<document start>", "Something is after the end of the document.", "Remove it, or indent it below its key."),
)  # fmt: skip
_OTHER = ("This is not valid YAML.", "Check quotes, brackets, colons and indentation around this place.")
_NOT_CLOSED = ("end of stream", "expected ',' or")  # shown where it begins, not where the file ends
_TAB_INDENT = re.compile(r" *\t")
_BREAKS = "\n\r\x85\u2028\u2029"  # those of YAML 1.1


def explain(error: Exception, source: Text) -> Problem:
    """Return the parser's error as a problem at its place, never with text of the file in it."""
    mark = _mark(error)
    line = 1 if mark is None else min(mark.line + 1, source.text.count("\n") + 1)
    column = 1 if mark is None else mark.column + 1
    code, message, hint = _meaning(error, source.text, 0 if mark is None else mark.index)
    return Problem(file=source.file, line=line, column=column, code=code, message=message, hint=hint)


def _meaning(error: Exception, text: str, index: int) -> tuple[str, str, str]:
    said = str(getattr(error, "problem", None) or "")
    start = max(text.rfind(line_break, 0, index) for line_break in _BREAKS) + 1
    if "tab" in said or _TAB_INDENT.match(text, start):
        return "tab", "A tab is used for indentation.", "Indent with spaces."
    for part, message, hint in _SENTENCES:
        if part in said:
            return "yaml-syntax", message, hint
    return "yaml-syntax", *_OTHER


def _mark(error: Exception) -> ParserMark | None:
    """Return where the parser sees the error: line, column and index of the character, from 0; None where nowhere."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return None
    begun = any(part in str(error.problem) for part in _NOT_CLOSED)
    return error.context_mark if begun and error.context_mark else error.problem_mark

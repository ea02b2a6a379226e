"""Errors of the YAML parser in plain sentences."""

import re
from typing import Any

import yaml

from runner.manifest.problems import Problem
from runner.manifest.text import Text

# What libyaml and PyYAML say -> what it most often means in a manifest.
_SENTENCES = (
    ("mapping values are not allowed", "A colon stands where no key can begin.", "Check the indentation of this line and the one before, and quote text that holds a colon and a space."),  # noqa: E501 - a table
    ("could not find expected ':'", "A key has no colon after it.", "Write a colon and a space after the key."),
    ("unexpected end of stream", "A quoted text or a bracket is not closed.", "Close it."),
    ("unknown escape", "A double-quoted text holds a backslash escape that YAML does not know.", "Use single quotes, or write the backslash twice."),  # noqa: E501 - a table
    ("escape code", "A double-quoted text holds a character that does not exist.", "Use single quotes, or write the backslash twice."),  # noqa: E501 - a table
    ("cannot start any token", "A value begins with a character that YAML keeps for itself.", "Put the value in quotes."),  # noqa: E501 - a table
    ("expected <block end>", "This line does not fit the indentation of the lines before.", "Line it up with its neighbours."),  # noqa: E501 - a table
    ("expected key", "This line does not fit the indentation of the lines before.", "Line it up with its neighbours."),
    ("expected '-'", "This line does not fit the list above it.", "Begin it with a dash, or line it up with the list's key."),  # noqa: E501 - a table
    ("block sequence entries are not allowed", "A list item cannot begin here.", "Put the dash on a line of its own below the key."),  # noqa: E501 - a table
    ("expected ',' or", "A list or mapping in brackets misses a comma or its closing bracket.", "Add what is missing."),
    ("<document start>", "Something stands after the end of the document.", "Remove it, or indent it below its key."),
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
    start = max(text.rfind(one, 0, index) for one in _BREAKS) + 1
    if "tab" in said or _TAB_INDENT.match(text, start):
        return "tab", "A tab is used for indentation.", "Indent with spaces."
    for part, message, hint in _SENTENCES:
        if part in said:
            return "yaml-syntax", message, hint
    return "yaml-syntax", *_OTHER


def _mark(error: Exception) -> Any:
    """Return where the parser sees the error: line, column and index of the character, from 0; None where nowhere."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return None
    begun = any(part in str(error.problem) for part in _NOT_CLOSED)
    return error.context_mark if begun and error.context_mark else error.problem_mark

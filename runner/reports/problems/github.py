"""Problems of manifests as workflow commands of GitHub Actions, which show them beside the lines of a change.

Source of the escapes: `ActionCommand.cs` of actions/runner. GitHub keeps ten annotations of a step and drops the rest,
so the tenth says how many more there are, and those follow as lines of the log.
"""

from collections.abc import Sequence

from runner.manifest.problems import Problem
from runner.reports.text import inline

MOST_ANNOTATIONS = 10
_OLD_COMMAND, _HARMLESS = "##[", r"\x23#["  # the runner takes the first for a command wherever it stands in a line


def github_commands(problems: Sequence[Problem]) -> list[str]:
    """Return the lines to print: annotations, errors first, then what is beyond them as plain lines."""
    ordered = sorted(problems, key=lambda one: one.severity != "error")
    if len(ordered) <= MOST_ANNOTATIONS:
        return [_annotation(one) for one in ordered]
    shown, rest = ordered[: MOST_ANNOTATIONS - 1], ordered[MOST_ANNOTATIONS - 1 :]
    level = rest[0].severity
    more = f"{len(rest)} more problems stand in the log of this step; `retrain validate` shows them all."
    return [*map(_annotation, shown), f"::{level} title=more-problems::{_data(more)}", *map(_log_line, rest)]


def _annotation(one: Problem) -> str:
    properties = {"file": one.file, "line": str(one.line), "col": str(one.column), "title": one.code}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{one.severity} {told}::{_data(f'{one.message} ({one.hint})')}"


def _log_line(one: Problem) -> str:
    """Return a line that is no command, whatever the file is called: those begin with `::`."""
    return f"problem: {inline(one.line_text())}".replace(_OLD_COMMAND, _HARMLESS)


def _data(text: str) -> str:
    return inline(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

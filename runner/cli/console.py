"""What goes to the terminal: results to stdout, everything else to stderr; control characters are made visible."""

import json
import logging
import shutil
import sys
from datetime import UTC, datetime
from typing import ClassVar

import click

from runner.report.text import inline


class Console:
    """Prints for one command, as `-v`, `-q` and `--log-format` want it."""

    _current: ClassVar["Console | None"] = None

    def __init__(self, *, verbosity: int = 0, json_lines: bool = False) -> None:
        self._verbosity = verbosity
        self._json = json_lines
        self.lost: str | None = None  # why the result could not be printed
        Console._current = self
        if self.verbose:
            logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if verbosity > 1 else logging.INFO)

    @classmethod
    def current(cls) -> "Console":
        """Return the console of the running command, or a plain one before there is any."""
        return cls._current or cls()

    @property
    def verbose(self) -> bool:
        """Tell whether `-v` was given."""
        return self._verbosity > 0

    @property
    def width(self) -> int | None:
        """Return how many columns the result's terminal has, None where the result goes to a file or a pipe."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def result(self, text: str) -> None:
        """Print the command's result. A reader who has gone away changes nothing; a full disk is kept in `lost`."""
        self._print(text, line=True)

    def document(self, content: bytes) -> None:
        """Print a result that is a whole file, byte by byte; what goes wrong is treated as in `result`."""
        self._print(content, line=False)

    def _print(self, text: str | bytes, *, line: bool) -> None:
        try:
            click.echo(text, file=sys.stdout, nl=line)
        except BrokenPipeError:
            return
        except (OSError, ValueError) as error:
            self.lost = str(error)

    def line(self, text: str) -> None:
        """Print a line that is not the result, even with `-q`."""
        try:
            click.echo(text, file=sys.stderr)
        except (OSError, ValueError):
            return

    def notice(self, text: str) -> None:
        """Print a line that is good to know, unless `-q` was given."""
        if self._verbosity >= 0:
            self.detail(text)

    def detail(self, text: str) -> None:
        """Print a line that belongs to the error after it, even with `-q`."""
        self.line(json.dumps({"at": _now(), "text": text}, ensure_ascii=False) if self._json else inline(text))

    def progress(self, model: str, text: str) -> None:
        """Print one line about a model, with the time."""
        if self._verbosity < 0:
            return
        if self._json:
            self.line(json.dumps({"at": _now(), "model": model, "text": text}, ensure_ascii=False))
        else:
            self.line(f"{datetime.now(UTC):%H:%M:%S} {inline(model)}: {inline(text)}")

    def error(self, message: str, hint: str) -> None:
        """Print what happened and what to do next."""
        if self._json:
            self.line(json.dumps({"at": _now(), "error": message, "hint": hint}, ensure_ascii=False))
        else:
            self.line(f"error: {inline(message)}\nhint: {inline(hint)}")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

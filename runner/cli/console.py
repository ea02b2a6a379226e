"""What goes to the terminal: results to stdout, everything else to stderr; control characters are made visible."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from runner.cli.terminal.capabilities import TerminalCapabilities, terminal_of
from runner.cli.terminal.stdio import is_terminal
from runner.journal.forms import DEFAULT
from runner.reports.text import inline

if TYPE_CHECKING:  # both are slow to import, and most commands have no events to tell
    from runner.cli.terminal.live_table import LiveTable
    from runner.execute.progress_events import Listener, ProgressEvent


class Console:
    """Prints for one command, as `-v`, `-q`, `--log-format` and `--no-color` (`plain`) want it."""

    _current: ClassVar["Console | None"] = None

    def __init__(
        self, *, verbosity: int = 0, json_lines: bool = False, plain: bool = False, state: str | None = None
    ) -> None:
        self._verbosity = verbosity
        self._json = json_lines
        self._plain = plain
        self._table: LiveTable | None = None
        self.state = state  # the --state of the command; None before it was read
        self._manifest: Sequence[Path] = ()  # of the command, where that has one
        self._emulator = False
        self.model: str | None = None  # that the command is about
        self.lost: str | None = None  # why the result could not be printed
        Console._current = self
        if self.verbose:
            from runner.cli.terminal.library_log import show_library_log  # noqa: PLC0415 -- only -v asks for it

            show_library_log(lambda text: Console.current().detail(text), everything=verbosity > 1)

    @classmethod
    def current(cls) -> "Console":
        """Return the console of the running command, or a plain one before there is any."""
        return cls._current or cls()

    @property
    def verbose(self) -> bool:
        """Return whether `-v` was given."""
        return self._verbosity > 0

    @property
    def silent(self) -> bool:
        """Return whether `-qq` was given: who is told nothing else does not want to hear that all is well."""
        return self._verbosity < -1

    @property
    def terminal(self) -> TerminalCapabilities:
        """Return what the result's stream can show."""
        return terminal_of(sys.stdout, plain=self._plain)

    @property
    def error_terminal(self) -> TerminalCapabilities:
        """Return what the other stream can show."""
        return terminal_of(sys.stderr, plain=self._plain)

    @property
    def width(self) -> int | None:
        """Return how many columns the result's terminal has, or None if the result goes to a file or a pipe."""
        return self.terminal.columns

    def result(self, text: str) -> None:
        """Print the command's result. A reader who has gone away changes nothing; a full disk is kept in `lost`."""
        self._print(text, line=True)

    def document(self, content: bytes) -> None:
        """Print a result that is a whole file, byte by byte; what goes wrong is treated as in `result`."""
        self._print(content, line=False)

    def _print(self, text: str | bytes, *, line: bool) -> None:
        try:
            click.echo(text, file=sys.stdout, nl=line, color=self.terminal.colour)
        except BrokenPipeError:
            return
        except (OSError, ValueError) as error:
            self.lost = str(error)

    def line(self, text: str) -> None:
        """Print a line that is not the result, even with `-q`; while there is a live table, above it."""
        if self._table is not None and not self._table.broken:
            self._table.above(text)
            return
        try:
            click.echo(text, file=sys.stderr, color=self.error_terminal.colour)
        except (OSError, ValueError):
            return

    @property
    def can_ask(self) -> bool:
        """Return whether a person sees a question and can answer it."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def ask(self, question: str) -> str:
        """Ask a question on stderr, and return the line that was typed; nothing at the end of the input."""
        click.echo(inline(question).rstrip() + " ", file=sys.stderr, nl=False, color=self.error_terminal.colour)
        try:
            answer = sys.stdin.readline()
        except (OSError, ValueError):
            answer = ""
        if not answer.endswith("\n"):
            self.line("")
        return answer

    def notice(self, text: str) -> None:
        """Print a line that is good to know, unless `-q` was given."""
        if self._verbosity >= 0:
            self.detail(text)

    def detail(self, text: str) -> None:
        """Print a line that belongs to the error after it, even with `-q`."""
        text = self.whole(text)
        self._say(inline(text), text=text)

    def warning(self, text: str) -> None:
        """Print what went wrong beside the command's work, even with `-q`."""
        text = self.whole(text)
        self._say(f"{click.style('warning:', fg='yellow')} {inline(text)}", warning=text)

    def error(self, message: str, hint: str) -> None:
        """Print what happened and what to do next, with whole commands."""
        hint = self.whole(hint)
        head, more = click.style("error:", fg="red", bold=True), click.style("hint:", fg="cyan")
        self._say(f"{head} {inline(message)}\n{more} {inline(hint)}", error=message, hint=hint)

    def whole(self, text: str) -> str:
        """Return a sentence whose commands run as printed: with this command's manifest and state.

        A command without a manifest has that of the state's last run, or the usual one of this folder.
        """
        if "`retrain " not in text:
            return text
        from runner.app.state.read_state import last_run_command  # noqa: PLC0415 -- most commands print no other one
        from runner.plan.model_plan import run_command, state_option, with_whole_commands  # noqa: PLC0415 -- as above

        option = state_option(self.state) if self.state else ""
        own = run_command(map(str, self._manifest), emulator=self._emulator, state="") if self._manifest else None
        run = own or last_run_command(self.state or DEFAULT)
        return with_whole_commands(text, run=run and f"{run}{option}", state=option, model=self.model)

    def name_manifest(self, paths: Sequence[Path], *, emulator: bool = False) -> None:
        """Let the commands that are printed have the manifest of this one."""
        if paths:
            self._manifest, self._emulator = paths, emulator

    def _say(self, line: str, **values: str) -> None:
        """Print the line, or in the log's JSON form the values."""
        if self._json:
            import json  # noqa: PLC0415 -- only --log-format json needs it

            self.line(json.dumps({"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", **values}, ensure_ascii=False))
        else:
            self.line(line)

    def progress(self, model: str | None, event: "ProgressEvent") -> None:
        """Print an event of a model as a line, if the verbosity asks for it; for commands that are over soon."""
        self._log()(model, event)

    @contextmanager
    def watching(self, *, events: bool = False) -> Iterator["Listener"]:
        """Give a listener that shows a run: as a live table where stderr is a terminal, else as lines.

        With `events` they go to stdout as JSON lines, and to nowhere else.
        """
        if events:
            yield _careful(self._event_log())
        elif self._verbosity < 0 or self._json or not self.error_terminal.live:
            yield _careful(self._log())
        else:
            with self._live() as listener:
                yield _careful(listener)

    @contextmanager
    def _live(self) -> Iterator["Listener"]:
        from runner.cli.terminal.live_table import LiveTable  # noqa: PLC0415 -- see TYPE_CHECKING

        log = self._log()
        table = self._table = LiveTable(lambda: self.error_terminal, keep=self.width is None)

        def listen(model: str | None, event: "ProgressEvent") -> None:
            table.tell(model, event)
            if self.verbose or table.broken:
                log(model, event)

        try:
            yield listen
        finally:
            left = table.close()
            self._table = None
            for line in left:
                self.line(line)

    def _log(self) -> "Listener":
        from runner.cli.terminal import log_lines  # noqa: PLC0415 -- as above

        form, every = log_lines.text_line, log_lines.UPLOAD_LINE_S
        if self._json:
            form, every = log_lines.event_line, log_lines.UPLOAD_EVENT_S
        return log_lines.ThrottledLog(
            tell=lambda model, event: self.line(form(model, event, self.whole(event.text))),
            verbosity=self._verbosity,
            every=every,
            events=self._json and self._verbosity >= 0,
        )

    def _event_log(self) -> "Listener":
        from runner.cli.terminal import log_lines  # noqa: PLC0415 -- as above

        return log_lines.ThrottledLog(
            tell=lambda model, event: self.result(log_lines.event_line(model, event, self.whole(event.text))),
            verbosity=max(self._verbosity, 0),
            every=log_lines.UPLOAD_EVENT_S,
            events=True,
        )


def _careful(listener: "Listener") -> "Listener":
    """Return a listener that never raises: a display must not disturb the run."""

    def listen(model: str | None, event: "ProgressEvent") -> None:
        with suppress(Exception):
            listener(model, event)

    return listen


def warn_of_loss(console: Console, state: str) -> None:
    """Warn where the journal does not end where it once ended: commands that write refuse such a state."""
    from runner.app.state.loss import loss_warning  # noqa: PLC0415 -- for the commands that read a journal

    text = loss_warning(state)
    if text is not None:
        console.warning(text)

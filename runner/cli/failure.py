"""Turns whatever ended a command into a sentence on stderr and an exit code. No user sees a traceback unasked."""

import traceback

import click

from runner.cli.console import Console
from runner.errors import ExitCode, RetrainError
from runner.report.text import inline


def failure_code(error: BaseException) -> int:
    """Tell the user about the error and return the exit code."""
    console = Console.current()
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        error.show()
        return int(ExitCode.USAGE)
    if isinstance(error, RetrainError):
        _show_problems(console, error)
        console.error(error.message, error.hint)
        return int(error.exit_code)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        console.error("Interrupted.", "Nothing was left half-written; run the command again.")
        return int(ExitCode.INTERRUPTED)
    show_bug(console, error)
    return int(ExitCode.BUG)


def show_bug(console: Console, error: BaseException) -> None:
    """Tell the user that the program is at fault; the traceback only when asked for."""
    console.error(
        f"retrain met a bug of its own ({type(error).__name__}).",
        "Report it with the traceback that -v prints; what is recorded is safe.",
    )
    if console.verbose:
        console.line("".join(traceback.format_exception(error)))


def _show_problems(console: Console, error: RetrainError) -> None:
    for problem in getattr(error, "problems", ()):
        console.line(inline(problem.line_text()))

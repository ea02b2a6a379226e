"""Turns whatever ended a command into a sentence on stderr and an exit code. No user sees a traceback unasked."""

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

import click

from runner import __version__
from runner.cli.console import Console
from runner.errors import MEMORY_HINT, ExitCode, HangUpError, RetrainError, is_out_of_memory
from runner.lib.atomic_files import real_folder, write_new


def traceback_of(error: BaseException) -> str:
    """Return where the error came from: types, files, lines and functions.

    Messages of exceptions are left out. They repeat values, and a value can be an API key or a signed URL.
    """
    lines = [f"retrain {__version__}\n"]
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for exception in reversed(chain):
        lines += [
            *traceback.format_tb(exception.__traceback__),
            f"{type(exception).__module__}.{type(exception).__qualname__}\n\n",
        ]
    return "".join(lines)


def write_traceback(text: str, state: str | None) -> Path | None:
    """Write the text to a new file, readable by its owner only, and return its path, or None if that fails.

    It is in the state folder where there is one that is not a link, else in the folder for temporary files.
    """
    from runner.app.state.open_state import local_state  # noqa: PLC0415 -- most commands need none

    try:
        root = local_state(state) if state else None
        folder = root.internal_errors if root else None
        if folder is None or folder.parent.is_symlink() or not folder.parent.is_dir():
            handle, name = tempfile.mkstemp(prefix="retrain-internal-error-", suffix=".txt")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return Path(name)
        path = real_folder(folder.parent, folder.name) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.txt"
        write_new(path, text.encode())
    except (OSError, RetrainError):
        return None
    return path


def failure_code(error: BaseException) -> int:
    """Tell the user about the error and return the exit code."""
    console = Console.current()
    match error:
        case click.exceptions.Exit():
            code = error.exit_code
        case SystemExit():  # click ends so when the reader of its help has gone away
            code = int(ExitCode.OK)
        case click.ClickException():
            error.show()
            code = int(ExitCode.USAGE)
        case RetrainError():
            _show_problems(console, error)
            console.error(error.message, error.hint)
            code = int(error.exit_code)
        case HangUpError():
            console.error("Ended by SIGHUP.", "Nothing was left half-written; run the command again.")
            code = int(ExitCode.UNFINISHED)
        case click.Abort() | KeyboardInterrupt():
            console.error("Interrupted.", "Nothing was left half-written; run the command again.")
            code = int(ExitCode.INTERRUPTED)
        case _ if is_out_of_memory(error):
            console.error("This command needs more memory than there is.", MEMORY_HINT)
            code = int(ExitCode.FAILED)
        case OSError():
            console.error(_about_file(error), "Check the space, the disk and the permissions there, then run it again.")
            code = int(ExitCode.FAILED)
        case _:
            show_bug(console, error)
            code = int(ExitCode.BUG)
    return code


def _about_file(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"A file or stream failed: {what}." if error.filename is None else f"{error.filename} failed: {what}."


def lost_code() -> int:
    """Return 1, and say so, when the command did its work but its result could not be printed."""
    console = Console.current()
    if console.lost is None:
        return int(ExitCode.OK)
    console.error(f"The result could not be printed: {console.lost}.", "The command did its work and recorded it.")
    return int(ExitCode.FAILED)


def show_bug(console: Console, error: BaseException) -> None:
    """Tell the user that the program is at fault, and keep the traceback in a file."""
    from runner.cli.errors import traceback_of, write_traceback  # noqa: PLC0415 -- most commands need none

    text = traceback_of(error)
    place = write_traceback(text, console.state)
    if place is None or console.verbose:
        console.line(text)
    where = f"The traceback was written to {place}." if place else "The traceback is above."
    console.error(
        f"Internal error: {type(error).__name__}. {where}", "Report it with the traceback; run again to resume."
    )


def _show_problems(console: Console, error: RetrainError) -> None:
    for problem in getattr(error, "problems", ()):
        console.detail(problem.line_text())
    for detail in getattr(error, "details", ()):
        console.detail(detail)

"""How a word that was written into a file is printed, for approve and reject."""

import shlex
from datetime import timedelta
from pathlib import Path

from runner.app.approval_file import write_word
from runner.app.review import ReviewRequest
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.report.text import inline


def write_and_show(console: Console, request: ReviewRequest, folder: str, lasts: timedelta) -> int:
    """Write the file, and print its path with the commands that commit it; an empty folder is the manifest's."""
    written = write_word(request, Path(folder) if folder else None, lasts)
    path = shlex.quote(str(written.path))
    message = shlex.quote(inline(f"retrain: {request.action} job {written.retrain_job_id} of {request.model}"))
    console.result(
        f"{inline(written.path)}\n"
        f"it counts until {written.expires:%Y-%m-%d %H:%M} UTC for job {inline(written.retrain_job_id)} of "
        f"{inline(request.model)}; nothing was recorded or switched\n"
        f"next: git add {inline(path)} && git commit -m {message}"
    )
    return ExitCode.OK

"""How a word that was written into a file is printed, for approve and reject."""

import shlex
from datetime import timedelta
from pathlib import Path

from runner.app.review.approval_file import WrittenApproval, write_approval
from runner.app.review.review import ReviewRequest
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.text import inline


def write_and_show(console: Console, request: ReviewRequest, folder: str, lasts: timedelta) -> int:
    """Write the file, and print its path with the commands that commit it; an empty folder is the manifest's."""
    written = write_approval(request, Path(folder) if folder else None, lasts)
    message = shlex.quote(inline(f"retrain: {request.action} job {written.retrain_job_id} of {request.model}"))
    once = "" if written.counts else "once it stands in the approvals folder "
    console.result(
        f"{inline(written.path)}\n"
        f"{once}it counts until {written.expires:%Y-%m-%d %H:%M} UTC for job {inline(written.retrain_job_id)} of "
        f"{inline(request.model)}; nothing was recorded or switched\n"
        f"next: {_next(written, message)}"
    )
    return ExitCode.OK


def _next(written: WrittenApproval, message: str) -> str:
    """Return the commands that make the word count, or what has to be done before there can be any."""
    if written.approvals is None:
        return "name a folder in the manifest with `approvals:`, move the file there and commit both"
    if written.counts:
        return f"{_commit(written.path)} -m {message}"
    target = written.approvals / written.path.name
    folder = inline(shlex.quote(str(written.approvals)))
    move = f"mkdir -p {folder} && mv {inline(shlex.quote(str(written.path)))} {folder}/"
    return f"{move} && {_commit(target)} -m {message}"


def _commit(path: Path) -> str:
    return f"git add {inline(shlex.quote(str(path)))} && git commit"

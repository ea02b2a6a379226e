"""How the result of a run, or of an approval written to a file, is printed."""

import math
import shlex
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

from runner.app.review.review import ReviewRequest, WrittenApproval, write_approval
from runner.app.run.run_end import RunResult
from runner.cli.console import Console
from runner.cli.errors import show_bug
from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.errors import ExitCode
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON
from runner.plan.model_plan import state_option
from runner.reports.evidence_text import evidence_line, summary_reason, undecided
from runner.reports.model import ModelReport, Report
from runner.reports.next_step import next_lines
from runner.reports.table import FLEET, NAME_COLUMNS
from runner.reports.text import columns_of, in_words, inline, json_line, render_json


def write_and_show(console: Console, request: ReviewRequest, folder: str, lasts: timedelta) -> int:
    """Write the file, and print its path with the commands that commit it; an empty folder is the manifest's."""
    written = write_approval(request, Path(folder) if folder else None, lasts)
    message = shlex.quote(inline(f"retrain: {request.action} job {written.retrain_job_id} of {request.model}"))
    once = "" if written.counts else "once it is in the approvals folder "
    console.result(
        f"{inline(written.path)}\n"
        f"{once}it counts until {written.expires:%Y-%m-%d %H:%M} UTC for job {inline(written.retrain_job_id)} of "
        f"{inline(request.model)}; nothing was recorded or switched\n"
        f"next: {_next_commands(written, message)}"
    )
    return ExitCode.OK


def _next_commands(written: WrittenApproval, message: str) -> str:
    """Return the commands that make the approval count, or what must be done first."""
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


_MOST_STILL_HELD = 5  # names in one line
_MOST_NEXT = 3  # commands of a kind; a summary fits a screen
_MANY_ROWS = 40  # of a terminal that has room for them whatever the number of models
_PROMPT_LINES = 2  # the shell's own may be two


def show_result(console: Console, result: RunResult, form: str, state: str) -> int:
    """Print the report as JSON or as a summary with the next commands, and return the exit code."""
    for bug in result.internal_errors:
        show_bug(console, bug)
    if form == "json":
        console.result(render_json(result.report).decode().rstrip("\n"))
    elif not console.silent or result.exit_code != ExitCode.OK or "awaiting_approval" in result.report.summary:
        console.result("\n".join(report_lines(console.terminal, result.report, result.where, state_option(state))))
    return result.exit_code


def show_events(console: Console, result: RunResult) -> int:
    """Print the last of a run's events, its report on one line, and return the exit code."""
    for bug in result.internal_errors:
        show_bug(console, bug)
    console.result(json_line({"event": "report", "report": result.report}))
    return result.exit_code


def report_lines(terminal: TerminalCapabilities, report: Report, folder: str | None, option: str) -> Iterator[str]:
    """Yield the lines: models and outcomes, counts, next commands, where the report is."""
    end = list(_end(report, folder, option, _most_next(terminal, len(report.models))))
    if terminal.columns is None:
        yield from _plain(report)
    else:
        from runner.cli.terminal.summary import render_summary  # noqa: PLC0415 -- only a terminal needs it

        taken = sum(max(math.ceil(columns_of(line) / terminal.columns), 1) for line in end)
        yield render_summary(report, terminal, room=terminal.rows - taken - _PROMPT_LINES, option=option)
    yield from end


def _most_next(terminal: TerminalCapabilities, models: int) -> int | None:
    """Return how many commands of a kind are shown: all in a file, few where there are more models than lines."""
    if terminal.columns is None:
        return None
    return _MOST_NEXT if models < terminal.rows or terminal.rows >= _MANY_ROWS else 1


def _end(report: Report, folder: str | None, option: str, most: int | None) -> Iterator[str]:
    yield ""
    yield ", ".join(f"{count} {in_words(outcome)}" for outcome, count in report.summary.items()) or "no models"
    yield from _still_held(report)
    yield from _next(report, option, most)
    yield f"check: retrain verify {report.run_id}{option}"
    is_file = folder is not None and "://" not in folder  # no browser opens what is in a store
    yield f"report: {f'{folder}/report.html' if is_file else f'retrain report {report.run_id} --open{option}'}"


def _still_held(report: Report) -> Iterator[str]:
    """Yield one line that counts the candidates that an earlier run has reported as held."""
    names = [inline(model.name) for model in report.models if model.still_held]
    if names:
        more = len(names) - _MOST_STILL_HELD
        told = ", ".join(names[:_MOST_STILL_HELD]) + (f" and {more} more" if more > 0 else "")
        yield f"{'1 candidate is' if len(names) == 1 else f'{len(names)} candidates are'} still held: {told}"


def _plain(report: Report) -> Iterator[str]:
    """Yield the models for files and pipes: a line each, those of a fleet under their outcomes as on a terminal."""
    if len(report.models) < FLEET:
        width = min(
            max((columns_of(inline(model.name)) for model in report.models), default=0), NAME_COLUMNS
        )  # a longer one is not aligned
        for model in report.models:
            space = " " * max(width - columns_of(inline(model.name)), 0)
            yield f"{inline(model.name)}{space}  {in_words(model.outcome):17}  {_told(model)}"
        return
    for outcome in BY_URGENCY:
        models = [model for model in report.models if model.outcome == outcome]
        if models:
            yield f"{len(models)} {in_words(outcome)}"
        if outcome in NEEDS_PERSON:
            yield from (f"  {inline(model.name)}: {_told(model)}" for model in models)


def _told(model: ModelReport) -> str:
    """Return why a model ended so, with short job ids, and the metrics that a person decides by."""
    evidence = undecided(model)
    metrics = f" Metrics: {evidence_line(evidence)}." if evidence else ""
    return inline(f"{summary_reason(model)}{metrics}")


def _next(report: Report, option: str, most: int | None) -> Iterator[str]:
    """Yield what to do about the models that need a person, most urgent first: commands, a line each."""
    groups = [[model for model in report.models if model.outcome == outcome] for outcome in NEEDS_PERSON]
    for model in chain(*(models[:most] for models in groups)):
        if model.next is None:
            continue
        yield from next_lines(model.next.commands)
        label = "why" if model.outcome == "held" else "look"
        yield from (f"{label}: {inline(command)}" for command in model.next.look)
    hidden = sum(len(models[most:]) for models in groups) if most is not None else 0
    if hidden:
        yield f"{hidden} more: retrain status --wide{option}"

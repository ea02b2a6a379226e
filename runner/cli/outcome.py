"""How the result of a run is printed, for every command that makes one."""

import shlex
from typing import Any

from runner.app.run import RunResult
from runner.cli.console import Console
from runner.cli.failure import show_bug
from runner.journal.folder import DEFAULT
from runner.report.json_form import render_json
from runner.report.text import inline


def show_result(console: Console, result: RunResult, form: str, state: str) -> int:
    """Print the report as JSON or in a few lines with the next commands, and return the exit code."""
    for bug in result.bugs:
        show_bug(console, bug)
    if form == "json":
        console.result(render_json(result.report).decode().rstrip("\n"))
    else:
        console.result(_text(result, "" if state == DEFAULT else f" --state {shlex.quote(state)}"))
    return result.exit_code


def _text(result: RunResult, option: str) -> str:
    report: dict[str, Any] = result.report
    width = max((len(inline(model["name"])) for model in report["models"]), default=0)
    lines = [
        f"{inline(model['name']):{width}}  {model['outcome'].replace('_', ' '):17}  {inline(model['reason'])}"
        for model in report["models"]
    ]
    counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in report["summary"].items())
    waiting = [shlex.quote(model["name"]) for model in report["models"] if model["outcome"] == "awaiting_approval"]
    steps = [f"next: retrain approve {name}{option}, or retrain reject {name}{option}" for name in waiting]
    check = f"check: retrain verify {report['run_id']}{option}"
    return "\n".join([*lines, "", counts or "no models", *steps, check, f"report: {result.folder}/report.html"])

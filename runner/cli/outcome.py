"""How the result of a run is printed, for every command that makes one."""

from typing import Any

from runner.app.run import RunResult
from runner.cli.console import Console
from runner.cli.failure import show_bug
from runner.report.render import render_json
from runner.report.text import inline


def show_result(console: Console, result: RunResult, form: str) -> int:
    """Print the report as JSON or in a few lines, and return the exit code."""
    for bug in result.bugs:
        show_bug(console, bug)
    if form == "json":
        console.result(render_json(result.report).decode().rstrip("\n"))
    else:
        console.result(_text(result))
    return result.exit_code


def _text(result: RunResult) -> str:
    report: dict[str, Any] = result.report
    width = max((len(inline(model["name"])) for model in report["models"]), default=0)
    lines = [
        f"{inline(model['name']):{width}}  {model['outcome'].replace('_', ' '):17}  {inline(model['reason'])}"
        for model in report["models"]
    ]
    counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in report["summary"].items())
    return "\n".join([*lines, "", counts or "no models", f"report: {result.folder}/report.html"])

"""`retrain validate`."""

from collections.abc import Sequence
from pathlib import Path

import click

from runner.app.validate import Validation, validate
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.text import counted


@click.command("validate", cls=Command, epilog="Example: retrain validate models.yaml --format github")
@options.paths
@options.output_format("text", "json", "github", "gitlab", "sarif")
@options.stateless
def command(paths: Sequence[Path], form: str, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Check manifests: schema, references, keys. Prints every problem at once."""
    console.name_manifest(paths)
    found = validate(paths)
    if form == "text":
        console.result("\n".join([*_lines(found, console), _summary(found)]))
    else:
        from runner.reports.problems import problems_in  # noqa: PLC0415 -- on a terminal and in hooks nobody asks

        console.document(problems_in(form, found.problems, valid=found.valid, summary=_summary(found)))
    return ExitCode.OK if found.valid else ExitCode.MANIFEST


def _lines(found: Validation, console: Console) -> list[str]:
    if not found.problems:
        return []
    from runner.cli.terminal.excerpt import problem_lines  # noqa: PLC0415 -- nothing to show of a manifest without problems

    return list(problem_lines(found.problems, console.terminal))


def _summary(found: Validation) -> str:
    if found.valid:
        return f"valid: {counted(found.models, 'model')} in {counted(found.files, 'file')}"
    errors = sum(problem.severity == "error" for problem in found.problems)
    return counted(errors, "error")

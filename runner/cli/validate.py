"""`retrain validate`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from runner import __version__
from runner.app.validate import Validation, validate
from runner.cli import options
from runner.cli.console import Console
from runner.cli.excerpt import problem_lines
from runner.errors import ExitCode
from runner.report.problems_github import github_commands
from runner.report.problems_gitlab import gitlab_report
from runner.report.problems_json import problems_json
from runner.report.problems_sarif import sarif_log


def _github(found: Validation) -> bytes:
    return _lines([*github_commands(found.problems), _summary(found)])


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _summary(found: Validation) -> str:
    if found.valid:
        return f"valid: {found.models} model(s) in {found.files} file(s)"
    errors = sum(one.severity == "error" for one in found.problems)
    return f"{errors} error{'s' if errors != 1 else ''}"


_OTHER_FORMS: Mapping[str, Callable[[Validation], bytes]] = {
    "json": lambda found: problems_json(found.problems, valid=found.valid),
    "github": _github,
    "gitlab": lambda found: gitlab_report(found.problems),
    "sarif": lambda found: sarif_log(found.problems, version=__version__),
}


@click.command("validate", epilog="Example: retrain validate models.yaml --format github")
@options.paths
@options.output_format("text", *_OTHER_FORMS)
@options.common
def command(paths: Sequence[Path], form: str, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Check manifests: schema, references, keys. Prints every problem at once."""
    found = validate(paths)
    if form == "text":
        console.result("\n".join([*problem_lines(found.problems, console.look), _summary(found)]))
    else:
        console.document(_OTHER_FORMS[form](found))
    return ExitCode.OK if found.valid else ExitCode.MANIFEST

"""`retrain validate`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.manifest.load import Reading, read
from runner.report.text import inline


@click.command("validate", epilog="Example: retrain validate models.yaml --format json")
@options.paths
@options.output_format("text", "json")
@options.common
def command(paths: Sequence[Path], form: str, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Check manifests: schema, references, keys. Prints every problem at once."""
    reading = read(paths)
    console.result(_json(reading) if form == "json" else _text(reading))
    return ExitCode.MANIFEST if reading.manifest is None else ExitCode.OK


def _text(reading: Reading) -> str:
    lines = [inline(one.line_text()) for one in reading.problems]
    if reading.manifest is None:
        errors = sum(one.severity == "error" for one in reading.problems)
        return "\n".join([*lines, f"{errors} error{'s' if errors != 1 else ''}"])
    files, models = len(reading.manifest.files), len(reading.manifest.models)
    return "\n".join([*lines, f"valid: {models} model(s) in {files} file(s)"])


def _json(reading: Reading) -> str:
    problems = [asdict(one) for one in reading.problems]
    return json.dumps({"valid": reading.manifest is not None, "problems": problems}, indent=2, ensure_ascii=False)

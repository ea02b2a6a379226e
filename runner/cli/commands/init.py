"""`retrain init`."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import click

from runner.app.init import MANIFEST, PARTS, REQUIREMENTS, Layout, init
from runner.app.own_manifest import OwnData, OwnManifest, own_manifest
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.errors import ExitCode, UsageError
from runner.manifest.model import Task
from runner.reports.text import inline


@click.command("init", cls=Command, epilog="Example: retrain init models --only manifest --only github")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIR]")
@click.option("--only", multiple=True, type=click.Choice(tuple(PARTS)), help="Only this part; can be repeated.")
@click.option(
    "--requirement",
    metavar="TEXT",
    help="What pipelines install: a pip requirement with a commit or a digest; by default what pip installed here.",
)
@click.option("--from", "train", type=click.Path(path_type=Path), metavar="FILE", help="Your training data.")
@click.option("--target", metavar="COLUMN", help="With --from: the column that the model predicts.")
@click.option(
    "--task", type=click.Choice(get_args(Task)), help="With --from: the prediction task; by default its values decide."
)
@click.option(
    "--eval", "evaluation", type=click.Path(path_type=Path), metavar="FILE", help="With --from: evaluation data."
)
@options.stateless
def command(  # noqa: PLR0913 -- one argument an option
    *,
    folder: Path,
    only: Sequence[str],
    requirement: str | None,
    train: Path | None,
    target: str | None,
    task: Task | None,
    evaluation: Path | None,
    state: str,  # noqa: ARG001 -- common option
    console: Console,
) -> int:
    """Create a repository: a manifest, checks, pipelines, schedules.

    Never overwrites a file. With --from the manifest is for your own data, whose columns are checked; without it,
    for sample data.
    """
    own = None
    if train is not None:
        own = own_manifest(folder, OwnData(train=train, eval=evaluation, target=target, task=task))
        for warning in own.warnings:
            console.warning(warning)
    elif target is not None or task is not None or evaluation is not None:
        raise UsageError("--target, --task and --eval need --from.", hint="Name your training data: `--from FILE`.")
    layout = init(folder, only, requirement, own.text if own else None)
    steps = _own_steps(folder, layout, own) if own else _next_steps(folder, layout)
    console.result("\n".join([*_lines(layout), "", *steps, *_source(layout)]))
    return ExitCode.OK


def _own_steps(folder: Path, layout: Layout, own: OwnManifest) -> Iterator[str]:
    """Yield the commands from the user's own manifest to the first run."""
    yield f"# {inline(own.model)} is a {own.task}; another --task, another policy: edit {MANIFEST}"
    yield from _first_steps(folder, layout)
    yield f"  retrain run {MANIFEST} --emulator     # a rehearsal; needs the extra [emulator]"
    yield f"  export {own.variable}=...             # the model's key for retraining"
    yield f"  retrain doctor {MANIFEST}             # is everything there that a run needs?"


def _lines(layout: Layout) -> Iterator[str]:
    yield from (f"wrote  {name}" for name in layout.written)
    yield from (f"same   {name}" for name in layout.same)
    yield from (f"kept   {name}: it already exists, and was not changed" for name in layout.kept)


def _next_steps(folder: Path, layout: Layout) -> Iterator[str]:
    """Yield commands that can be copied, with a comment each."""
    yield from _first_steps(folder, layout)
    if MANIFEST in layout.written:
        yield f"  retrain run {MANIFEST} --emulator     # a rehearsal; needs the extra [emulator]"
        yield "  # then put your own data and models into it:"
    yield f"  retrain plan {MANIFEST}               # what a run would do, and why"


def _first_steps(folder: Path, layout: Layout) -> Iterator[str]:
    yield "next:"
    if folder != Path():
        yield f"  cd {shlex.quote(inline(str(folder)))}"
    if not (folder / MANIFEST).exists():
        yield f"  retrain init --only manifest          # writes {MANIFEST}, unless your manifest has another name"
    if not layout.state_ignored:
        yield "  echo .retrain/ >> .gitignore          # the state does not belong in git"
    if not layout.in_git:
        yield '  git init && git add . && git commit -m "add retrain-runner"   # reports name the commit'
    yield f"  retrain validate {MANIFEST}"


def _source(layout: Layout) -> Iterator[str]:
    """Yield a remark where pipelines do not know what to install."""
    if not layout.source_set and REQUIREMENTS in layout.written:
        yield f"  # pipelines stop until {REQUIREMENTS} names a source (next time: --requirement)"

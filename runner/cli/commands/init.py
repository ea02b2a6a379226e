"""`retrain init`."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from runner.app.init import MANIFEST, PARTS, REQUIREMENTS, Layout, init
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.reports.text import inline


@click.command("init", epilog="Example: retrain init models --only manifest --only github")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIR]")
@click.option(
    "--only", multiple=True, type=click.Choice(tuple(PARTS)), help="Only this part; may be given several times."
)
@click.option(
    "--requirement",
    metavar="TEXT",
    help="What pipelines install, with a commit or a digest, as pip takes it; by default what pip installed here.",
)
@options.stateless
def command(folder: Path, only: Sequence[str], requirement: str | None, state: str, console: Console) -> int:  # noqa: ARG001 -- common option
    """Lay out a repository: a manifest to rehearse with, checks, pipelines, schedules. Never overwrites a file."""
    layout = init(folder, only, requirement)
    console.result("\n".join([*_lines(layout), "", *_next_steps(folder, layout), *_source(layout)]))
    return ExitCode.OK


def _lines(layout: Layout) -> Iterator[str]:
    yield from (f"wrote  {name}" for name in layout.written)
    yield from (f"same   {name}" for name in layout.same)
    yield from (f"kept   {name}: it was there and is left alone" for name in layout.kept)


def _next_steps(folder: Path, layout: Layout) -> Iterator[str]:
    """Yield commands that can be copied, with a comment each."""
    yield "next:"
    if folder != Path():
        yield f"  cd {shlex.quote(inline(str(folder)))}"
    if not layout.state_ignored:
        yield "  echo .retrain/ >> .gitignore          # the state does not belong into git"
    if not layout.in_git:
        yield '  git init && git add . && git commit -m "lay out"   # reports name the commit'
    yield f"  retrain validate {MANIFEST}"
    if MANIFEST in layout.written:
        yield f"  retrain run {MANIFEST} --emulator     # a rehearsal; needs the extra [emulator]"
        yield "  # then put your own data and models into it:"
    yield f"  retrain plan {MANIFEST}               # what a run would do, and why"


def _source(layout: Layout) -> Iterator[str]:
    """Yield a remark where pipelines do not know what to install."""
    if not layout.source_set and REQUIREMENTS in layout.written:
        yield f"  # pipelines stop until {REQUIREMENTS} names a source (next time: --requirement)"

"""`retrain resolve`."""

from datetime import timedelta
from typing import get_args

import click
from msgspec.structs import replace

from runner.app.review.leaving import Left, Waiting, decide
from runner.app.review.resolve import Answer, ResolveRequest, propose_resolution, resolve
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.console import Console
from runner.cli.decisions import show_left
from runner.errors import ExitCode


@click.command(
    "resolve", cls=Command, epilog='Example: retrain resolve churn --as not-started --reason "seen in the product"'
)
@options.model
@click.option("--as", "answer", type=click.Choice(get_args(Answer)), required=True, help="What happened to it.")
@options.reason("How you know; kept in the journal.")
@options.take_up_timeout
@options.no_wait
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    answer: Answer,
    reason: str,
    lock_timeout: timedelta,
    no_wait: bool,
    state: str,
    console: Console,
) -> int:
    """Record what happened to a request that ended as `unknown`, when only a person can tell."""
    request = ResolveRequest(model=model, answer=answer, reason=reason, state=state, listener=console.progress)
    subject = propose_resolution(request)
    request = replace(request, subject=subject)
    done = decide(request, resolve, Waiting(longest=lock_timeout, waits=not no_wait), subject)
    if isinstance(done, Left):
        return show_left(console, done, "text", state)
    console.result(f"job {subject.job} of {model} is recorded as {answer}; the next run continues from there")
    return ExitCode.OK

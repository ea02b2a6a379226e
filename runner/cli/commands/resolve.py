"""`retrain resolve`."""

from datetime import timedelta
from typing import get_args

import click

from runner.app.review.resolve import Answer, ResolveRequest, resolve
from runner.cli import options
from runner.cli.console import Console
from runner.errors import ExitCode


@click.command("resolve", epilog='Example: retrain resolve churn --as not-started --reason "seen in the product"')
@options.model
@click.option("--as", "answer", type=click.Choice(get_args(Answer)), required=True, help="What happened to it.")
@options.reason("How you know; kept in the journal.")
@options.lock_timeout
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    answer: Answer,
    reason: str,
    lock_timeout: timedelta,
    state: str,
    console: Console,
) -> int:
    """Record what happened to a request that ended as `unknown`, when only a person can tell."""
    request = ResolveRequest(
        model=model, answer=answer, reason=reason, state=state, lock_timeout=lock_timeout, listener=console.progress
    )
    console.result(f"job {resolve(request)} of {model} is recorded as {answer}; `retrain run` continues from there")
    return ExitCode.OK

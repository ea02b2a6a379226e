"""`retrain adopt`."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.review.adopt import AdoptRequest, adopt, propose_adoption
from runner.cli import options
from runner.cli.confirm import Consent, confirm, show
from runner.cli.console import Console
from runner.cli.run_result import show_result
from runner.errors import ExitCode, UsageError
from runner.lib.text import shown


class Value(click.ParamType[tuple[str, str]]):
    """A metric and its value, such as `auc=0.91`."""

    name = "metric=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and text, or fail with a usage error."""
        name, sign, text = str(value).partition("=")
        if not (name and sign and text):
            self.fail(f"{value!r} is not a metric with its value, such as auc=0.91.", param, ctx)
        return name.strip(), text.strip()


@click.command("adopt", epilog='Example: retrain adopt churn --metric auc=0.91 --reason "trained by hand in May"')
@options.model
@click.option("--metric", "metrics", multiple=True, type=Value(), metavar="NAME=VALUE", help="A value it has.")
@click.option("--result", type=click.Path(path_type=Path), help="Its result file, to read its metrics from.")
@click.option("--eval", "evaluation", type=click.Path(path_type=Path), help="The file its metrics were measured on.")
@options.reason("Why; kept in the journal.")
@options.yes
@options.manifest
@options.trust_host
@options.lock_timeout
@options.output_format("text", "json")
@options.common
def command(  # noqa: PLR0913 -- one argument an option
    *,
    model: str,
    metrics: Sequence[tuple[str, str]],
    result: Path | None,
    evaluation: Path | None,
    reason: str,
    yes: bool,
    manifest: Sequence[Path],
    trusted_hosts: frozenset[str],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """State what is in service now, so that candidates are compared with it."""
    twice = next((name for name, count in Counter(name for name, _ in metrics).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"The metric {shown(twice)} is given twice.", hint="Give each metric once.")
    request = AdoptRequest(
        model=model,
        metrics=dict(metrics),
        result=result,
        eval=evaluation,
        reason=reason,
        state=state,
        listener=console.progress,
        manifest=manifest,
        trusted_hosts=trusted_hosts,
        lock_timeout=lock_timeout,
    )
    proposed = propose_adoption(request)
    values = ", ".join(f"{name} {text}" for name, text in proposed.statement.metrics.items())
    lines = [f"{model}: what serves has {values or 'no metrics that are known'}; until now {proposed.replaces}"]
    show(console, lines, asks=not yes)
    consent = Consent(yes=yes, command="", needed=False)  # production does not change
    if not confirm(console, f"Record this as the incumbent of {model}?", consent):
        return ExitCode.FAILED
    return show_result(console, adopt(request, proposed), form, state)

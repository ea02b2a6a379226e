"""`retrain adopt`."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from runner.app.adopt import AdoptRequest, adopt
from runner.cli import options
from runner.cli.console import Console
from runner.cli.outcome import show_result


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
@click.option("--reason", required=True, help="Why; kept in the journal.")
@options.manifest
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
    manifest: Sequence[Path],
    lock_timeout: timedelta,
    form: str,
    state: str,
    console: Console,
) -> int:
    """State what is in service now, so that candidates are compared with it."""
    request = AdoptRequest(
        model=model,
        metrics=dict(metrics),
        result=result,
        eval=evaluation,
        reason=reason,
        state=state,
        listener=console.progress,
        manifest=manifest,
        lock_timeout=lock_timeout,
    )
    return show_result(console, adopt(request), form, state)

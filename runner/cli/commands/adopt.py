"""`retrain adopt`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from runner.app.review.adopt import AdoptRequest, Proposed, adopt, propose_adoption
from runner.app.review.candidates import Subject
from runner.cli import options
from runner.cli.command_group import Command
from runner.cli.confirm import Consent, confirm, show
from runner.cli.console import Console
from runner.cli.decisions import carry_out_or_leave
from runner.errors import ExitCode, UsageError
from runner.lib.text import shown
from runner.reports.evidence_text import metrics_table


class Value(click.ParamType[tuple[str, str]]):
    """A metric and its value, such as `auc=0.91`."""

    name = "metric=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return name and text, or fail with a usage error."""
        name, sign, text = str(value).partition("=")
        if not (name and sign and text):
            self.fail(f"{value!r} is not a metric with its value, such as auc=0.91.", param, ctx)
        return name.strip(), text.strip()


@click.command(
    "adopt", cls=Command, epilog='Example: retrain adopt churn --metric auc=0.91 --reason "trained by hand in May"'
)
@click.option(
    "--metric", "metrics", multiple=True, type=Value(), metavar="NAME=VALUE", help="A metric of the model in service."
)
@click.option("--result", type=click.Path(path_type=Path), help="The result file with its metrics.")
@click.option(
    "--eval", "evaluation", type=click.Path(path_type=Path), help="The file on which its metrics were measured."
)
@options.decision()
def command(
    *, given: options.Decision, metrics: Sequence[tuple[str, str]], result: Path | None, evaluation: Path | None
) -> int:
    """State what is in service now, so that candidates are compared with it."""
    twice = next((name for name, count in Counter(name for name, _ in metrics).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"The metric {shown(twice)} is given twice.", hint="Give each metric once.")
    request = AdoptRequest(metrics=dict(metrics), result=result, eval=evaluation, **given.request.shared)
    proposed = propose_adoption(request)
    show(given.console, list(_lines(given.console, request.model, proposed)), asks=not given.yes)
    consent = Consent(yes=given.yes, command="", needed=False)  # production does not change
    if not confirm(given.console, f"Record this as the incumbent of {request.model}?", consent):
        return ExitCode.FAILED
    agreed = replace(request, agreed=proposed.basis)
    subject = Subject(service=proposed.scope.service.name, job=None)
    return carry_out_or_leave(given, agreed, lambda made: adopt(made, proposed), subject, proposed)


def _lines(console: Console, model: str, proposed: Proposed) -> Iterator[str]:
    """Yield what would be recorded, what is recorded now, and the candidate that it is compared with."""
    values = ", ".join(f"{name} {text}" for name, text in proposed.statement.metrics.items())
    yield f"{model}: what serves has {values or 'no metrics that are known'}; until now {proposed.replaces}"
    if proposed.candidate is not None:
        yield f"Candidate {proposed.candidate} beside what you state of the incumbent:"
        yield from metrics_table(proposed.metrics, width=console.error_terminal.columns).splitlines()

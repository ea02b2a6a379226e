"""Reports of runs that never were, as short as a test can have them."""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from runner.journal.outcomes import OUTCOMES
from runner.reports.model import JournalReport, ManifestReport, ModelReport, Report
from runner.reports.next_step import CommandContext, next_step
from tests.fakes.run_origin import TOOL

CONTEXT = CommandContext(run="retrain run models.yaml --state s", state=" --state s")


def report_of(models: Sequence[ModelReport] = (), *, stopped: str | None = None) -> Report:
    """Return the report of the run `run-1`, which ended with 0."""
    told = [replace(model, next=next_step(model, CONTEXT)) for model in models]
    counts = Counter(model.outcome for model in models)
    return Report(
        run_id="run-1",
        tool=TOOL,
        started_at="2026-03-01T04:05:06.000007Z",
        finished_at="2026-03-01T04:06:06.000007Z",
        actor="ann@desk",
        ci_actor=None,
        ci_job=None,
        run_before=None,
        command="run",
        service="service.test",
        exit_code=0,
        stopped=stopped,
        summary={outcome: counts[outcome] for outcome in OUTCOMES if outcome in counts},
        manifest=ManifestReport(files=(), sha256="0" * 64, git=None),
        plan_sha256=None,
        models=told,
        journal=JournalReport(events=1, head_sha256="0" * 64),
    )

"""The runs as lines of a table, newest first. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from runner.journal.outcomes import OUTCOMES, Outcome
from runner.journal.progress import RunRecord
from runner.site.addresses import run_path
from runner.site.model_timeline import Fleet


class RunLine(Struct, frozen=True, kw_only=True):
    """One run: what became of its models, and the path of its page, None while it has no end."""

    record: RunRecord
    summary: Mapping[Outcome, int]
    path: str | None
    seconds: float | None

    @property
    def command(self) -> str:
        """Return the command that made the run."""
        command: str = self.record.started.options.get("command", "run")
        return command


def run_lines(fleet: Fleet) -> Sequence[RunLine]:
    """Return all runs, newest first."""
    outcomes: dict[str, list[Outcome]] = {}
    for chronicle in fleet.chronicles:
        for entry in chronicle.entries:
            if entry.outcome is not None:
                outcomes.setdefault(entry.run.run_id, []).append(entry.outcome)
    records = sorted(fleet.progress.runs.values(), key=lambda one: one.started_at, reverse=True)
    return [_line(one, outcomes.get(one.run_id, [])) for one in records]


def _line(record: RunRecord, outcomes: Sequence[Outcome]) -> RunLine:
    seconds = (record.finished_at - record.started_at).total_seconds() if record.finished_at else None
    return RunLine(
        record=record,
        summary={one: outcomes.count(one) for one in OUTCOMES if one in outcomes},
        path=run_path(record.run_id) if record.finished else None,
        seconds=seconds,
    )

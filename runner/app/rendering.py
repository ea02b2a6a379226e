"""Whether the recorded reports and events are what their schemas ask for, and what the journal renders to today."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runner import __version__
from runner.app.evidence import Evidence
from runner.app.strangers import Finding
from runner.journal.chain import Link
from runner.journal.progress import RunRecord
from runner.report.build import RunHistory, build_report, ended_histories
from runner.report.render import each_file
from runner.schema import event_violation, load_schema, report_violation
from runner.schema_fit import fit

_REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What does not hold, and what only another version of this tool does differently."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def check_rendering(evidence: Evidence, links: Sequence[Link], runs: Sequence[RunRecord]) -> Rendered:
    """Render the runs' files again and compare their digests with the recorded ones."""
    recorded = {run.run_id: run for run in runs if run.report is not None}
    findings: list[Finding] = []
    notes: list[Finding] = []
    for history in ended_histories(links):
        run = recorded.get(history.run_id)
        if run is not None:
            same_version = run.started.tool.get("version") == __version__ and not _written_later(run)
            (findings if same_version else notes).extend(_differences(evidence, history, run))
    return Rendered(findings=tuple(findings), notes=tuple(notes))


def _written_later(run: RunRecord) -> bool:
    """Tell whether a later command, maybe of another version, ended the run and wrote its files."""
    return run.finished is not None and run.finished.stopped == "lost"


def _differences(evidence: Evidence, history: RunHistory, run: RunRecord) -> Iterator[Finding]:
    recorded = run.report.files if run.report else {}
    for name, content in each_file(history, build_report(history)):
        if name in recorded and recorded[name] != hashlib.sha256(content).hexdigest():
            what = f"is not what retrain {__version__} renders from the journal"
            yield Finding(where=evidence.shown(f"runs/{run.run_id}/{name}"), what=what)


def check_schemas(evidence: Evidence, links: Sequence[Link], runs: Collection[RunRecord]) -> Iterator[Finding]:
    """Yield the runs' events and reports that break their published schema."""
    ids = {run.run_id for run in runs}
    for one in links:
        if one.event.run_id in ids:
            event = json.loads(one.body)
            what = None if _surely_fits("journal", event) else event_violation(event)
            if what:
                yield Finding(where=f"event {one.event.seq}", what=what)
    for run in runs:
        if run.report is not None:
            yield from _check_report(evidence, f"runs/{run.run_id}/{_REPORT}")


def _surely_fits(schema: str, value: Any) -> bool:
    """Tell soon whether a JSON value surely fits a published schema; a journal has very many events that do."""
    return fit(schema).surely(load_schema(schema), value)


def _check_report(evidence: Evidence, name: str) -> Iterator[Finding]:
    try:
        with evidence.open(name) as stream:
            report: Any = json.loads(stream.read())
    except OSError:
        return  # that it cannot be read is told with its digest
    except (ValueError, RecursionError):
        yield Finding(where=evidence.shown(name), what="is no JSON")
        return
    what = None if _surely_fits("report", report) else report_violation(report)
    if what:
        yield Finding(where=evidence.shown(name), what=what)

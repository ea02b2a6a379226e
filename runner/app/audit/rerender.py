"""Whether the recorded reports and events are what their schemas ask for, and what the journal renders to today."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from runner import __version__
from runner.app.audit.evidence import Evidence
from runner.app.state.unrecorded_files import Finding
from runner.journal.chain import Link
from runner.journal.event_buffer import EventBuffer
from runner.journal.progress import RunRecord
from runner.lib.atomic_files import read_up_to
from runner.lib.schema_fit import fit
from runner.lib.schemas import event_violation, load_schema, report_violation
from runner.reports.build import LARGEST_REPORT, RunHistory, ended_histories
from runner.reports.formats.render import each_file

_REPORT = "report.json"


class Rendered(Struct, frozen=True, kw_only=True):
    """What does not hold, and what only another version of this tool does differently."""

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def check_rendering(evidence: Evidence, links: Iterable[Link], runs: Sequence[RunRecord]) -> Rendered:
    """Render the runs' files again and compare their digests with the recorded ones."""
    recorded = {run.run_id: run for run in runs if run.report is not None}
    findings: list[Finding] = []
    notes: list[Finding] = []
    for history in ended_histories(links, recorded):
        run = recorded[history.run_id]
        same_version = run.started.tool.version == __version__ and not _written_later(run)
        (findings if same_version else notes).extend(_differences(evidence, history, run))
    return Rendered(findings=tuple(findings), notes=tuple(notes))


def _written_later(run: RunRecord) -> bool:
    """Tell whether a later command, maybe of another version, ended the run and wrote its files."""
    return run.finished is not None and run.finished.stopped == "lost"


def _differences(evidence: Evidence, history: RunHistory, run: RunRecord) -> Iterator[Finding]:
    recorded = run.report.files if run.report else {}
    for name, pieces in each_file(history):
        if name in recorded and recorded[name] != _sha256(pieces):
            what = f"is not what retrain {__version__} renders from the journal"
            yield Finding(where=evidence.shown(f"runs/{run.run_id}/{name}"), what=what)


def _sha256(pieces: Iterable[bytes]) -> str:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.hexdigest()


def check_schemas(evidence: Evidence, links: EventBuffer, runs: Collection[RunRecord]) -> Iterator[Finding]:
    """Yield the runs' events and reports that break their published schema."""
    ids = {run.run_id for run in runs}
    for seq, body in enumerate(links.bodies(), start=1):
        event = msgspec.json.decode(body)
        if event["run_id"] in ids and not _surely_fits("journal", event):
            what = event_violation(json.loads(body))
            if what:
                yield Finding(where=f"event {seq}", what=what)
    for run in runs:
        if run.report is not None:
            yield from _check_report(evidence, f"runs/{run.run_id}/{_REPORT}")


def _surely_fits(schema: str, value: Any) -> bool:
    """Tell soon whether a JSON value surely fits a published schema; a journal has very many events that do."""
    return fit(schema).surely(load_schema(schema), value)


def _check_report(evidence: Evidence, name: str) -> Iterator[Finding]:
    try:
        with evidence.open(name) as stream:
            content = read_up_to(stream, LARGEST_REPORT + 1)
    except OSError:
        return  # that it cannot be read is told with its digest
    if len(content) > LARGEST_REPORT:
        what = f"is larger than {LARGEST_REPORT // 2**20} MiB, so it was not read"
        yield Finding(where=evidence.shown(name), what=what)
        return
    if _report_surely_fits(content):
        return
    try:
        violation = report_violation(json.loads(content))
    except (ValueError, RecursionError):
        violation = "is no JSON"
    if violation:
        yield Finding(where=evidence.shown(name), what=violation)


def _report_surely_fits(content: bytes) -> bool:
    """Tell whether a report surely fits its schema, looking at one model after the other: together they take much room.

    The schema asks nothing of the list of models but that it is one, and of what it should be.
    """
    schema = load_schema("report")
    try:
        parts = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        models = msgspec.json.decode(parts.pop("models"), type=list[msgspec.Raw])
        rest = {key: msgspec.json.decode(part) for key, part in parts.items()}
        model = schema["properties"]["models"]["items"]
        return _surely_fits("report", {**rest, "models": []}) and all(
            fit("report").surely(model, msgspec.json.decode(one)) for one in models
        )
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return False

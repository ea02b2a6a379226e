"""`retrain report` and `retrain show`: a run's report as it was recorded, a model as it is now."""

from collections.abc import Container, Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.audit.anchors import lies_in
from runner.app.planning.shards import read_shard
from runner.app.queries.status import ModelStatus, next_steps, status
from runner.app.state.open_state import local_state, open_state
from runner.app.state.partitions import partitions_of, snapshot
from runner.app.state.read_state import full_run_id
from runner.app.state.run_histories import LATEST, begun_partitions, ended_in, ended_run, joined
from runner.errors import RetrainError, StateError, UsageError
from runner.journal.checkpoint import always, never
from runner.journal.events import RunStarted
from runner.journal.forms import DEFAULT
from runner.journal.progress import merged, newest_run
from runner.lib.atomic_files import FILE_MODE, make_folder, publish, write_whole
from runner.lib.paths import refuse_link_out
from runner.lib.text import nearest, shown
from runner.reports.build import build_report
from runner.reports.formats.registry import Render
from runner.reports.model import NextStep, Report
from runner.reports.run_history import RunHistory


class Rendered(Struct, frozen=True, kw_only=True):
    """A run's report as bytes; `without_end` is a newer run that has not ended, or None.

    `missing` are the shards of a group of which no run has ended.
    """

    run_id: str
    content: bytes
    without_end: str | None
    missing: Sequence[str] = ()


def report(state: str, run_id: str | None, render: Render, group: str | None = None) -> Rendered:
    """Render one run in a format: that id, or the latest `retrain run` that has ended; or the runs of a group as one.

    Of a group, "" is the newest.

    Raises:
        UsageError: the run or group does not exist or has not ended.
        StateError: the journal is missing, foreign or damaged.
    """
    missing: Sequence[str] = ()
    if group is None:
        history, without_end = _ended_run(state, run_id)
    else:
        history, without_end, missing = _ended_group(state, group)
    return Rendered(run_id=history.run_id, content=render(history), without_end=without_end, missing=missing)


def report_of(state: str, run_id: str) -> Report:
    """Return the report of a run, as `report` renders it. Raises as it does."""
    return build_report(_ended_run(state, run_id)[0])


def _ended_run(state: str, run_id: str | None) -> tuple[RunHistory, str | None]:
    """Return the requested run as it was at its end, and a newer run that has not ended, if any."""
    partitions, progresses = begun_partitions(state, always)
    progress = merged(progresses)
    started = {name: run.started for name, run in progress.runs.items()}
    open_runs = {name for name, run in progress.runs.items() if run.finished is None}
    newest = newest_run(started) or ""
    latest = newest_run({name: fact for name, fact in started.items() if name not in open_runs}) or newest
    chosen = latest if run_id is None or run_id == LATEST else full_run_id(progress.run_ids, run_id)
    if chosen in open_runs or not chosen:
        raise _refused(chosen or LATEST, progress.run_ids)
    without_end = newest if run_id in (None, LATEST) and newest in open_runs else None
    having = [part for part, known in zip(partitions, progresses, strict=True) if known.has_run(chosen)]
    return ended_run(having, chosen), without_end


def _ended_group(state: str, group: str) -> tuple[RunHistory, str | None, Sequence[str]]:
    """Return the runs of a group as one run, as they were at their ends; a member that has not ended, if any; and the
    shards of which none has ended. If one of them is there, the group has not done all of its work.
    """
    partitions, progresses = begun_partitions(state, never)  # a checkpoint leaves out older runs
    runs = merged(progresses).runs
    newest = next((run.started.group for run in reversed(runs.values()) if run.started.group), None)
    wanted = group or newest
    ids = [run_id for run_id, run in runs.items() if wanted and run.started.group == wanted]
    if not ids:
        raise UsageError(
            f"No run of this state is of the group {shown(group)}." if group else "No run of this state has a group.",
            hint="--group of a run gives one (`retrain run --help`); in a pipeline it is the id of the pipeline's run.",
        )
    ended = [run_id for run_id in ids if runs[run_id].finished is not None]
    if not ended:
        raise _refused(ids[-1], runs)
    histories = [
        ended_in(part, run_id)
        for run_id in ended
        for part, known in zip(partitions, progresses, strict=True)
        if known.has_run(run_id)
    ]
    without_end = next((run_id for run_id in ids if run_id not in ended), None)
    missing = _missing_shards(runs[ids[-1]].started, [runs[run_id].started for run_id in ended])
    return joined(ended[0], histories, finished=not missing and without_end is None), without_end, missing


def _missing_shards(newest: RunStarted, ended: Sequence[RunStarted]) -> Sequence[str]:
    """Return the shards of which no run has ended, if the newest run of the group is one of several."""
    try:
        of = 1 if newest.options.shard is None else read_shard(newest.options.shard, "the record of a run").of
    except UsageError:
        return ()  # it is data
    there = {started.options.shard for started in ended}
    return [text for number in range(1, of + 1) if of > 1 and (text := f"{number}/{of}") not in there]


def _refused(run_id: str, runs: Container[str]) -> UsageError:
    if run_id in runs:
        return UsageError(
            f"Run {run_id} has not ended.",
            hint="It is running, or it was cut off: then the next run ends it and continues.",
        )
    return UsageError("No run of this state has ended.", hint="`retrain run` makes one; check --state.")


def report_page(state: str, run_id: str, content: bytes | None = None) -> Path:
    """Return where a run's page is on this machine; it is fetched where the state is elsewhere.

    A state with partitions keeps no page of all of them: it is `content`, as it was rendered just now.

    Raises:
        StateError: it cannot be fetched or written.
    """
    place, name = open_state(state), f"runs/{run_id}/report.html"
    page = place.work.root / name
    if place.partitions > 1:
        if content is not None:
            _put_page(page, content)
    elif place.folder is None and not page.exists():
        try:
            with place.blobs.open(name) as stream:
                _put_page(page, stream.read())
        except FileNotFoundError:
            pass  # the caller says that it is gone
        except OSError as error:
            raise StateError(
                f"{place.blobs.shown(name)} cannot be read: {error.strerror}.",
                hint="Name a file to write it to: --out report.html.",
            ) from None
    return page


def _put_page(page: Path, content: bytes) -> None:
    try:
        make_folder(page.parent)
        write_whole(page, content)
    except OSError as error:
        raise StateError(
            f"{page} cannot be written: {error.strerror}.", hint="Name a file to write it to: --out report.html."
        ) from error


def write_report(file: Path, content: bytes, *, state: str = DEFAULT) -> None:
    """Write a report to a file of the user's; a new one in the state folder is for its owner alone.

    Raises:
        UsageError: it leads out of its checkout.
        RetrainError: it cannot be written.
    """
    refuse_link_out(file)
    try:
        folder = local_state(state)
        publish(file, content, new_mode=FILE_MODE if folder and lies_in(file, folder.root) else None)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise RetrainError(
            f"{file} cannot be written: {reason}.",
            hint="Name a file in a folder that exists and that you may write to.",
        ) from error


def run_shown(state: str, run_id: str) -> str | None:
    """Return how the folder of a run's files is named to people, or None if they are in partitions."""
    return open_state(state).blobs.shown(f"runs/{run_id}") if len(partitions_of(state)) == 1 else None


_LATEST = "latest"


class ShownModel(Struct, frozen=True, kw_only=True):
    """A model, and what the last run or decision that had it left to do."""

    model: ModelStatus
    next: NextStep | None


class ShownRun(Struct, frozen=True, kw_only=True):
    """The report of a run, and how those models are today that it asked something about and that are settled."""

    report: Report
    settled: tuple[ModelStatus, ...]


def show(state: str, subject: str) -> tuple[ShownModel, ...] | ShownRun:
    """Return a model with each service that has its history, or the report of a run: its id, or `latest`.

    Raises:
        UsageError: there is neither such a model nor such a run, or the run has not ended.
        StateError: the journal is missing, foreign or damaged.
    """
    with snapshot(state):
        return _shown(state, subject)


def _shown(state: str, subject: str) -> tuple[ShownModel, ...] | ShownRun:
    found = status(state)
    models = tuple(model for model in found.models if model.name == subject)
    if models:
        steps = next_steps(state, models)
        return tuple(ShownModel(model=model, next=steps.get((model.service, model.name))) for model in models)
    if subject == _LATEST or any(run_id.startswith(subject) for run_id in found.run_ids if subject):
        report = report_of(state, subject if subject == _LATEST else full_run_id(found.run_ids, subject))
        return ShownRun(report=report, settled=_settled(state, report, found.models))
    near = nearest(subject, [model.name for model in found.models])
    raise UsageError(
        f"No run of this state has a model {shown(subject)}, and no run has such an id.",
        hint=f"Did you mean {shown(near)}?" if near else "`retrain status` lists models, `retrain history` runs.",
    )


def _settled(state: str, report: Report, models: Sequence[ModelStatus]) -> tuple[ModelStatus, ...]:
    """Return the models whose next step is another one by now, or none."""
    asked = {model.name: model.next for model in report.models if model.next}
    today = [model for model in models if model.service == report.service and model.name in asked]
    steps = next_steps(state, today, as_reported=True)
    return tuple(model for model in today if steps.get((model.service, model.name)) != asked[model.name])

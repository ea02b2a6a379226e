"""`retrain report`: a finished run rendered again, from the journal alone."""

from collections.abc import Container
from pathlib import Path

from msgspec import Struct

from runner.app.audit.anchors import lies_in
from runner.app.state.open_state import local_state, open_state
from runner.app.state.read_state import full_run_id, opened_log
from runner.app.state.run_histories import ended_history
from runner.errors import RetrainError, StateError, UsageError
from runner.journal.checkpoint import read_progress
from runner.journal.folder import DEFAULT
from runner.journal.progress import newest_run
from runner.lib.atomic_files import FILE_MODE, make_folder, publish, write_whole
from runner.lib.paths import refuse_link_out
from runner.reports.build import build_report
from runner.reports.formats.registry import Render
from runner.reports.model import Report
from runner.reports.run_history import RunHistory

_LATEST = "latest"


class Rendered(Struct, frozen=True, kw_only=True):
    """A run's report as bytes; `without_end` is a newer run that has none yet, None where there is no such run."""

    run_id: str
    content: bytes
    without_end: str | None


def report(state: str, run_id: str | None, render: Render) -> Rendered:
    """Render one run in a format: that id, or the latest `retrain run` that has ended.

    Raises:
        UsageError: there is no such run, or it has not ended.
        StateError: the journal is missing, foreign or damaged.
    """
    history, without_end = _ended_run(state, run_id)
    return Rendered(run_id=history.run_id, content=render(history), without_end=without_end)


def report_of(state: str, run_id: str) -> Report:
    """Return the report of a run, as `report` renders it. Raises as it does."""
    return build_report(_ended_run(state, run_id)[0])


def _ended_run(state: str, run_id: str | None) -> tuple[RunHistory, str | None]:
    """Return the run that is meant, as it was at its end, and a newer run that has no end."""
    with opened_log(state) as (place, log):
        progress = read_progress(log, place.blobs)
        started = {name: run.started for name, run in progress.runs.items()}
        open_runs = {name for name, run in progress.runs.items() if run.finished is None}
        newest = newest_run(started) or ""
        latest = newest_run({name: fact for name, fact in started.items() if name not in open_runs}) or newest
        chosen = latest if run_id is None or run_id == _LATEST else full_run_id(progress.run_ids, run_id)
        if chosen in open_runs or not chosen:
            raise _refused(chosen or _LATEST, progress.run_ids)
        without_end = newest if run_id in (None, _LATEST) and newest in open_runs else None
        return ended_history(log, place.blobs, chosen), without_end


def _refused(run_id: str, runs: Container[str]) -> UsageError:
    if run_id in runs:
        return UsageError(
            f"Run {run_id} has not ended.",
            hint="It is running, or it was cut off: then the next run ends it and continues.",
        )
    return UsageError("No run of this state has ended.", hint="`retrain run` makes one; check --state.")


def report_page(state: str, run_id: str) -> Path:
    """Return where a run's page is on this machine; it is fetched where the state is elsewhere.

    Raises:
        StateError: it cannot be fetched.
    """
    place, name = open_state(state), f"runs/{run_id}/report.html"
    page = place.work.root / name
    if place.folder is None and not page.exists():
        try:
            with place.blobs.open(name) as stream:
                content = stream.read()
            make_folder(page.parent)
            write_whole(page, content)
        except FileNotFoundError:
            pass  # the caller says that it is gone
        except OSError as error:
            raise StateError(
                f"{place.blobs.shown(name)} cannot be read: {error.strerror}.",
                hint="Name a file to write it to: --out report.html.",
            ) from None
    return page


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

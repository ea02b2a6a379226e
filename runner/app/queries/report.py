"""`retrain report`: a finished run rendered again, from the journal alone."""

from collections.abc import Container
from pathlib import Path

from msgspec import Struct

from runner.app.audit.anchors import lies_in
from runner.app.state.open_state import local_state, open_state
from runner.app.state.read_state import full_run_id, reading
from runner.errors import RetrainError, StateError, UsageError
from runner.journal.event_buffer import EventBuffer
from runner.journal.events import RunFinished, RunStarted
from runner.journal.folder import DEFAULT
from runner.journal.progress import newest_run
from runner.lib.atomic_files import FILE_MODE, make_folder, publish, write_whole
from runner.lib.checkout_boundary import refuse_link_out
from runner.reports.build import build_report
from runner.reports.formats.registry import Render
from runner.reports.model import Report
from runner.reports.run_history import read_history

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
    chosen, links, without_end = _ended_run(state, run_id)
    return Rendered(run_id=chosen, content=render(read_history(links, chosen)), without_end=without_end)


def report_of(state: str, run_id: str) -> Report:
    """Return the report of a run, as `report` renders it. Raises as it does."""
    chosen, links, _ = _ended_run(state, run_id)
    return build_report(read_history(links, chosen))


def _ended_run(state: str, run_id: str | None) -> tuple[str, EventBuffer, str | None]:
    """Return the run that is meant, the journal, and a newer run that has no end."""
    links, runs, ended = EventBuffer(), dict[str, RunStarted](), set[str]()
    with reading(state) as (_folder, events):
        for event in events:
            links.append(event)
            if isinstance(event.event.fact, RunStarted):
                runs[event.event.run_id] = event.event.fact
            elif isinstance(event.event.fact, RunFinished):
                ended.add(event.event.run_id)
    newest = newest_run(runs) or ""
    latest = newest_run({run: started for run, started in runs.items() if run in ended}) or newest
    chosen = latest if run_id is None or run_id == _LATEST else full_run_id(runs, run_id)
    if chosen not in ended:
        raise _refused(chosen or _LATEST, runs)
    return chosen, links, newest if run_id in (None, _LATEST) and newest not in ended else None


def _refused(run_id: str, runs: Container[str]) -> UsageError:
    if run_id in runs:
        return UsageError(
            f"Run {run_id} has not ended.",
            hint="It is under way, or was cut off: then the next `retrain run` ends it and continues.",
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

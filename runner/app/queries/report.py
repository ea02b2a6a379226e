"""`retrain report`: a finished run rendered again, from the journal alone."""

from collections.abc import Container
from pathlib import Path

from msgspec import Struct

from runner.app.audit.anchors import lies_in
from runner.app.state.read_state import reading
from runner.errors import RetrainError, UsageError
from runner.journal.event_buffer import EventBuffer
from runner.journal.events import RunFinished, RunStarted
from runner.journal.folder import DEFAULT, state_folder
from runner.journal.progress import newest_run
from runner.lib.atomic_files import FILE_MODE, publish
from runner.lib.checkout_boundary import refuse_link_out
from runner.reports.build import read_history
from runner.reports.formats.registry import Render

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
    chosen = latest if run_id is None or run_id == _LATEST else run_id
    if chosen not in ended:
        raise _refused(chosen or _LATEST, runs)
    content = render(read_history(links, chosen))
    without_end = newest if run_id != chosen and newest not in ended else None
    return Rendered(run_id=chosen, content=content, without_end=without_end)


def _refused(run_id: str, runs: Container[str]) -> UsageError:
    if run_id in runs:
        return UsageError(
            f"Run {run_id} has not ended.",
            hint="It is under way, or was cut off: then the next `retrain run` ends it and goes on.",
        )
    return UsageError(f"The journal has no run {run_id}.", hint="`retrain history` lists the runs; check --state.")


def write_report(file: Path, content: bytes, *, state: str = DEFAULT) -> None:
    """Write a report to a file of the user's; a new one in the state folder is for its owner alone.

    Raises:
        UsageError: it leads out of its checkout.
        RetrainError: it cannot be written.
    """
    refuse_link_out(file)
    try:
        publish(file, content, new_mode=FILE_MODE if lies_in(file, state_folder(state).root) else None)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise RetrainError(
            f"{file} cannot be written: {reason}.",
            hint="Name a file in a folder that exists and that you may write to.",
        ) from error

"""`retrain state accept-loss`: continue from a journal that has lost events; a person decides about each model."""

from datetime import timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.provenance import ci_actor, tool
from runner.app.state.loss import losses, way_back
from runner.app.state.open_state import open_state
from runner.app.state.read_state import read_progress
from runner.app.state.session import Session, unchecked_session
from runner.app.state.unrecorded_files import Finding
from runner.errors import ExitCode, StateError, UsageError
from runner.execute.progress_events import Listener, unheard
from runner.journal.checkpoint import never, show_checkpoint
from runner.journal.end_marks import require_writable
from runner.journal.events import Draft, Fact, LossAccepted
from runner.journal.lock import current_user
from runner.lib.atomic_files import is_real_folder, make_folder, sync_folder
from runner.lib.timestamps import stamp


class AcceptLossRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain state accept-loss`."""

    reason: str
    state: str
    lock_timeout: timedelta = timedelta(0)
    listener: Listener = unheard


def missing_history(state: str) -> tuple[Finding, ...]:
    """Return what shows that the journal has lost events. It is read only, and no lock is needed.

    Raises:
        UsageError: there is no journal, or nothing is missing.
        StateError: the journal is missing, foreign or damaged.
    """
    place = open_state(state)
    if place.folder is None:
        raise UsageError(
            "A loss is accepted in a folder only, where what the journal does not know can be set aside.",
            hint=way_back(place),
        )
    store = place.read_log()
    if store is None:
        raise UsageError(f"There is no journal in {place.address}.", hint="Begin with `retrain run`, or check --state.")
    try:
        return _missing(losses(place, store, read_progress(state)))
    finally:
        store.close()


def accept_loss(request: AcceptLossRequest) -> Path | None:
    """Record that events are lost, and return where files lie now that the journal does not know; None without any.

    Raises:
        UsageError: there is no reason, nothing is missing, or the journal has no run to continue from.
        LockedError, StateError: as for each command that changes something.
    """
    if not request.reason.strip():
        raise UsageError("A loss needs a reason.", hint='Say what happened: --reason "the disk failed".')
    with unchecked_session(
        request.state, lock_timeout=request.lock_timeout, listener=request.listener, enough=never
    ) as opened:
        missing = _missing(opened.missing)
        if not opened.progress.runs:
            raise UsageError(
                f"The journal in {opened.folder.root} has no run to continue from.",
                hint="Restore the newest copy of the state folder, or start again in another folder with --state.",
            )
        require_writable(opened.progress.lineage or "")
        _record(opened, missing, request.reason)
        aside = _set_aside(opened)
        show_checkpoint(opened.state.blobs, None)
        opened.store.settle()
        opened.close_lost_runs()
        opened.finish(ExitCode.OK, None)
        return aside


def _missing(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if not found:
        raise UsageError(
            "Nothing is missing from the journal.", hint="There is no loss to accept; continue with `run`."
        )
    return found


def _record(opened: Session, missing: tuple[Finding, ...], reason: str) -> None:
    """Write the run's begin and the loss in one transaction."""
    last = next(reversed(opened.progress.runs.values()))
    facts: tuple[Fact, ...] = (
        replace(
            last.started,
            tool=tool(),
            actor=current_user(),
            ci_actor=ci_actor(),
            options={"command": "state accept-loss"},
        ),
        LossAccepted(
            missing=tuple(f"{finding.where} {finding.what}" for finding in missing), by=current_user(), reason=reason
        ),
    )
    at = stamp(opened.clock.now())
    opened.recorder.append([Draft(at=at, run_id=opened.run_id, model=None, fact=fact) for fact in facts])


def _set_aside(opened: Session) -> Path | None:
    """Move what the journal does not know, and what is not a folder, out of the run folders; nothing is removed."""
    folder, progress = opened.folder, opened.progress
    aside = folder.lost / opened.run_id
    unknown = [
        path
        for path in _entries(folder.runs)
        if path != folder.latest and (path.name not in progress.runs or not is_real_folder(path))
    ]
    reports = [
        path
        for run in progress.runs.values()
        if run.report is None and run.run_id != opened.run_id
        for path in _entries(folder.run_folder(run.run_id))
        if path.name != "results"
    ]
    try:
        for path in (*unknown, *reports):
            target = make_folder(aside / path.parent.relative_to(folder.runs)) / path.name
            path.rename(target)
            sync_folder(target.parent)
    except OSError as error:
        raise StateError(
            f"{error.filename} cannot be moved to {aside}: {error.strerror}.",
            hint="Correct the permissions, then run the command again.",
        ) from error
    return aside if unknown or reports else None


def _entries(folder: Path) -> list[Path]:
    """Return what can be seen in a folder; nothing of a link, whose target is not ours."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if is_real_folder(folder) else []

"""A command that changes something: the lock, the journal, the run's record, and its files at the end."""

import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.provenance import SystemClock, ci_actor, ci_job, manifest_record, new_run_id, tool
from runner.app.service import TargetService
from runner.app.state.loss import losses, refuse
from runner.app.state.open_state import open_state
from runner.app.state.partitions import whole_of
from runner.app.state.read_state import knows_approved, named_jobs
from runner.app.state.run_histories import ended_history, history_of
from runner.app.state.unrecorded_files import Finding
from runner.errors import ExitCode, LockedError, StateError, too_large
from runner.execute.commands import Clock
from runner.execute.model_run import Recorder
from runner.execute.progress_events import Listener, Preparing, unheard
from runner.journal.checkpoint import (
    Enough,
    File,
    always,
    free_file,
    keep_checkpoint,
    read_progress,
    show_checkpoint,
)
from runner.journal.events import ReportWritten, RunFinished, RunOptions, RunStarted
from runner.journal.folder import ANSWERS, StateFolder
from runner.journal.forms import DEFAULT
from runner.journal.lock import current_user
from runner.journal.progress import Progress
from runner.journal.state_store import EventLog, Lease, StateStore
from runner.lib.atomic_files import open_file
from runner.manifest.model import Manifest
from runner.plan.document import StateMark, state_mark
from runner.plan.eligibility import cut
from runner.plan.model_plan import state_option
from runner.reports.build import build_report
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import chart
from runner.reports.model import Report
from runner.reports.run_history import RunHistory


class Session(Struct, frozen=True, kw_only=True):
    """An open run. `recorder` is its only writer; `found` is where the journal was before it wrote anything, and
    `found_at` the stamp of its last event.

    `name` is what the command called the state, which may have more partitions than this one. `hold` is the lock under
    which it runs; `missing` says what shows that the journal has lost events.
    """

    run_id: str
    name: str
    state: StateStore
    store: EventLog
    progress: Progress
    clock: Clock
    recorder: Recorder
    found: StateMark
    found_at: str | None
    lease: Lease
    missing: tuple[Finding, ...] = ()

    @property
    def partition(self) -> str:
        """Return the address of the partition that is held, where the state has several; else that of the state."""
        return self.state.address

    @property
    def whole(self) -> StateStore:
        """Return the whole state, of which one partition may be held."""
        return open_state(self.name)

    @property
    def command(self) -> str:
        """Return the command whose run this is, once it has begun."""
        return self.progress.runs[self.run_id].started.command

    @property
    def folder(self) -> StateFolder:
        """Return the folder of this machine that the run works in."""
        return self.state.work

    @property
    def run_folder(self) -> Path:
        """Return the folder of this run's files."""
        return self.folder.run_folder(self.run_id)

    def require(self, enough: Enough) -> None:
        """Read the whole journal where its checkpoint has left out what is asked for now.

        Raises:
            StateError: it cannot be read.
        """
        if self.progress.checkpoint_at is not None and not enough(self.progress):
            self.progress.take_over(Progress(self.store.read()))

    def start(  # noqa: PLR0913 -- what the first event of a run says, named one by one
        self,
        manifest: Manifest,
        service: TargetService,
        paths: tuple[str, ...],
        options: RunOptions,
        *,
        group: str | None = None,
        seen_events: tuple[int, ...] = (),
    ) -> None:
        """Record that the run began, the group of the runs it is reported with, and how far other partitions were."""
        state = None if self.name == DEFAULT else self.name
        partition = None if self.partition == self.whole.address else self.partition
        started = RunStarted(
            tool=tool(),
            actor=current_user(),
            ci_actor=ci_actor(),
            ci_job=ci_job(),
            group=group,
            service=service.name,
            paths=paths,
            manifest=manifest_record(manifest),
            options=replace(options, state=state, partition=partition),
            seen_events=seen_events,
        )
        self.recorder.run_fact(started)
        if knows_approved(service.name, manifest)(self.progress):
            self.progress.named |= named_jobs(service.name, manifest)

    def finish(self, code: ExitCode, stopped: str | None) -> Report:
        """Record the end, write the run's files, and return the report."""
        with ThreadPoolExecutor(1) as pool:
            free = pool.submit(free_file, self.state.blobs)
            self.recorder.run_fact(RunFinished(exit_code=int(code), stopped=stopped))
            return self.write_files(self.run_id, free.result())

    def _answers(self, run_id: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield what the service said, if the run's files are not on this machine; it proves nothing."""
        answers = self.folder.run_folder(run_id) / ANSWERS
        if self.state.folder is None and answers.exists():
            with open_file(answers) as stream:
                yield ANSWERS, stream

    def write_files(self, run_id: str, free: File | None = None) -> Report:
        """Render a finished run's files from the journal, and record their digests; `free` is for its checkpoint."""
        from runner.reports.formats.render import each_file  # noqa: PLC0415 -- 4 MiB that are needed when uploads are over

        history, small = self._history(run_id), self._for_checkpoint(run_id)
        with ThreadPoolExecutor(1) as pool:
            elsewhere = self.state.folder is None  # then storing is waiting
            keep = partial(keep_checkpoint, self.state.blobs, small, free) if small else lambda: None
            kept = pool.submit(keep) if elsewhere else None
            digests, report = self._write(run_id, each_file(history)), build_report(history)
            checkpoint = kept.result() if kept else keep()
            # Shown a moment too early it is not believed: no event names it yet.
            show = partial(show_checkpoint, self.state.blobs, checkpoint)
            shown = pool.submit(show) if checkpoint and elsewhere else None
            sha256 = None if checkpoint is None else checkpoint.sha256
            self.recorder.run_fact_for(run_id, ReportWritten(files=digests, checkpoint=sha256))
            if shown:
                shown.result()
            elif checkpoint:
                show()
        return report

    def _history(self, run_id: str) -> RunHistory:
        """Return a run as it was at its end; that of the last event is what is known now."""
        if self.progress.runs[run_id].head == self.progress.head:
            return history_of(self.store, self.progress, run_id)
        return ended_history(self.store, self.state.blobs, run_id)

    def _for_checkpoint(self, run_id: str) -> Progress | None:
        """Return what to store at the end of this run, if more happened since the last time than it costs to write."""
        head, before = self.progress.head, self.progress.checkpoint_at
        few = head is not None and before is not None and head[0] - before < len(self.progress.models)
        if few or run_id != next(reversed(self.progress.runs)):
            return None
        limits = PolicyLimits()
        return cut(self.progress, lambda model, job: chart(model, job, limits))

    def _write(self, run_id: str, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        """Write a run's files, and return their SHA-256 by their names."""
        place, blobs = f"runs/{run_id}", self.state.blobs
        try:
            every = chain(files, self._answers(run_id))
            found = blobs.put_all((f"{place}/{name}", pieces) for name, pieces in every)
            of_a_run = self.progress.runs[run_id].started.command == "run"
            if run_id == self.run_id and of_a_run and self.state.folder is not None:
                self.state.folder.point_latest(run_id)
        except OSError as error:
            raise StateError(
                f"The report of run {run_id} in {blobs.shown(place)} could not be written: {error.strerror}.",
                hint="Make room or correct the permissions; the next run writes it from the journal.",
            ) from error
        digests = {name.removeprefix(f"{place}/"): sha256 for name, sha256 in found.items()}
        return {name: sha256 for name, sha256 in digests.items() if name != ANSWERS}

    def close_lost_runs(self) -> list[str]:
        """End the runs that a crash left without an end, write their reports, and return their ids.

        Raises:
            LockedError: one of them may still be alive.
        """
        lost = [run.run_id for run in self.progress.runs.values() if run.report is None and run.run_id != self.run_id]
        alive = next((run_id for run_id in lost if not self.lease.has_ended(run_id)), None)
        if alive is not None:
            raise LockedError(
                f"Run {alive} has not ended, and its lease on the state {self.state.address} is still young.",
                hint="Wait for it to end. Where it was killed, its lease ends soon; then the next run continues.",
            )
        self.folder.clear_leftovers(lost)
        for run_id in lost:
            if self.progress.runs[run_id].finished is None:
                self.recorder.run_fact_for(run_id, RunFinished(exit_code=int(ExitCode.UNFINISHED), stopped="lost"))
            self.write_files(run_id)
        return lost


class Partition(Struct, frozen=True, kw_only=True):
    """A partition to hold; `run_id` is that of the run in all partitions it works on, None for a new one."""

    address: str
    run_id: str | None = None


def refuse_moved(progress: Progress, place: StateStore) -> None:
    """Raise a StateError where the state is at another address by now: nothing more is written to its old journal."""
    if progress.moved_to is not None:
        now = whole_of(progress.moved_to) or progress.moved_to
        raise StateError(
            f"The state {whole_of(place.address) or place.address} has moved to {now}.",
            hint=f"Run the command with {state_option(now).strip()}; a state in two places trains twice.",
        )


def refuse_copy(place: StateStore) -> None:
    """Raise a StateError where the state is a copy that was pulled: what is done there is unknown to the original."""
    origin = place.folder.copied_from() if place.folder is not None else None
    if place.folder is not None and origin is not None:
        own, whole = shlex.quote(str(place.folder.origin)), whole_of(str(place.folder.root.absolute()))
        if whole is not None and whole_of(origin) is not None:  # each partition says it
            origin = whole_of(origin) or origin
            own = f"{shlex.quote(str(place.folder.root.parent))}/*/{place.folder.origin.name}"
        raise StateError(
            f"The state {whole or place.address} is a copy of {origin}, and a state in two places trains twice.",
            hint=f"Run the command with {state_option(origin).strip()}. If the original is gone or nobody uses it, "
            f"make the copy an independent state: `rm {own}`.",
        )


@contextmanager
def session(
    state: str,
    *,
    lock_timeout: timedelta,
    listener: Listener = unheard,
    enough: Enough = always,
    partition: Partition | None = None,
) -> Iterator[Session]:
    """Hold the state for one command that changes something; `listener` is told when that has to wait, and for whom.

    `enough` says whether what a checkpoint keeps of the journal is all that the command asks for. With `partition` that
    one is held, and no other.

    Raises:
        LockedError: another run holds it.
        StateError: it is missing, foreign, damaged or cannot be written, or events are missing from its journal.
    """
    unchecked = unchecked_session(
        state, lock_timeout=lock_timeout, listener=listener, enough=enough, partition=partition
    )
    with unchecked as opened:
        refuse(open_state(state), opened.missing)
        refuse_moved(opened.progress, opened.state)
        refuse_copy(opened.state)
        opened.store.settle()
        opened.close_lost_runs()
        if opened.state.folder is None:
            opened.folder.clear_copies(opened.run_id)
        yield opened


@contextmanager
def unchecked_session(  # noqa: PLR0913 -- how a state is held, named one by one
    state: str,
    *,
    lock_timeout: timedelta,
    listener: Listener = unheard,
    enough: Enough = always,
    partition: Partition | None = None,
    afresh: bool = False,
) -> Iterator[Session]:
    """Hold the state, whatever is missing from its journal; `missing` says it. Raises as `session` otherwise.

    With `afresh` the journal is read from the state itself, and a copy that this machine has of it is only compared.
    """
    clock, place = SystemClock(), open_state(partition.address if partition else state)
    run_id = partition.run_id if partition and partition.run_id else new_run_id(clock.now())
    place.require_journal()
    if lock_timeout and (held := place.holder()) is not None:
        listener(None, Preparing(what=f"waiting for {held.who} to end"))
    with place.lease(run_id, timeout=lock_timeout.total_seconds()) as lease:
        store = place.open_log(afresh=afresh)
        try:
            progress = _taken_in(store, place, enough)
            recorder = Recorder(store=store, progress=progress, clock=clock, run_id=run_id)
            yield Session(
                run_id=run_id,
                name=state,
                state=place,
                store=store,
                progress=progress,
                clock=clock,
                recorder=recorder,
                found=state_mark(progress),
                found_at=progress.last_at,
                lease=lease,
                missing=losses(place, store, progress, afresh=afresh),
            )
        finally:
            store.close()


def _taken_in(store: EventLog, place: StateStore, enough: Enough) -> Progress:
    try:
        return read_progress(store, place.blobs, enough)
    except MemoryError:
        raise too_large(place.folder.journal if place.folder else place.address) from None

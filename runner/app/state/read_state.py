"""What the journal already knows, for commands that only read it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from runner.app.state.open_state import local_state, open_state
from runner.app.state.partitions import each_progress, has_run, partitions_of, whole_of
from runner.errors import RetrainError, StateError, UsageError, too_large
from runner.journal.chain import Link
from runner.journal.checkpoint import Enough, always
from runner.journal.progress import Progress, RunRecord, merged
from runner.journal.state_store import EventLog, StateStore
from runner.lib.text import did_you_mean, shown
from runner.lib.timestamps import NOTICED, moment, seconds_text
from runner.manifest.load import load, usual_paths
from runner.manifest.model import Manifest
from runner.manifest.service import select
from runner.plan.model_plan import run_command, state_option

Warn = Callable[[str], None]


def silent(_text: str) -> None:
    """Tell nobody."""


def warn_of_future(last: str | None, warn: Warn) -> None:
    """Warn where the stamp of a journal's last event is in the future of this machine's clock, by over a minute."""
    now = datetime.now(UTC)
    if last is None or moment(last) - now <= NOTICED:
        return
    warn(
        f"The journal's last event is of {seconds_text(moment(last))}, and this machine's clock shows "
        f"{seconds_text(now)}: one of the machines that use this state has a wrong clock. Set them by a time server."
    )


def warn_of_state(progress: Progress, warn: Warn) -> None:
    """Warn where a state was moved away from here, and where its last event is in the future."""
    warn_of_future(progress.last_at, warn)
    if progress.moved_to is not None:
        now = whole_of(progress.moved_to) or progress.moved_to
        warn(f"This state was moved, and nothing is added here. See it with{state_option(now)}.")


_MOST_LISTED = 5
_TAG = "tag:"


@contextmanager
def opened_log(state: str) -> Iterator[tuple[StateStore, EventLog]]:
    """Give the state and its journal, open for reading.

    Raises:
        UsageError: no run has been yet.
        StateError: the journal is missing, foreign or damaged.
    """
    place = open_state(state)
    log = place.read_log()
    if log is None:
        raise no_journal(place)
    try:
        yield place, log
    except MemoryError:
        raise too_large(place.folder.journal if place.folder else place.address) from None
    finally:
        log.close()


@contextmanager
def reading(state: str) -> Iterator[tuple[StateStore, Iterator[Link]]]:
    """Give the state and all of the journal's events, each checked against the chain. Raises as `opened_log`."""
    with opened_log(state) as (place, log):
        yield place, log.read()


def no_journal(place: StateStore) -> UsageError:
    """Return the error for a state in which no run has been yet."""
    return UsageError(f"There is no journal in {place.address}.", hint="Begin with `retrain run`, or check --state.")


def read_begun(state: str, enough: Enough = always) -> Progress:
    """Return the same as `read_progress`; raises a UsageError where no run has been yet."""
    progress = read_progress(state, enough)
    if progress.head is None:
        raise no_journal(open_state(state))
    return progress


def each_reading(state: str) -> Iterator[tuple[StateStore, Iterator[Link]]]:
    """Yield the same for each partition that a run has worked on; raises a UsageError if no run has been yet."""
    partitions = partitions_of(state)
    begun = [part for part in partitions if len(partitions) == 1 or has_run(part)]
    if not begun:
        raise UsageError(f"No run has been yet in {state}.", hint="Begin with `retrain run`, or check --state.")
    for part in begun:
        with reading(part) as found:
            yield found


def read_progress(state: str, enough: Enough = always) -> Progress:
    """Return the progress that the journal shows, which is empty before the first run.

    `enough` says whether what a checkpoint keeps of it is all that is asked for.

    Raises:
        StateError: the journal is missing, foreign or damaged.
    """
    return merged(read_each(partitions_of(state), enough))


def read_each(partitions: Sequence[str], enough: Enough = always) -> list[Progress]:
    """Return the same of each partition; raises as `read_progress`."""
    try:
        return each_progress(partitions, enough)
    except MemoryError:
        raise too_large(open_state(partitions[0]).work.journal) from None


def knows_approved(service: str, manifest: Manifest) -> Enough:
    """Return a check: does a progress know each job that the manifest's approvals name, or that it does not exist?"""
    named = named_jobs(service, manifest)
    return lambda progress: all(progress.jobs_named(*place, jobs) for place, jobs in named.items())


def named_jobs(service: str, manifest: Manifest) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return the jobs that the manifest's approvals name, by service and the name they use for the model."""
    found: dict[tuple[str, str], set[str]] = {(service, name): set() for name in manifest.models}
    for approval in manifest.approvals:
        found.setdefault((service, approval.model), set()).add(approval.retrain_job_id)
    return {place: frozenset(jobs) for place, jobs in found.items()}


def knows_job(model: str, job: str | None) -> Enough:
    """Return a check: does a progress have this job of a model, by its whole id, with all that a decision needs?"""
    return lambda progress: (
        job is None
        or any(
            name == model and job in known.jobs and job not in known.settled
            for (_, name), known in progress.models.items()
        )
    )


def seen_models(
    seen: Mapping[str, object], runs: Sequence[RunRecord], selectors: Sequence[str], manifest: Sequence[Path]
) -> set[str]:
    """Return the models of the journal that `NAME` and `tag:T` selectors choose; all without selectors.

    Names are those that any run had, also when the manifest has them no more. Tags are in the manifest: the one
    given, or that of the last run.

    Raises:
        UsageError: a selector names nothing, or the last run's manifest is not found from here.
        ManifestError: the manifest with the tags is invalid.
    """
    if not selectors:
        return set(seen)
    names = [selector for selector in selectors if not selector.startswith(_TAG)]
    for name in names:
        require_seen(seen, name)
    tags = [selector for selector in selectors if selector.startswith(_TAG)]
    tagged = select(load(manifest or last_paths(runs)), tags) if tags else ()
    return {*names, *(model.name for model in tagged)}


def names_now(progress: Progress, names: Sequence[str]) -> list[str]:
    """Return what the models of these names are called now; a name that is in use is taken for itself."""
    used = {name for _, name in progress.models}
    now = {old: name for (_, name), model in progress.models.items() for old in model.former_names if old not in used}
    return [now.get(name, name) for name in names]


def require_seen(seen: Iterable[str], name: str) -> None:
    """Raise a UsageError when no run of the journal had the model."""
    known = list(seen)
    if name not in known:
        hint = did_you_mean(name, known, otherwise="`retrain status` lists the models; check --state.")
        raise UsageError(f"No run of this state has a model {shown(name)}.", hint=hint)


def full_run_id(known: Collection[str], given: str) -> str:
    """Return the run that is meant: that id, or the only one that begins with it.

    Raises:
        UsageError: no run, or more than one run, has an id that begins with this text.
    """
    found = [given] if given in known else [run_id for run_id in known if given and run_id.startswith(given)]
    if len(found) == 1:
        return found[0]
    if found:
        shown_ids = ", ".join(found[-_MOST_LISTED:])
        raise UsageError(f"{len(found)} runs begin with {shown(given)}.", hint=f"Give more of it: {shown_ids}.")
    hint = did_you_mean(given, known, otherwise="`retrain history` lists the runs; check --state.")
    raise UsageError(f"The journal has no run {shown(given)}.", hint=hint)


def refuse_of_the_state(record: RunRecord, paths: Sequence[Path], root: Path) -> None:
    """Refuse a recorded manifest in the state: whoever can write there would choose the commands that print the keys.

    Raises:
        StateError: one of the paths leads into the state folder.
    """
    inside = next((path for path in paths if path.resolve().is_relative_to(root.resolve())), None)
    if inside is not None:
        raise StateError(
            f"The manifest of run {record.run_id}, {inside}, is in the state folder {root}, so it is not read.",
            hint="Name your own manifest with --manifest.",
        )


def last_run_command(state: str) -> str | None:
    """Return a run's command, without the state, with a manifest that is found from here; None if none is found.

    It is that of the last run, which a state elsewhere is not asked for, else the usual one of this folder.
    """
    with suppress(RetrainError, OSError):
        if local_state(state) is not None:
            begun = [run.started for run in read_progress(state).runs.values() if run.started.paths]
            if begun and all(Path(path).exists() for path in begun[-1].paths):
                return run_command(begun[-1].paths, emulator=begun[-1].is_emulator, state="")
    return "retrain run" if usual_paths() else None


def last_paths(runs: Sequence[RunRecord]) -> list[Path]:
    """Return the paths of the last run's manifest, as seen from the current folder.

    Raises:
        UsageError: no run recorded a manifest, or a path does not exist.
    """
    paths = [Path(path) for path in runs[-1].started.paths] if runs else []
    missing = [str(path) for path in paths if not path.exists()]
    if not paths:
        raise UsageError("No manifest is recorded in this state.", hint="Name the manifest with --manifest.")
    if missing:
        raise UsageError(
            f"The manifest of the last run, {', '.join(missing)}, is not found from this folder.",
            hint="Go to the folder that the run was started in, or name the manifest with --manifest.",
        )
    return paths

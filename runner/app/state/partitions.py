"""The partitions of a state, and where in them the history of a model is.

A command about one model works on the partition of that model, a run on those of its share; the others read all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from runner.app.state.open_state import local_state, open_state
from runner.errors import LockedError, StateError, UsageError
from runner.journal.checkpoint import Enough, always, read_progress
from runner.journal.lock import Held, Holder, break_lock, current_holder
from runner.journal.partitions import FOLDER, home_by_name, lineage_of, part_name, witnessed
from runner.journal.progress import Progress, merged
from runner.journal.state_store import StateStore
from runner.lib.parallel import map_in_threads
from runner.manifest.model import Manifest
from runner.plan.model_plan import state_option
from runner.plan.renames import due_moves

_READERS = 16
_PART = re.compile(rf"(?P<whole>.+)/{FOLDER}/[0-9]{{4}}(?P<rest>(\?.*)?)", re.DOTALL)
_BLOBS = re.compile(rf"([?&]blobs=[^&]+)/{FOLDER}/[0-9]{{4}}")  # those of a partition in a database
_SCHEMA = re.compile(r"(?P<whole>.+[?&]schema=[a-z_][a-z0-9_]*)_p[0-9]{4}(?P<rest>([&#].*)?)", re.DOTALL)


def partitions_of(state: str) -> tuple[str, ...]:
    """Return the addresses of the state's partitions; of one without any it is the state's own.

    Raises:
        StateError: the state does not exist or cannot be read, or its partitions are not those it began with.
    """
    place = open_state(state)
    count = place.partitions
    if count == 1:
        return (state,)
    parts = tuple(place.part(number) for number in range(count))
    _require_same(place, parts)
    return parts


def _require_same(place: StateStore, parts: Sequence[str]) -> None:
    """Refuse a state whose partitions were replaced: models without their history would be trained again."""
    lineages = map_in_threads(lambda part: open_state(part).lineage, parts, min(len(parts), _READERS))
    if lineage_of(lineages) == place.lineage:
        return
    gone = next((part for part, lineage in zip(parts, lineages, strict=True) if not lineage), None)
    what = f"{gone} is gone." if gone else "one was replaced, or their number was changed."
    raise StateError(
        f"The partitions of the state {place.address} are not those that it began with: {what}",
        hint="Restore the whole state from a copy; without a history its models would be trained again.",
    )


def whole_of(state: str) -> str | None:
    """Return the address of the state that this one is a partition of by its name, or None."""
    found = (_SCHEMA if "schema=" in state else _PART).fullmatch(state)
    return _BLOBS.sub(r"\1", found["whole"] + found["rest"]) if found is not None else None


def written_at(place: StateStore, progress: Progress) -> str | None:
    """Return the address of the state that is written instead of this one, which was moved there or copied from it."""
    address = progress.moved_to or (place.folder.copied_from() if place.folder is not None else None)
    return address and (whole_of(address) or address)


@contextmanager
def snapshot(state: str) -> Iterator[None]:
    """Show the journals as they are at the first read, without asking for them again."""
    with ExitStack() as stack:
        for place in map(open_state, partitions_of(state)):
            stack.enter_context(place.snapshot())
        yield


def _whole(part: StateStore) -> str | None:
    return whole_of(part.address if part.folder is None else str(part.folder.root.resolve()))


def refuse_part(state: str) -> None:
    """Refuse one partition, at whatever address, where a whole state is needed: its other models would look new.

    Raises:
        UsageError: the state is a partition.
        StateError: that cannot be looked up.
    """
    place = open_state(state)
    if place.number is None:
        return
    whole = _whole(place)
    raise UsageError(
        f"{state} is partition {part_name(place.number)} of a state, and this command is for the whole state.",
        hint=f"Give{state_option(whole) if whole else ' the address of the whole state'}; a run with --shard takes a "
        "share of its partitions.",
    )


def each_progress(partitions: Sequence[str], enough: Enough = always) -> list[Progress]:
    """Return what the journal of each partition of a state shows; nothing where no run has been yet.

    Raises:
        StateError: one of them is missing, foreign or damaged, or an older copy of itself.
    """
    found = _each_progress(partitions, enough)
    for number, lost in _older(partitions, found).items():
        part = partitions[number]
        raise StateError(
            f"The journal of {part} {lost}.",
            hint="Restore the newest copy of it, or of the whole state. Where that is gone for good, look in the "
            'product for newer jobs, then run `retrain state accept-loss --reason "..."'
            f"{state_option(part)}`.",
        )
    return found


def older_partitions(state: str) -> dict[int, str]:
    """Return which partitions are older copies of themselves, and how, as a clause; the state may be one of them.

    Raises:
        StateError: one of them is missing, foreign or damaged.
    """
    place = open_state(state)
    whole = state if place.number is None else _whole(place)
    partitions = (state,) if whole is None else partitions_of(whole)
    return _older(partitions, _each_progress(partitions, always, afresh=True))  # a copy may know what is lost


def _each_progress(partitions: Sequence[str], enough: Enough, *, afresh: bool = False) -> list[Progress]:
    read = partial(_progress, enough=enough, afresh=afresh)
    if len(partitions) == 1 or local_state(partitions[0]) is not None:
        return [read(partition) for partition in partitions]
    return map_in_threads(read, partitions, _READERS)  # it waits for the store


def _older(partitions: Sequence[str], progresses: Sequence[Progress]) -> dict[int, str]:
    """Return which journals are shorter than runs in other partitions saw them, and how, as a clause.

    A partition that was read before those runs began is looked at again. A loss that was accepted since counts no more.
    """
    seen = dict[int, tuple[int, str]]()
    for number, progress in enumerate(progresses):
        for run in progress.runs.values():
            for other, events in zip(witnessed(number, len(partitions)), run.started.seen_events, strict=False):
                loss = progresses[other].loss
                if loss is None or loss.at < run.started_at:
                    seen[other] = max(seen.get(other, (0, "")), (events, run.run_id))
    found = dict[int, str]()
    for number, (events, run_id) in seen.items():
        if events_of(progresses[number]) < events and (now := _events_in(partitions[number], afresh=True)) < events:
            found[number] = (
                f"has {now} events, and run {run_id} in another partition has seen {events} of them: it was cut, or "
                "replaced by an older copy"
            )
    return found


def events_of(progress: Progress) -> int:
    """Return how many events a journal has, without the one that says the state has moved: its copy has no such."""
    events, _ = progress.head or (0, "")
    return events - (progress.moved_to is not None)


def has_run(partition: str) -> bool:
    """Return whether the journal of a partition has any event.

    Raises:
        StateError: it is missing, foreign or damaged.
    """
    return _events_in(partition) > 0


def _events_in(partition: str, *, afresh: bool = False) -> int:
    log = open_state(partition).read_log(afresh=afresh)
    if log is None:
        return 0
    try:
        return log.extent()[0]
    finally:
        log.close()


def _progress(state: str, enough: Enough, *, afresh: bool) -> Progress:
    place = open_state(state)
    log = place.read_log(afresh=afresh)
    if log is None:
        return Progress()
    try:
        return read_progress(log, place.blobs, enough)
    finally:
        log.close()


def partition_of(state: str, model: str, service: str | None = None) -> str:
    """Return the partition to decide about a model in: that of its history, on this service before others.

    Raises:
        StateError: the state cannot be read.
    """
    partitions = partitions_of(state)
    if len(partitions) == 1:
        return state
    known = known_homes(each_progress(partitions), service)
    return partitions[known.get(model, home_by_name(model, len(partitions)))]


def homes(manifest: Manifest, service: str, progresses: Sequence[Progress]) -> Mapping[str, int]:
    """Return the number of the partition of each model in the manifest.

    A history stays where it began, also under a new name. Without one, the name says where it begins.

    Raises:
        UsageError: two models exchange their names, and their histories are in different partitions.
    """
    known = known_homes(progresses, service)
    moves = due_moves(manifest, merged(progresses).known(service)).old_names
    for new, old in moves.items():
        if known.get(new, known[old]) != known[old]:
            raise UsageError(
                f"`moved` leads from {old} to {new}, and the histories of both are in different partitions of the "
                "state, so they cannot change places.",
                hint=f"Give {old} a name that no model had before.",
            )
    count = len(progresses)
    return {name: known.get(moves.get(name, name), home_by_name(name, count)) for name in manifest.models}


def known_homes(progresses: Sequence[Progress], service: str | None) -> dict[str, int]:
    """Return the partition of each name that has a history; one on the service counts before those on others."""
    found = dict[str, tuple[bool, int]]()
    for number, progress in enumerate(progresses):
        for (its_service, name), model in progress.models.items():
            here = its_service == service
            if model.has_history and (name not in found or (here and not found[name][0])):
                found[name] = (here, number)
    return {name: number for name, (_, number) in found.items()}


def holders(state: str) -> list[Held]:
    """Return who holds the state: at most one, or one for each of its partitions.

    Raises:
        StateError: the state cannot be looked at.
    """
    partitions = partitions_of(state)
    found = map_in_threads(lambda part: open_state(part).holder(), partitions, min(len(partitions), _READERS))
    return [held for held in found if held is not None]


def what_next(holder: Holder, option: str) -> str:
    """Return what to do about a lock that is held; `option` is the `--state` of the command that is shown."""
    if holder.is_here:
        return (
            f"It is alive. Wait for it to end, or stop it with Ctrl-C or `kill {holder.pid}` (`kill -9 {holder.pid}` "
            "where it does not answer; what is recorded is safe). The state is free as soon as it has ended."
        )
    return (
        f"Wait for it to end, or end it on {holder.host}; a container is a host too. Where {holder.host} is gone for "
        f"good: `retrain unlock --id {holder.run_id}{option}`."
    )


def unlock(state: str, run_id: str) -> Holder:
    """Free the lock that a run on another host holds, and return who held it.

    Raises:
        UsageError: that run does not hold it.
        LockedError: a process of this host holds it, so it is alive.
        StateError: the folder cannot be written.
    """
    held = [part for part in partitions_of(state) if _holds(part, run_id)]
    freed = [_unlock(part, run_id) for part in held or [state]]
    return freed[0]


def _holds(state: str, run_id: str) -> bool:
    held = open_state(state).holder()
    return held is not None and held.holder is not None and held.holder.run_id == run_id


def _unlock(state: str, run_id: str) -> Holder:
    folder = local_state(state)
    if folder is None:
        raise UsageError(
            "A lease is not taken from a run: it ends as soon as its run does not renew it any more.",
            hint="Wait for that, for example with --lock-timeout 10m; the next run then continues.",
        )
    held = current_holder(folder)
    holder = held.holder if held else None
    if held is None or holder is None or holder.run_id != run_id:
        who = "nobody does" if held is None else f"run {holder.run_id} does" if holder else "another command does"
        raise UsageError(
            f"Run {run_id} does not hold {folder.root}; {who}.",
            hint="There is nothing to free." if held is None else "`retrain unlock` without --id shows what to do.",
        )
    if holder.is_here:
        raise LockedError(holder.holds(str(folder.root)), hint=what_next(holder, ""))
    break_lock(folder)
    return holder

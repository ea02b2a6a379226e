"""`retrain unlock`: who holds the state, and the way out where that is a host which is gone."""

from runner.app.state.open_state import local_state, open_state
from runner.app.state.partitions import partitions_of
from runner.errors import LockedError, UsageError
from runner.journal.lock import Held, Holder, break_lock, look
from runner.lib.parallel import map_in_threads

_THREADS = 16


def holders(state: str) -> list[Held]:
    """Return who holds the state: at most one, or one for each of its partitions.

    Raises:
        StateError: the state cannot be looked at.
    """
    partitions = partitions_of(state)
    found = map_in_threads(lambda part: open_state(part).holder(), partitions, min(len(partitions), _THREADS))
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
    held = look(folder)
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

"""`retrain unlock`: frees the lock of a run that will never end, by its id, after showing who holds it."""

from runner.errors import UsageError
from runner.journal.folder import state_folder
from runner.journal.lock import Holder, break_lock, read_holder


def holder_of(state: str) -> Holder | None:
    """Return who holds the state, or None."""
    return read_holder(state_folder(state))


def unlock(state: str, run_id: str) -> Holder:
    """Free the lock that the run holds, and return who held it.

    Raises:
        UsageError: that run does not hold it.
        StateError: the folder cannot be written.
    """
    folder = state_folder(state)
    holder = read_holder(folder)
    if holder is None or holder.run_id != run_id:
        held = f"run {holder.run_id} does" if holder else "nobody does"
        raise UsageError(
            f"Run {run_id} does not hold {folder.root}; {held}.", hint="`retrain unlock` shows the holder."
        )
    break_lock(folder)
    return holder

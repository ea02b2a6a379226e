"""One run at a time for one state folder. The operating system frees the lock when its process dies."""

import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from runner.errors import LockedError, StateError, UsageError
from runner.journal.folder import StateFolder
from runner.lib.atomic_files import FILE_MODE, open_file, read_up_to, write_whole
from runner.lib.paths import user_name
from runner.lib.timestamps import stamp
from runner.manifest.durations import parse_duration

_Name = Annotated[str, Meta(max_length=255)]
_LARGEST_NOTE = 4096  # bytes


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock. `started` is when the process began, in the system's ticks, None where that is not known."""

    run_id: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z][0-9A-Za-z.-]{0,63}\Z")]  # it is shown in a command
    user: _Name
    host: _Name
    pid: Annotated[int, Meta(gt=1, lt=2**31)]  # it is shown in a command that kills it
    since: _Name
    started: int | None = None

    @property
    def is_here(self) -> bool:
        """Return whether it is a process of this host: then it is alive as long as the lock is held."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Return whether it is a process of this host that has ended, also where another has its number now."""
        if not self.is_here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # another user's
        now = _started(self.pid)
        return None not in (self.started, now) and now != self.started

    def holds(self, where: str) -> str:
        """Return who holds the state since when, as a sentence."""
        who = f"Run {self.run_id} ({self.user} on {self.host}, process {self.pid})"
        return f"{who} holds the state {where} since {self.since[:10]} {self.since[11:19]} UTC."


class Held(Struct, frozen=True, kw_only=True):
    """A lock that is held; `holder` is None if whoever holds it left no note that can be read."""

    holder: Holder | None

    @property
    def who(self) -> str:
        """Return who holds it, in a phrase."""
        if self.holder is None:
            return "another retrain command"
        return f"run {self.holder.run_id} ({self.holder.user} on {self.holder.host}, process {self.holder.pid})"


class FileLease(Struct, frozen=True, kw_only=True):
    """A lock that was taken: its file, and which file that was. `unlock` puts another one into its place."""

    file: Path
    taken: os.stat_result

    def lasts(self) -> bool:
        """Return whether the lock is still this holder's; one that cannot be looked at is not."""
        try:
            return os.path.samestat(self.taken, self.file.stat())
        except OSError:
            return False

    def has_ended(self, run_id: str) -> bool:  # noqa: ARG002 -- whichever run it is
        """Return True: the operating system gives the lock to nobody else while a process that took it lives."""
        return True


def current_user() -> str:
    """Return `user@host`: the name of the process's real user, or its number where it has no name.

    Variables such as USER say nothing of who it is: anybody sets them.
    """
    return f"{user_name(os.getuid()) or f'uid-{os.getuid()}'}@{socket.gethostname()}"


@contextmanager
def locked(folder: StateFolder, run_id: str, *, timeout: float) -> Iterator[FileLease]:
    """Hold the state for one run; wait up to `timeout` seconds for it.

    Raises:
        LockedError: another process holds it; the message says who and since when.
        StateError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 -- slow to load; most commands only read

    folder.prepare()
    lock = FileLock(folder.lock, timeout=timeout, mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout:
        raise _held(folder) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _name_holder(folder, run_id)
        yield _lease(folder)
    finally:
        holder = read_holder(folder)
        if holder is not None and holder.run_id == run_id:  # after an unlock it may be another's
            with suppress(OSError):
                folder.holder.unlink(missing_ok=True)
        lock.release()


def _lease(folder: StateFolder) -> FileLease:
    try:
        return FileLease(file=folder.lock, taken=folder.lock.stat())
    except OSError as error:
        raise _unwritable(folder, error) from error


def current_holder(folder: StateFolder) -> Held | None:
    """Return who holds the lock, or None if nobody does.

    The lock itself is asked: the operating system took it from a process that is gone, whatever note that left.

    Raises:
        StateError: the folder cannot be written.
    """
    folder.require_real()
    if not folder.lock.exists():
        return None
    from filelock import FileLock, Timeout  # noqa: PLC0415 -- as above

    lock = FileLock(folder.lock, timeout=0, mode=FILE_MODE)
    try:
        with lock:
            return None
    except Timeout:
        return Held(holder=_living(read_holder(folder)))
    except OSError as error:
        raise _unwritable(folder, error) from error


def read_holder(folder: StateFolder) -> Holder | None:
    """Return the note of who took the lock last, or None if there is none; only a held lock makes it true."""
    try:
        with open_file(folder.holder) as file:
            return msgspec.json.decode(read_up_to(file, _LARGEST_NOTE), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def _living(holder: Holder | None) -> Holder | None:
    """Return the holder of a lock that is held, or None if the note is of a process that has ended.

    Who holds it then has not told of itself yet, or only looks.
    """
    return None if holder is None or holder.is_gone else holder


def _started(pid: int) -> int | None:
    """Return when a process began, in ticks since the system did, or None if the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def break_lock(folder: StateFolder) -> None:
    """Put a new lock file in the place of one that another host holds: the next run gets it.

    The old holder stays harmless: it finds at its next write that the journal has moved on, sends nothing it slept too
    long over, and ends no upload that it had begun.

    Raises:
        StateError: the folder cannot be written.
    """
    try:
        write_whole(folder.lock, b"")
        folder.holder.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def this_holder(run_id: str) -> Holder:
    """Return the note of this process, which begins a run now."""
    user, _, host = current_user().rpartition("@")
    since, pid = stamp(datetime.now(UTC)), os.getpid()
    return Holder(run_id=run_id, user=user, host=host, pid=pid, since=since, started=_started(pid))


def _name_holder(folder: StateFolder, run_id: str) -> None:
    try:
        write_whole(folder.holder, msgspec.json.encode(this_holder(run_id)))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: StateFolder, error: OSError) -> StateError:
    return StateError(
        f"The state folder {folder.root} cannot be locked: {error.strerror}.",
        hint="Check its disk's space and permissions, or give another folder with --state.",
    )


def _held(folder: StateFolder) -> LockedError:
    hint = "Wait for it to end, or let this command wait with --lock-timeout 10m."
    holder = _living(read_holder(folder))
    if holder is None:
        return LockedError(f"Another retrain command holds the state {folder.root}.", hint=hint)
    if not holder.is_here:
        hint = f"{hint} If {holder.host} is gone, `retrain unlock --state {shlex.quote(str(folder.root))}` helps."
    return LockedError(holder.holds(str(folder.root)), hint=hint)


RENEWALS = 6  # in a lease's life
_LIFE, _SHORTEST, _LONGEST = timedelta(minutes=2), timedelta(seconds=10), timedelta(hours=1)
_POLL_S = 2.0

WITHOUT_IT = "Where they are gone for good, `retrain state accept-loss --help` says how to continue without them."
Reword = Callable[[OSError], StateError]  # turns a store's refusal into an error of the state


class RunLease(Protocol):
    """The right of one run to write, at `where`, which it keeps by renewing it within its `life`."""

    life: timedelta
    where: str

    def take(self) -> Held | None:
        """Take the state, or return who holds it; raises OSError where the store refuses."""

    def release(self) -> None:
        """End the lease, so that the next run need not wait for its end."""


L = TypeVar("L", bound=RunLease)


def read_life(text: str) -> timedelta:
    """Return how long a lease lives, by `lease=` in an address.

    Raises:
        UsageError: it is not a duration, or out of bounds.
    """
    life = parse_duration(text) if text else _LIFE
    if life is None or not _SHORTEST <= life <= _LONGEST:
        raise UsageError(
            "The lease of the state's address is not between 10s and 1h.",
            hint="Write it as in ?lease=2m, or leave it away.",
        )
    return life


def seconds() -> float:
    """Return a time that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@contextmanager
def leased(lease: L, *, timeout: float, reword: Reword) -> Iterator[L]:
    """Hold the state for one run; wait up to `timeout` seconds for it.

    Raises:
        LockedError: another run holds it.
        StateError: the store refuses.
    """
    until = time.monotonic() + timeout
    try:
        while (held := _taken(lease, reword)) is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise _locked(held, lease)
            time.sleep(min(_POLL_S, lease.life.total_seconds() / RENEWALS, left))
        yield lease
    finally:
        lease.release()


def _taken(lease: RunLease, reword: Reword) -> Held | None:
    try:
        return lease.take()
    except OSError as error:
        raise reword(error) from None


def _locked(held: Held, lease: RunLease) -> LockedError:
    who = held.holder.holds(lease.where) if held.holder else f"Other retrain commands take the state {lease.where}."
    return LockedError(
        who,
        hint="Wait for it to end, or let this command wait with --lock-timeout 10m. Where that run was killed, its "
        f"lease ends within {lease.life.total_seconds():.0f} seconds, and the next run continues.",
    )

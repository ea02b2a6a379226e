"""Who may write to a state in PostgreSQL: one row, which its owner renews, and which whoever comes next may take over
when it is older than its life. Its age is judged by the server's clock alone.

Safety does not rest on this: two that believe they hold the state meet at the journal, where one of them is refused.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from runner.errors import LockedError, StateError
from runner.journal.lock import Held, Holder, this_holder
from runner.journal.postgres_database import Database, DatabaseError

_RENEWALS = 6  # in a lease's life
_POLL_S = 2.0
_TAKE = """
INSERT INTO {s}.lease AS held (id, run_id, holder, life, renewed)
VALUES (1, %(run_id)s, %(holder)s, make_interval(secs => %(life)s), clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET run_id = excluded.run_id, holder = excluded.holder, life = excluded.life, renewed = clock_timestamp()
WHERE held.run_id = excluded.run_id OR held.renewed + held.life < clock_timestamp()
RETURNING run_id
"""
_RENEW = "UPDATE {s}.lease SET renewed = clock_timestamp() WHERE run_id = %(run_id)s RETURNING run_id"
_HOLDER = "SELECT holder FROM {s}.lease WHERE renewed + life >= clock_timestamp()"

Reword = Callable[[DatabaseError], StateError]


def _seconds() -> float:
    """Return a time that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class PostgresLease:
    """The right of one run to write, renewed by a thread of its own."""

    def __init__(self, database: Database, run_id: str) -> None:
        self.life = database.address.life.total_seconds()
        self.where = database.address.place
        self._database = database
        self._run_id = run_id
        self._renewed = _seconds()
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def lasts(self) -> bool:
        """Return whether this run has renewed its lease within half of its life, and nobody took it over."""
        return not self._lost and _seconds() - self._renewed < self.life / 2

    def has_ended(self, run_id: str) -> bool:
        """Return whether another run has no lease: there is but one, and it is this run's."""
        return not self._lost and run_id != self._run_id

    def take(self) -> Held | None:
        """Take the state, or return who holds it."""
        self._renewed = _seconds()
        holder = msgspec.json.encode(this_holder(self._run_id))
        if not self._database.run(_TAKE, {"run_id": self._run_id, "holder": holder, "life": self.life}):
            return holder_of(self._database) or Held(holder=None)
        self._thread.start()
        return None

    def _keep(self) -> None:
        while not self._lost and not self._ended.wait(self.life / _RENEWALS):
            with suppress(DatabaseError):  # it is tried again; `lasts` tells how long it was not renewed
                began = _seconds()
                self._lost = not self._database.run(_RENEW, {"run_id": self._run_id})
                self._renewed = began

    def release(self) -> None:
        """End the lease, so that the next run need not wait for its end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(self.life)
        with suppress(DatabaseError):
            self._database.run("DELETE FROM {s}.lease WHERE run_id = %(run_id)s", {"run_id": self._run_id})


@contextmanager
def leased(lease: PostgresLease, *, timeout: float, reword: Reword) -> Iterator[PostgresLease]:
    """Hold the state for one run; wait up to `timeout` seconds for it.

    Raises:
        LockedError: another run holds it.
        StateError: the database refuses.
    """
    until = time.monotonic() + timeout
    try:
        while (held := _taken(lease, reword)) is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise _locked(held, lease)
            time.sleep(min(_POLL_S, lease.life / _RENEWALS, left))
        yield lease
    finally:
        lease.release()


def _taken(lease: PostgresLease, reword: Reword) -> Held | None:
    try:
        return lease.take()
    except DatabaseError as error:
        raise reword(error) from None


def _locked(held: Held, lease: PostgresLease) -> LockedError:
    who = held.holder.holds(lease.where) if held.holder else f"Other retrain commands take the state {lease.where}."
    return LockedError(
        who,
        hint="Wait for it to end, or let this command wait with --lock-timeout 10m. Where that run was killed, its "
        f"lease ends within {lease.life:.0f} seconds, and the next run continues.",
    )


def holder_of(database: Database) -> Held | None:
    """Return who holds the state, or None; raises DatabaseError where the database refuses."""
    rows = database.run(_HOLDER)
    if not rows:
        return None
    try:
        return Held(holder=msgspec.json.decode(rows[0][0], type=Holder))
    except msgspec.MsgspecError:
        return Held(holder=None)

"""Who may write to a state in PostgreSQL: one row, which its owner renews, and which whoever comes next may take over
when it is older than its life. Its age is judged by the server's clock alone.

Safety does not rest on this: two that believe they hold the state meet at the journal, where one of them is refused.
"""

import threading
from contextlib import suppress

import msgspec

from runner.journal.lock import RENEWALS, Held, Holder, seconds, this_holder
from runner.journal.postgres_database import Database, DatabaseError

_TAKE = """
INSERT INTO {s}.lease AS held (id, run_id, holder, life, renewed)
VALUES (1, %(run_id)s, %(holder)s, make_interval(secs => %(life)s), clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET run_id = excluded.run_id, holder = excluded.holder, life = excluded.life, renewed = clock_timestamp()
WHERE held.run_id = excluded.run_id OR held.renewed + held.life < clock_timestamp()
RETURNING run_id
"""
_RENEW = "UPDATE {s}.lease SET renewed = clock_timestamp() WHERE run_id = %(run_id)s RETURNING run_id"
_END = "DELETE FROM {s}.lease WHERE run_id = %(run_id)s"
_HOLDER = "SELECT substring(holder FROM 1 FOR 4096) FROM {s}.lease WHERE renewed + life >= clock_timestamp()"


class PostgresLease:
    """The right of one run to write, renewed by a thread of its own."""

    def __init__(self, database: Database, run_id: str) -> None:
        self.life = database.address.life
        self.where = database.address.place
        self._database = database
        self._run_id = run_id
        self._renewed = seconds()
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def lasts(self) -> bool:
        """Return whether this run has renewed its lease within half of its life, and nobody took it over."""
        return not self._lost and seconds() - self._renewed < self.life.total_seconds() / 2

    def has_ended(self, run_id: str) -> bool:
        """Return whether another run has no lease: there is but one, and it is still this run's."""
        return self.lasts() and run_id != self._run_id

    def take(self) -> Held | None:
        """Take the state, or return who holds it."""
        self._renewed = seconds()
        holder = msgspec.json.encode(this_holder(self._run_id))
        if not self._database.run(_TAKE, {"run_id": self._run_id, "holder": holder, "life": self.life.total_seconds()}):
            return holder_of(self._database) or Held(holder=None)
        self._thread.start()
        return None

    def _keep(self) -> None:
        while not self._lost and not self._ended.wait(self.life.total_seconds() / RENEWALS):
            with suppress(DatabaseError):  # it is tried again; `lasts` tells how long it was not renewed
                began = seconds()
                self._lost = not self._database.run(_RENEW, {"run_id": self._run_id})
                self._renewed = began

    def release(self) -> None:
        """End the lease, so that the next run need not wait for its end."""
        self._ended.set()
        with suppress(DatabaseError):  # a renewal under way finds no row then, and makes none
            self._database.run(_END, {"run_id": self._run_id}, patient=False)


def holder_of(database: Database) -> Held | None:
    """Return who holds the state, or None; raises DatabaseError where the database refuses."""
    rows = database.run(_HOLDER)
    if not rows:
        return None
    try:
        return Held(holder=msgspec.json.decode(rows[0][0], type=Holder))
    except msgspec.MsgspecError:
        return Held(holder=None)

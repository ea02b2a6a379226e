"""The tables of a state in PostgreSQL, and what a state needs of the server, the database and the role."""

import threading
from contextlib import suppress

import msgspec

from runner.errors import StateError
from runner.journal.lock import RENEWALS, Held, Holder, seconds, this_holder
from runner.journal.postgres_database import Database, DatabaseError, TakenError
from runner.journal.state_store import StoreCheck

# One text without parameters is one transaction: all tables are made, or none.
_TABLES = """
CREATE TABLE {s}.events (
    seq bigint CONSTRAINT events_seq PRIMARY KEY,
    body bytea NOT NULL,
    sha256 text NOT NULL,
    guard text CONSTRAINT events_guard UNIQUE
);
CREATE TABLE {s}.lease (
    id integer CONSTRAINT lease_id PRIMARY KEY CHECK (id = 1),
    run_id text NOT NULL,
    holder bytea NOT NULL,
    life interval NOT NULL,
    renewed timestamptz NOT NULL
);
CREATE TABLE {s}.inbox (
    name text NOT NULL,
    aside integer NOT NULL,
    content bytea NOT NULL,
    poster text NOT NULL,
    CONSTRAINT inbox_entry PRIMARY KEY (name, aside)
);
CREATE TABLE {s}.files (
    name text CONSTRAINT files_name PRIMARY KEY,
    file text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL
);
CREATE TABLE {s}.pieces (
    file text NOT NULL,
    number integer NOT NULL,
    content bytea NOT NULL,
    written timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pieces_piece PRIMARY KEY (file, number)
);
ALTER TABLE {s}.pieces ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE TABLE {s}.format (
    id integer CONSTRAINT format_id PRIMARY KEY CHECK (id = 1),
    format integer NOT NULL,
    lineage text NOT NULL,
    blobs text NOT NULL,
    partitions integer NOT NULL,
    number integer
);
"""
_NAMES = ["events", "files", "format", "inbox", "lease", "pieces"]
_FOUND = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %(schema)s ORDER BY 1"
_SERVER = """
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', current_setting('server_encoding')
"""
_PROMISES = """
SELECT current_setting('fsync') = 'on', has_table_privilege('{s}.events', 'UPDATE, DELETE, TRUNCATE')
"""
_AGAIN = "INSERT INTO {s}.format SELECT * FROM {s}.format"  # is refused where a key is one


def make_tables(database: Database) -> None:
    """Make schema and tables, unless an interrupted migration did.

    Raises:
        StateError: there are other tables.
        DatabaseError: the database refuses.
    """
    schema = {"schema": database.address.schema}
    if not database.run("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s", schema):
        database.run("CREATE SCHEMA {s}")
    found = [name for (name,) in database.run(_FOUND, schema)]
    if not found:
        database.run(_TABLES)
    elif found != _NAMES:
        raise StateError(
            f"The schema of {database.address.place} holds tables that are not a state's, such as {found[0]}.",
            hint="Name a schema of its own: `?schema=retrain` at the end of the address.",
        )


def require_server(database: Database) -> None:
    """Raise a StateError where the server takes no writes, or cannot hold every name."""
    ((read_only, encoding),) = database.run(_SERVER)
    if read_only:
        raise StateError(
            f"The server of {database.address.place} takes no writes; it may be a standby.",
            hint="Give the address of the primary, or add target_session_attrs=read-write with all hosts.",
        )
    if encoding != "UTF8":
        raise StateError(
            f"The database of {database.address.place} has the encoding {encoding}, which does not hold every name.",
            hint="Use a database made with ENCODING 'UTF8'.",
        )


def require_keys(database: Database) -> None:
    """Raise a StateError where the database takes the same key twice, so that two runs could both have written."""
    with suppress(TakenError):
        database.run(_AGAIN)
        raise StateError(
            f"The database of {database.address.place} takes the same key twice, so two runs could both believe that "
            "they have written.",
            hint="Use PostgreSQL itself; the unique keys of the tables must hold.",
        )


def promises(database: Database) -> tuple[StoreCheck, ...]:
    """Return what `doctor` says of a database that takes writes and keeps its keys."""
    ((keeps, may_change),) = database.run(_PROMISES)
    fine = "The server takes writes and refuses the same key twice: one run wins a race."
    role = "The role cannot change or remove what is in the journal."
    return (
        StoreCheck(verdict="ok", seen=fine),
        StoreCheck(verdict="ok", seen="The server keeps what it confirms (fsync=on).")
        if keeps
        else StoreCheck(
            verdict="warning",
            seen="The server runs with fsync=off: after a power cut it may have lost what it confirmed, and a lost "
            "event would be an effect that is repeated.",
            next="Set fsync=on, unless the provider of the database keeps its log elsewhere.",
        ),
        StoreCheck(
            verdict="note",
            seen="The role of this command can change and remove what is in the journal, for example as its owner.",
            next="Let another role own the tables; docs/how-to/state-postgres.md lists what a runner needs.",
        )
        if may_change
        else StoreCheck(verdict="ok", seen=role),
    )


# Who may write to a state in PostgreSQL: one row, which its owner renews, and which whoever comes next may take over
# when it is older than its life. Its age is judged by the server's clock alone.
#
# Safety does not rest on this: two that believe they hold the state meet at the journal, where one of them is
# refused.

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
    """The right of one run to write, renewed by a separate thread."""

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

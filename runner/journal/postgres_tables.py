"""The tables of a state in PostgreSQL, and what a state needs of the server, the database and the role."""

from contextlib import suppress

from runner.errors import StateError
from runner.journal.postgres_database import Database, TakenError
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
    partitions integer NOT NULL
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

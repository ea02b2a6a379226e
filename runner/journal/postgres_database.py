"""Statements to a PostgreSQL database: the only module that imports psycopg, the extra `postgres`.

Each statement is its own transaction, and nothing is kept in a session: no setting, no lock, no prepared
statement, no temporary table. So a pooler such as PgBouncer may give each statement another session.

A statement whose answer is lost is sent again; all of them are written so that this does no harm. Every trouble is an
`OSError` whose `strerror` ends a sentence; a server's own text is cut to one line.
"""

import errno
import threading
import time
import weakref
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from runner.errors import UsageError
from runner.journal.postgres_address import PostgresAddress, is_here
from runner.lib.secrets import Redactor, Secret

if TYPE_CHECKING:
    from psycopg import Connection, Error

Row = tuple[Any, ...]
_PATIENCE_S = 45.0  # for a server that was there before: it may restart, or another one take over
_FIRST_PATIENCE_S = 3.0  # for one that never answered: the address may be wrong
_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0  # between two tries
_MOST_TIMEOUTS = 3  # that the server may end a statement for its time, before that is told
_IDLE = 4  # connections that are kept for the next statement
_LONGEST_SHOWN = 300
_AT_REST = 0  # libpq's number of a session without a transaction
_FIXED = {  # what the client asks of the network: a lost connection is noticed within half a minute
    "application_name": "retrain",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
_WEAK = ("prefer", "allow")  # values of sslmode that may end without encryption
_LATER = (  # of what a server says while it refuses a connection, what changes by itself
    "starting up",
    "shutting down",
    "in recovery mode",
    "not yet accepting",
    "too many",
    "connection slots",
    "query_wait_timeout",
    "server_login_retry",
    "server login has been failing",
)
_AGAIN = frozenset({"40001", "40P01", "53300"})  # nothing was done, and the same may work now
_TIMED_OUT = frozenset({"57014", "55P03", "25P04"})
_CUT = ("08", "57P")  # the connection ended, or is about to
_GRANTS = "docs/how-to/state-postgres.md lists what the role needs"
_REFUSALS = {  # SQLSTATE: number, what happened, what to do
    "42501": (errno.EACCES, "the database role lacks a permission", f"Grant it; {_GRANTS}."),
    "25006": (
        errno.EROFS,
        "the server takes no writes; it may be a standby",
        "Give the address of the primary, or add target_session_attrs=read-write with all hosts.",
    ),
    "53100": (errno.ENOSPC, "the disk of the database is full", "Make room there, then run the command again."),
    "53200": (errno.ENOMEM, "the database is out of memory", "Run the command again when it has room."),
    "58030": (errno.EIO, "the database cannot read or write its files", "Look into the log of the server."),
}


class DatabaseError(OSError):
    """The database refuses a statement, and nothing of it was done; `hint` is what to do next."""

    def __init__(self, number: int, why: str, hint: str) -> None:
        super().__init__(number, why)
        self.hint = hint


class DoubtfulError(DatabaseError):
    """The database does not answer; `was_sent` says whether the statement may have been carried out."""

    def __init__(self, why: str, hint: str, *, was_sent: bool) -> None:
        super().__init__(errno.EAGAIN, why, hint)
        self.was_sent = was_sent


class TakenError(DatabaseError):
    """A row with the same key is there already; `constraint` names the key."""

    def __init__(self, constraint: str) -> None:
        super().__init__(errno.EEXIST, "there is such a row already", "Run the command again.")
        self.constraint = constraint


class NoTableError(DatabaseError):
    """The schema or its tables are not there."""

    def __init__(self) -> None:
        super().__init__(errno.ENOENT, "its tables are not there", "Check the address.")


class _Pool:
    """Connections that no statement uses. Statements stand alone, so it does not matter who used one before."""

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.lock = threading.Lock()
        weakref.finalize(self, _close_all, self.idle)


_POOLS: weakref.WeakValueDictionary[tuple[tuple[str, str], ...], _Pool] = weakref.WeakValueDictionary()  # by parameters
_POOLS_LOCK = threading.Lock()


class Database:
    """The schema of an address. Its methods may be called by several threads; it connects when it is first asked."""

    def __init__(self, address: PostgresAddress) -> None:
        self.address = address
        self._answered = False

    def run(self, statement: str, parameters: Mapping[str, object] | None = None, *, patient: bool = True) -> list[Row]:
        """Carry out one statement, in which `{s}` is the schema, and return its rows.

        It is sent again while the database does not answer, unless who asks is not `patient`.

        Raises:
            TakenError: a key is taken; where an answer was lost before, perhaps by this very statement.
            NoTableError: the schema is not there.
            DoubtfulError: the database does not answer.
            DatabaseError: it refuses.
        """
        text = statement.format(s=f'"{self.address.schema}"')
        patience = _PATIENCE_S if self._answered else _FIRST_PATIENCE_S
        until = time.monotonic() + (patience if patient else 0.0)
        wait, was_sent, timeouts = _WAIT_S, False, 0
        while True:
            try:
                rows = self._once(text, parameters)
            except TakenError:
                raise
            except DoubtfulError as error:
                was_sent, failed = was_sent or error.was_sent, error
            except _TimedOutError as error:
                timeouts, failed = timeouts + 1, DoubtfulError(str(error.strerror), error.hint, was_sent=was_sent)
                if timeouts == _MOST_TIMEOUTS and not was_sent:
                    raise
            except DatabaseError as error:
                if not was_sent:
                    raise
                failed = DoubtfulError(str(error.strerror), error.hint, was_sent=True)
            else:
                self._answered = True
                return rows
            if time.monotonic() + wait > until:
                raise DoubtfulError(str(failed.strerror), failed.hint, was_sent=was_sent) from None
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _once(self, text: str, parameters: Mapping[str, object] | None) -> list[Row]:
        connection = self._connection()
        import psycopg  # noqa: PLC0415 -- an extra, loaded when it is needed

        try:
            cursor = connection.execute(text.encode(), parameters, binary=bool(parameters))
            rows = cursor.fetchall() if cursor.description else []
        except (psycopg.DataError, UnicodeEncodeError):
            raise DatabaseError(errno.EINVAL, "a value in it has no place in a database", "Name it anew.") from None
        except psycopg.Error as error:
            _raise(error, was_sent=True)
        finally:
            self._put_back(connection)
        return rows

    def _connection(self) -> "Connection":
        """Return a connection that no other thread uses."""
        try:
            import psycopg  # noqa: PLC0415 -- an extra, loaded when it is needed
        except ImportError:
            raise missing_extra() from None
        with self._pool.lock:
            while self._pool.idle:
                connection = self._pool.idle.pop()
                if not connection.closed:
                    return connection
        try:
            return psycopg.connect(autocommit=True, prepare_threshold=None, **self._parameters())
        except psycopg.Error as error:
            _raise(error, was_sent=False)

    def _put_back(self, connection: "Connection") -> None:
        with self._pool.lock:
            whole = connection.pgconn.transaction_status == _AT_REST
            if whole and len(self._pool.idle) < _IDLE:
                self._pool.idle.append(connection)
                return
        connection.close()

    @cached_property
    def _pool(self) -> "_Pool":
        """Return what all schemas of one database share: a state with partitions has many, and a server few seats."""
        key = tuple(sorted({**_defaults(), **self._parameters()}.items()))
        with _POOLS_LOCK:
            pool = _POOLS.get(key)
            if pool is None:
                pool = _POOLS[key] = _Pool()
            return pool

    def _parameters(self) -> dict[str, Any]:
        """Return what libpq is told: the address, and encryption for every host but this one.

        Raises:
            UsageError: the connection would not be encrypted.
        """
        given = dict(self.address.connection)
        values = {**_defaults(), **given}
        hosts = (values.get("hostaddr") or values.get("host", "")).split(",")
        elsewhere = next((host for host in hosts if not is_here(host)), None)
        fixed = {name: value for name, value in _FIXED.items() if name not in given and not values.get(name)}
        mode = values.get("sslmode", "")
        if elsewhere is not None and mode == "disable":
            raise UsageError(
                f"The connection to {elsewhere} would not be encrypted: anybody on the way could read and change "
                "the state.",
                hint="Take sslmode=disable away, or write sslmode=verify-full; only this machine itself is reached "
                "without encryption.",
            )
        if elsewhere is not None and mode in _WEAK and values.get("sslrootcert") != "system":
            fixed["sslmode"] = "require"
        return {**fixed, **given, "client_encoding": "utf8", **({"sslmode": "require"} if "sslmode" in fixed else {})}


class _TimedOutError(DatabaseError):
    """The server ended the statement because it took too long."""


def _close_all(connections: "list[Connection]") -> None:
    while connections:
        connections.pop().close()


def missing_extra() -> UsageError:
    """Return the error where psycopg is not installed."""
    return UsageError(
        "A state in PostgreSQL needs the extra `postgres`, which is not installed.",
        hint="`pip install '.[postgres]'` in a checkout of retrain-runner installs it; or give a folder.",
    )


def _defaults() -> dict[str, str]:
    """Return what libpq takes from the environment, from the service file and from itself."""
    from psycopg import pq  # noqa: PLC0415 -- an extra, loaded when it is needed

    return {option.keyword.decode(): option.val.decode() for option in pq.Conninfo.get_defaults() if option.val}


def _raise(error: "Error", *, was_sent: bool) -> NoReturn:
    """Raise what an error of psycopg means here; `was_sent` says whether the statement may have been carried out."""
    state = error.sqlstate or ""
    if state == "23505":
        raise TakenError(error.diag.constraint_name or "") from None
    if state in ("42P01", "3F000", "42703"):
        raise NoTableError from None
    if state in _REFUSALS:
        raise DatabaseError(*_REFUSALS[state]) from None
    if state in _TIMED_OUT:
        why = "the server ended a statement because it took too long"
        raise _TimedOutError(errno.ETIMEDOUT, why, "Look for what blocks its tables, or give the role more time.")
    if not was_sent and not state:
        _raise_unconnected(error)
    told = _line(error.diag.message_primary or str(error))
    if not state or state.startswith(_CUT) or state in _AGAIN:
        why = f"the database gives no answer ({told})" if told else "the database gives no answer"
        hint = "Check the server and the network, then run the command again."
        raise DoubtfulError(why, hint, was_sent=was_sent and state not in _AGAIN) from None
    raise DatabaseError(
        errno.EIO, f"the database refuses a statement: {told} ({state})", "Look into its log."
    ) from None


def _raise_unconnected(error: "Error") -> NoReturn:
    """Raise what it means that there is no connection; libpq says it in words alone."""
    told = _line(str(error).removeprefix("connection failed: "))
    refused = "FATAL" in told or "SSL" in told or "certificate" in told or "authentication" in told
    needs_password = error.pgconn is not None and (error.pgconn.needs_password or error.pgconn.used_password)
    if (refused or needs_password) and not any(words in told for words in _LATER):
        hint = f"Check the role and its password in PGPASSWORD or ~/.pgpass, the database's name, and TLS; {_GRANTS}."
        raise DatabaseError(errno.EACCES, f"the server refuses the connection ({told})", hint) from None
    hint = "Check the server, the address and the network, then run the command again."
    raise DoubtfulError(told.partition(" Is the server")[0], hint, was_sent=False) from None


def _line(text: str) -> str:
    """Return a text of another program as a part of a sentence: one line, bounded, without the password."""
    redactor = Redactor()
    for name in ("password", "sslpassword"):
        redactor.learn(Secret(_defaults().get(name, "")))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return redactor.redact(line)[:_LONGEST_SHOWN].rstrip(".")

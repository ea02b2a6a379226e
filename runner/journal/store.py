"""The journal on disk: one table, written in whole transactions, never changed.

SQLite with its rollback journal and synchronous=FULL, because WAL lost commits with two connections before 3.51.3; each
append is one BEGIN IMMEDIATE. The unique column `guard` is what keeps two runners from doing one thing twice; the lock
is courtesy beside it.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlalchemy
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from runner.durable import FILE_MODE, sync_folder
from runner.errors import StateError
from runner.journal.chain import GENESIS, Link, Row, link, read_chain
from runner.journal.events import Draft
from runner.journal.folder import StateFolder

APPLICATION_ID = 0x52545231  # "RTR1" in SQLite's header: another program's database is not taken for a journal
FORMAT = 1
_PAGE = 1000  # rows fetched at a time
_BUSY_S = 10  # how long to wait for another process's transaction
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")  # the file's content is at fault, not the disk

_METADATA = MetaData()
_EVENTS = Table(
    "events",
    _METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("sha256", String, nullable=False),
    Column("guard", String, unique=True),
)
_LAST = sqlalchemy.select(_EVENTS.c.seq, _EVENTS.c.sha256).order_by(_EVENTS.c.seq.desc()).limit(1)
_INSERT = sqlalchemy.insert(_EVENTS)


class GuardTakenError(StateError):
    """Another runner has already written the event that may exist only once; its effect must not be repeated."""

    def __init__(self) -> None:
        super().__init__(
            "Another runner has already begun this step.", hint="Wait until it is done, then run `retrain run` again."
        )


class Store:
    """An open journal. Not thread-safe: the run's coordinator alone writes."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._engine = _engine(path, writable=writable)
        self._head: tuple[int, str] | None = None
        self._guards: set[str] = set()
        self._readings: WeakSet[Generator[Link]] = WeakSet()
        try:
            self._check_identity()
        except BaseException:
            self.close()
            raise

    def read(self) -> Generator[Link]:
        """Yield all events, each checked against the chain.

        The first reading to the end sets `head`; a later one, or one that stops early, does not move it: what this
        object's owner knows of the journal ends where that reading and its own appends ended.

        Raises:
            StateError: the file cannot be read, or an event in it cannot be believed.
        """
        reading = self._read()
        self._readings.add(reading)
        return reading

    def _read(self) -> Generator[Link]:
        last, guards = (0, GENESIS), set()
        with _translated(self._path), self._engine.connect() as connection:
            for one in read_chain(_rows(connection)):
                last = (one.event.seq, one.sha256)
                if one.event.guard is not None:
                    guards.add(one.event.guard)
                yield one
        if self._head is None:
            self._head, self._guards = last, guards

    @property
    def head(self) -> tuple[int, str]:
        """Number of events and SHA-256 of the last one, as first read and then written by this object."""
        return self._head or (0, GENESIS)

    def append(self, drafts: Sequence[Draft]) -> list[Link]:
        """Write the drafts in one durable transaction and return them as events.

        Raises:
            GuardTakenError: one of them may exist only once and does; nothing was written.
            StateError: the journal has moved on under another writer, or cannot be written; nothing was written.
        """
        guards = {draft.guard for draft in drafts if draft.guard is not None}
        if guards & self._guards:  # the chain vouches for these; the database's own index may be damaged unseen
            raise GuardTakenError
        links: list[Link] = []
        seq, prev = self.head
        for draft in drafts:
            links.append(link(draft, seq=seq + 1, prev=prev))
            seq, prev = links[-1].event.seq, links[-1].sha256
        with _translated(self._path), self._engine.begin() as connection:
            self._check_head(connection)
            connection.execute(_INSERT, [_values(one) for one in links])
        self._head = (seq, prev)
        self._guards |= guards
        return links

    def close(self) -> None:
        """Let go of the file, also where a reading of it stopped half-way."""
        for one in list(self._readings):
            one.close()
        self._engine.dispose()

    def _check_head(self, connection: sqlalchemy.Connection) -> None:
        last = connection.execute(_LAST).one_or_none()
        if (tuple(last) if last else (0, GENESIS)) != self.head:
            raise StateError(
                "Another runner has written to the journal since this one read it, so this one stops.",
                hint="Run `retrain run` again; it goes on from what is recorded.",
            )

    def _check_identity(self) -> None:
        with _translated(self._path), self._engine.connect() as connection:
            application = connection.exec_driver_sql("PRAGMA application_id").scalar()
            version = connection.exec_driver_sql("PRAGMA user_version").scalar()
        if application != APPLICATION_ID or version != FORMAT:
            raise StateError(
                f"{self._path} is not a journal that this version of retrain reads.",
                hint="Give the right folder with --state, or use the version of retrain that wrote it.",
            )


def open_store(folder: StateFolder) -> Store:
    """Open the journal for writing; begin one where the folder is fresh.

    Raises:
        StateError: the journal is missing, foreign, damaged or cannot be written.
    """
    folder.require_journal()
    folder.prepare()
    if not folder.journal.exists():
        _begin(folder.journal)
    return Store(folder.journal, writable=True)


def open_for_reading(folder: StateFolder) -> Store | None:
    """Open the journal for reading, or return None where no run has been yet.

    Raises:
        StateError: the journal is missing, foreign or damaged.
    """
    folder.require_journal()
    return Store(folder.journal, writable=False) if folder.journal.exists() else None


def _begin(path: Path) -> None:
    """Make an empty journal beside its place and rename it there: a half-made one is never found."""
    beside = path.with_name(f".{path.name}.new")
    with _translated(path):
        beside.unlink(missing_ok=True)
        beside.touch(mode=FILE_MODE)
        engine = _engine(beside, writable=True)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")
            _METADATA.create_all(connection)
        engine.dispose()
        beside.replace(path)
        sync_folder(path.parent)


def _engine(path: Path, *, writable: bool) -> sqlalchemy.Engine:
    """Open an existing file; a reader too may have to roll back what a killed writer left, so it opens for writing."""
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "rw", "uri": "true"}),
        poolclass=sqlalchemy.pool.StaticPool,
        connect_args={"timeout": _BUSY_S},
    )
    sqlalchemy.event.listen(engine, "connect", _configure_writer if writable else _configure_reader)
    sqlalchemy.event.listen(engine, "begin", _begin_immediate if writable else _begin_read)
    return engine


def _configure_writer(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the transaction's begin is ours, see below
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_mode = DELETE")


def _configure_reader(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")


def _begin_immediate(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_read(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _rows(connection: sqlalchemy.Connection) -> Iterator[Row]:
    columns = (_EVENTS.c.seq, _EVENTS.c.body, _EVENTS.c.sha256, _EVENTS.c.guard)
    result = connection.execution_options(yield_per=_PAGE).execute(sqlalchemy.select(*columns).order_by(_EVENTS.c.seq))
    for page in result.partitions():
        for seq, body, sha256, guard in page:
            yield Row(seq=seq, body=body, sha256=sha256, guard=guard)


def _values(one: Link) -> dict[str, object]:
    return {"seq": one.event.seq, "body": one.body, "sha256": one.sha256, "guard": one.event.guard}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except IntegrityError:
        raise GuardTakenError from None
    except (SQLAlchemyError, OSError, UnicodeDecodeError) as error:
        raise _explained(path, getattr(error, "orig", None) or error) from None


def _explained(path: Path, cause: BaseException) -> StateError:
    garbled = isinstance(cause, UnicodeDecodeError)  # SQLite's own message repeated damaged bytes of the schema
    if garbled or getattr(cause, "sqlite_errorname", "").startswith(_DAMAGED):
        what = "its schema is no text" if garbled else str(cause).rstrip(".")
        return StateError(
            f"{path} is no journal, or it is damaged: {what}.",
            hint="Give the right folder with --state, or restore the state folder from a copy.",
        )
    return StateError(
        f"The journal {path} cannot be read or written: {str(cause).rstrip('.')}.",
        hint="Check the disk's space and permissions, then run the command again; nothing recorded is lost.",
    )

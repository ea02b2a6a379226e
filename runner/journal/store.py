"""The journal on disk: one table, written in whole transactions, never changed.

SQLite with its rollback journal and synchronous=EXTRA, because WAL lost commits with two connections before 3.51.3. An
append takes the right to write before it looks where the journal ends, whether it is one statement or BEGIN IMMEDIATE
with several. The unique column `guard` is what keeps two runners from doing one thing twice; the lock is courtesy.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from weakref import WeakSet

from runner.errors import StateError, too_large
from runner.journal.chain import START, Link, Row, link, read_chain
from runner.journal.end_marks import Heads, head_of
from runner.journal.events import Draft
from runner.journal.folder import StateFolder
from runner.journal.forms import is_sha256
from runner.journal.state_store import GuardTakenError, HeadMovedError
from runner.lib.atomic_files import FILE_MODE, sync_folder
from runner.lib.sqlite_hot_journal import check_rollback_journal

APPLICATION_ID = 0x52545231  # "RTR1" in SQLite's header: another program's database is not taken for a journal
FORMAT = 1
_BUSY_S = 10  # how long to wait for another process's transaction
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")  # the file's content is at fault, not the disk

_TABLE = """
CREATE TABLE events (
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    sha256 VARCHAR NOT NULL,
    guard VARCHAR,
    PRIMARY KEY (seq),
    UNIQUE (guard)
)
"""
_SCHEMA = "SELECT type, name, sql FROM sqlite_schema"
_OURS = (("table", "events", _TABLE.strip()), ("index", "sqlite_autoindex_events_1", None))
_SHOWN = 100  # characters of a name in a message
_LAST_SEQ = 2**63 - 1  # that a database can hold; a note or a report may name any number
_FIRST_SEQ = -(2**63)  # that a database can hold: a row before the first event is read, and refused
_ROWS = "SELECT seq, body, sha256, guard FROM events WHERE seq >= ? ORDER BY seq"
_INSERT = """
INSERT INTO events (seq, body, sha256, guard) SELECT * FROM (VALUES {rows})
WHERE (SELECT seq, sha256 FROM events ORDER BY seq DESC LIMIT 1) IS (?, ?)
"""
_MOST_ROWS = 100  # of one statement; SQLite takes 999 parameters at least


class Store:
    """An open journal. Not thread-safe: the run's coordinator alone writes."""

    def __init__(self, path: Path, *, writable: bool, heads: Heads | None = None) -> None:
        self._path = path
        self._heads = heads
        self._lineage = ""
        self._last: Link | None = None
        self._head: tuple[int, str] | None = None
        self._guards: set[str] = set()
        self._readings: WeakSet[Generator[Link]] = WeakSet()
        with _translated(path):
            self._connection = _connect(path)
        try:
            with _translated(path):
                _configure(self._connection, writable=writable)
                self._check_identity()
        except BaseException:
            self.close()
            raise

    def read(self, after: tuple[int, str] = START) -> Generator[Link]:
        """Yield the events after the one whose number and SHA-256 are given, each checked against the chain.

        The first reading to the end sets `head`; a later one, or one that stops early, does not move it: what this
        object's owner knows of the journal ends where that reading and its own appends ended.

        Raises:
            StateError: the file cannot be read, an event in it cannot be believed, or the event of that number is
                missing or has another digest.
        """
        reading = self._read(after)
        self._readings.add(reading)
        return reading

    def _read(self, after: tuple[int, str]) -> Generator[Link]:
        last, guards = None, set()
        first = after[0] or _FIRST_SEQ
        with _translated(self._path), closing(self._connection.execute(_ROWS, (first,))) as rows:
            for last in read_chain(map(_row, rows), after):
                if last.event.seq > after[0]:
                    if last.event.guard is not None:
                        guards.add(last.event.guard)
                    yield last
        if self._head is None:
            self._head = (last.event.seq, last.sha256) if last else START
            self._guards, self._last, self._lineage = guards, last, self.extent()[1]

    @property
    def head(self) -> tuple[int, str]:
        """Number of events and SHA-256 of the last one, as first read and then written by this object."""
        return self._head or START

    def extent(self) -> tuple[int, str]:
        """Return how many events there are now, and the SHA-256 of the first; nothing but its form is checked."""
        with _translated(self._path):
            (events,) = self._connection.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()
        first: object = self.digest(1)
        return events, first if isinstance(first, str) and is_sha256(first) else ""

    def digest(self, seq: int) -> str | None:
        """Return the SHA-256 that is stored for an event, or None if the event does not exist."""
        if not 0 < seq <= _LAST_SEQ:
            return None
        with _translated(self._path):
            row = self._connection.execute("SELECT sha256 FROM events WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else row[0]

    def settle(self) -> None:
        """Note where the journal ends, after it was read; from then on each commit is noted.

        Raises:
            StateError: the note cannot be written.
        """
        if self._heads is not None:
            self._heads.settle(head_of(self._last, self._lineage))

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
        self._write(links)
        self._head = (seq, prev)
        self._guards |= guards
        self._note(links)
        return links

    def take_over(self, links: Sequence[Link]) -> None:
        """Write events of another journal in one durable transaction."""
        if links:
            self._write(list(links))
            self._head = (links[-1].event.seq, links[-1].sha256)
            self._guards |= {link.event.guard for link in links if link.event.guard is not None}
            self._note(list(links))

    def _note(self, links: list[Link]) -> None:
        """Note the new end of the journal, which is durable by now."""
        if links:
            self._last, self._lineage = links[-1], self._lineage or links[0].sha256
            if self._heads is not None:
                self._heads.note(head_of(self._last, self._lineage), links)

    def _write(self, links: list[Link]) -> None:
        """Write events in one transaction: a few of them in one statement, as other threads run between any two."""
        with _translated(self._path), self._connection as connection:  # commits what is left to commit, or rolls back
            if len(links) > _MOST_ROWS:
                connection.execute("BEGIN IMMEDIATE")
            for first in range(0, len(links), _MOST_ROWS):
                self._insert(links[first : first + _MOST_ROWS])

    def _insert(self, links: list[Link]) -> None:
        """Write events, if the last one in the journal is the one that they follow."""
        values = [
            value
            for event_link in links
            for value in (event_link.event.seq, event_link.body, event_link.sha256, event_link.event.guard)
        ]
        first = links[0].event
        last = (first.seq - 1, first.prev) if first.seq > 1 else (None, None)
        statement = _INSERT.format(rows=", ".join(["(?, ?, ?, ?)"] * len(links)))
        if self._connection.execute(statement, (*values, *last)).rowcount != len(links):
            raise HeadMovedError

    def close(self) -> None:
        """Let go of the file, also where a reading of it stopped half-way."""
        for reading in list(self._readings):
            reading.close()
        if self._heads is not None:
            self._heads.close()
        self._connection.close()

    def _check_identity(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (mode,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        if application != APPLICATION_ID or version != FORMAT or mode == "wal":
            raise StateError(
                f"{self._path} is not a journal that this version of retrain reads.",
                hint="Give the right folder with --state, or use the version of retrain that wrote it.",
            )
        extra = next((row for row in self._connection.execute(_SCHEMA) if tuple(row) not in _OURS), None)
        if extra is not None:
            raise StateError(
                f"{self._path} has a {extra[0]} {extra[1][:_SHOWN]!a} that no version of retrain makes.",
                hint="Restore the state folder from a copy made before that, and keep this one for the audit.",
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
    return Store(folder.journal, writable=True, heads=Heads(folder))


def open_for_reading(folder: StateFolder) -> Store | None:
    """Open the journal for reading, or return None before the first run.

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
        try:
            with closing(_connect(beside)) as connection, connection:
                _configure(connection, writable=True)
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                connection.execute(_TABLE)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing file; a reader too may have to roll back what a killed writer left, so it opens for writing."""
    check_rollback_journal(path)
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)  # each transaction's begin is ours


def _configure(connection: sqlite3.Connection, *, writable: bool) -> None:
    if writable:
        connection.execute("PRAGMA synchronous = EXTRA")  # FULL may lose the last commit with the power
        connection.execute("PRAGMA journal_mode = DELETE")
    else:
        connection.execute("PRAGMA query_only = ON")


def _row(columns: tuple[int, bytes, str, str | None]) -> Row:
    seq, body, sha256, guard = columns
    return Row(seq=seq, body=body, sha256=sha256, guard=guard)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise GuardTakenError from None
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise _explained(path, error) from None
    except MemoryError:
        raise too_large(path) from None


def _explained(path: Path, cause: Exception) -> StateError:
    garbled = isinstance(cause, UnicodeDecodeError)  # SQLite's own message repeated damaged bytes of the schema
    if garbled or getattr(cause, "sqlite_errorname", "").startswith(_DAMAGED):
        what = "its schema is not text" if garbled else str(cause).rstrip(".")
        return StateError(
            f"{path} is not a journal, or it is damaged: {what}.",
            hint="Give the right folder with --state, or restore the state folder from a copy.",
        )
    return StateError(
        f"The journal {path} cannot be read or written: {str(cause).rstrip('.')}.",
        hint="Check the disk's space and permissions, then run the command again; nothing recorded is lost.",
    )

"""The state in a schema of a PostgreSQL database: how it is begun, probed and held.

The row of `format` says that here is a state. It is made once, by `retrain state init` or `migrate` and by nothing
else: a mistyped address would read as "nothing was ever trained".
"""

import secrets
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from shlex import quote

import msgspec
from msgspec import Struct

from runner.errors import StateError
from runner.http.objects.bucket import Bucket, read_bucket_address
from runner.journal.folder import StateFolder
from runner.journal.lock import Held, leased
from runner.journal.object_cache import JournalCache, copy_check, known_in, machine_folder
from runner.journal.object_store import AwayError, ObjectBlobs
from runner.journal.partitions import MOST, divided, lineage_of, part_name
from runner.journal.postgres_address import part_address, read_postgres_address
from runner.journal.postgres_database import Database, DatabaseError, DoubtfulError, NoTableError, TakenError
from runner.journal.postgres_files import PostgresBlobs, PostgresInbox
from runner.journal.postgres_log import PostgresLog
from runner.journal.postgres_tables import PostgresLease, holder_of, make_tables, promises, require_keys, require_server
from runner.journal.state_store import EventLog, StoreCheck

FORMAT = 1
_BEGIN = """
INSERT INTO {s}.format (id, format, lineage, blobs, partitions, number)
VALUES (1, %(format)s, %(lineage)s, %(blobs)s, %(partitions)s, %(number)s)
"""
_READ = "SELECT format, left(lineage, 100), left(blobs, 1000), partitions, number FROM {s}.format"
_CLAIM, _LARGEST_CLAIM = "files.json", 4096


def _told_place(blobs: str) -> str:
    return f"in {blobs}" if blobs else "in the database"


class Format(Struct, frozen=True, kw_only=True):
    """What the table `format` says: the form of the tables, which state it is, its files' place, its partitions.

    A partition has a `number`.
    """

    format: int
    lineage: str
    blobs: str
    partitions: int
    number: int | None


class PostgresStore:
    """A schema as a state."""

    folder = None

    def __init__(self, address: str) -> None:
        self.address = address
        self._database = Database(read_postgres_address(address))
        blobs = self._database.address.blobs
        self._bucket = Bucket(read_bucket_address(blobs)) if blobs else None

    @cached_property
    def _machine(self) -> Path:
        """Return this machine's folder for the state."""
        given = dict(self._database.address.connection)
        return machine_folder(f"{self._shown} {given.get('host', '')} {self._database.address.schema}")

    @property
    def work(self) -> StateFolder:
        """Return a folder of this machine."""
        return StateFolder(self._machine / "work")

    @cached_property
    def blobs(self) -> PostgresBlobs | ObjectBlobs:
        """Return the files, in the database or where the address says."""
        return PostgresBlobs(self._database) if self._bucket is None else ObjectBlobs(self._bucket)

    @property
    def _blobs_place(self) -> str:
        return "" if self._bucket is None else self._bucket.address.place

    @property
    def inbox(self) -> PostgresInbox:
        """Return the entries in the database."""
        return PostgresInbox(self._database)

    @cached_property
    def format(self) -> Format:
        """Return what the table `format` says.

        Raises:
            StateError: the state does not exist, or this version cannot read it.
        """
        found, known = self._read_format(), known_in(self._machine)
        if known is not None and known.events and (found is None or found.lineage != known.lineage):
            what = "is gone" if found is None else "was replaced by another state"
            raise StateError(
                f"The state {self._shown} {what}: this machine has read {known.events} events of it before.",
                hint="Restore the database. Where another state was begun there on purpose, remove "
                f"{quote(str(self._machine))}.",
            )
        if found is None:
            raise StateError(
                f"There is no state at {self._shown}.",
                hint=f"Check the address. To begin one there: `retrain state init {quote(self.address)}`.",
            )
        if found.blobs != self._blobs_place:
            raise StateError(
                f"The files of the state {self._shown} are {_told_place(found.blobs)}, and the address says that they "
                f"are {_told_place(self._blobs_place)}.",
                hint=f"Give the address with blobs={found.blobs}."
                if found.blobs
                else "Take blobs= out of the address.",
            )
        return found

    def _read_format(self) -> Format | None:
        try:
            rows = self._database.run(_READ)
        except NoTableError:
            return None
        except DatabaseError as error:
            raise self._reworded(error) from None
        if not rows:
            return None
        form, lineage, blobs, partitions, number = rows[0]
        if form != FORMAT or not 1 <= partitions <= MOST:
            raise StateError(
                f"The state {self._shown} has a form that this version of retrain does not read.",
                hint="Use the version of retrain that made it.",
            )
        return Format(format=form, lineage=lineage, blobs=blobs, partitions=partitions, number=number)

    @property
    def partitions(self) -> int:
        """Return what the table `format` says."""
        return self.format.partitions

    @property
    def lineage(self) -> str:
        """Return what the table `format` says."""
        found = self._read_format()
        return "" if found is None else found.lineage

    @property
    def number(self) -> int | None:
        """Return what the table `format` says."""
        return self.format.number

    def part(self, number: int) -> str:
        """Return the address of another schema of the database, whose files are below this one's."""
        return part_address(self.address, part_name(number))

    def divide(self, partitions: int) -> None:
        """Create the tables of this schema; only `format` is used."""
        self._prepare()
        self._make_format(
            lineage_of([PostgresStore(self.part(number)).lineage for number in range(partitions)]), partitions
        )

    def require_journal(self) -> None:
        """Raise a StateError where no state was begun here, or one with partitions."""
        if self.partitions > 1:
            raise divided(self._shown, self.partitions, quote(self.part(0)))

    def is_begun(self) -> bool:
        """Return whether the row of `format` is there."""
        return self._read_format() is not None

    def begin(self, number: int | None = None) -> None:
        """Begin a new state.

        Raises:
            StateError: there is one, the schema holds something else, or the database cannot keep a state.
        """
        if self.is_begun():
            raise StateError(f"There is a state at {self._shown} already.", hint="Use it, or name another schema.")
        self._prepare()
        if PostgresLog(self._database, None, self._reworded).has_events():
            raise StateError(
                f"A migration to {self._shown} was interrupted.",
                hint="Run the same migration again; it continues.",
            )
        self.arrive(number)

    def arriving(self) -> "PostgresStore":
        """Return the same tables, which are read and written before the row of `format` makes a state of them."""
        self._prepare()
        return _Arriving(self.address)

    def _prepare(self) -> None:
        """Make the tables, and take the place of the files."""
        try:
            require_server(self._database)
            make_tables(self._database)
        except DatabaseError as error:
            raise self._reworded(error) from None
        self._claim_files()

    def arrive(self, number: int | None = None) -> None:
        """Make a state of the tables."""
        self._make_format(secrets.token_hex(16), 1, number)

    def _make_format(self, lineage: str, partitions: int, number: int | None = None) -> None:
        """Make the row of `format`, and make sure that the keys hold; the row is removed if they do not."""
        self.__dict__.pop("format", None)
        row = {
            "format": FORMAT,
            "lineage": lineage,
            "blobs": self._blobs_place,
            "partitions": partitions,
            "number": number,
        }
        try:
            self._database.run(_BEGIN, row)
            try:
                require_keys(self._database)
            except StateError:
                self._database.run("DELETE FROM {s}.format")
                raise
        except TakenError:
            if self.format.lineage != lineage:  # else it is this one, whose answer was lost
                raise StateError(
                    f"Somebody else has just begun a state at {self._shown}.", hint="Use it as it is."
                ) from None
        except DatabaseError as error:
            raise self._reworded(error) from None

    def _claim_files(self) -> None:
        """Note in the place of `blobs=` whose files are there; raises StateError where they are another state's."""
        if self._bucket is None:
            return
        try:
            ours = self._bucket.create(_CLAIM, msgspec.json.encode({"state": self._shown}) + b"\n")
        except OSError as error:
            raise self._of_files(error) from None
        if not ours:
            raise StateError(
                f"There are files of another state in {self._blobs_place}.", hint="Name another prefix in blobs=."
            )
        self._require_private()

    def _require_private(self) -> None:
        """Raise a StateError where everybody can read the files."""
        if self._bucket is None:
            return
        with suppress(OSError):
            Bucket(self._bucket.address, signed=False).get(_CLAIM, limit=_LARGEST_CLAIM)
            raise StateError(
                f"The files of the state in {self._blobs_place} can be read by everybody, without credentials.",
                hint="Take away public access from the bucket; reports and results are nobody else's.",
            )

    def _of_files(self, error: OSError) -> StateError:
        return StateError(
            f"The files of the state in {self._blobs_place} cannot be used: {error.strerror}.",
            hint="Check the address in blobs= and the credentials of the environment.",
        )

    def open_log(self, *, afresh: bool = False) -> PostgresLog:
        """Open the journal for writing."""
        return self._log(afresh=afresh)

    def read_log(self, *, afresh: bool = False) -> PostgresLog | None:
        """Open the journal for reading; with `afresh` this machine's copy is not used."""
        log = self._log(afresh=afresh)
        return log if log.has_events() else None

    def _log(self, *, afresh: bool) -> PostgresLog:
        self.require_journal()
        cache = JournalCache(self._machine, self.format.lineage)
        return PostgresLog(self._database, None if afresh else cache, self._reworded)

    def lost_here(self, log: EventLog) -> str | None:
        """Compare the journal with this machine's copy."""
        return JournalCache(self._machine, self.format.lineage).beyond(log)

    def set_copy_aside(self) -> None:
        """Rename this machine's copy."""
        JournalCache(self._machine, self.format.lineage).set_aside()

    def snapshot(self) -> AbstractContextManager[None]:
        """Do nothing: the database keeps no reader waiting for long."""
        return nullcontext()

    def lease(self, run_id: str, *, timeout: float) -> AbstractContextManager[PostgresLease]:
        """Hold the lease, after the database has shown that it keeps its promises."""
        self.require_journal()
        try:
            require_server(self._database)
            require_keys(self._database)
            self._require_private()
            if isinstance(self.blobs, PostgresBlobs):
                self.blobs.clear_unnamed()
        except DatabaseError as error:
            raise self._reworded(error) from None
        return leased(PostgresLease(self._database, run_id), timeout=timeout, reword=self._reworded)

    def checks(self) -> tuple[StoreCheck, ...]:
        """Return which of the promises that a state rests on hold."""
        self.require_journal()
        try:
            require_server(self._database)
            require_keys(self._database)
            self._require_private()
            found = promises(self._database)
        except DatabaseError as error:
            raise self._reworded(error) from None
        copy = copy_check(self._machine)
        where = f"Files are {_told_place(self._blobs_place)}. {copy.seen}"
        return (*found, StoreCheck(verdict="ok", seen=where, next=copy.next))

    def holder(self) -> Held | None:
        """Return who holds the lease."""
        try:
            return holder_of(self._database)
        except DatabaseError as error:
            raise self._reworded(error) from None

    @property
    def _shown(self) -> str:
        return self._database.address.place

    def _reworded(self, error: OSError) -> StateError:
        """Return the error of the state that a refusal of the database is."""
        if isinstance(error, NoTableError):
            return StateError(
                f"The tables of the state {self._shown} are gone.", hint="Restore the schema from a backup."
            )
        hint = error.hint if isinstance(error, DatabaseError) else "Run the command again."
        if isinstance(error, DoubtfulError):
            return AwayError(f"The state {self._shown} cannot be reached: {error.strerror}.", hint=hint)
        return StateError(f"The state {self._shown} cannot be used: {error.strerror}.", hint=hint)


class _Arriving(PostgresStore):
    """Tables that become a state."""

    def require_journal(self) -> None:
        """They are none yet."""

    def _log(self, *, afresh: bool) -> PostgresLog:  # noqa: ARG002 -- there is no copy of it
        return PostgresLog(self._database, None, self._reworded)

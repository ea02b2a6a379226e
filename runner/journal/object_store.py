"""The state in an object store: the layout of a prefix, how it is begun and probed, files and inbox.

`format.json` says that here is a state. It is made once, by `retrain state init` or `migrate` and by nothing else: a
mistyped prefix would read as "nothing was ever trained".
"""

import hashlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from shlex import quote
from typing import IO, BinaryIO, cast

import msgspec
from msgspec import Struct

from runner.errors import ExitCode, StateError
from runner.http.objects.bucket import NO_OBJECT, Bucket, DoubtfulError, read_bucket_address
from runner.journal.checkpoint import FILES, LATEST
from runner.journal.folder import StateFolder
from runner.journal.lock import Held, leased, read_life
from runner.journal.object_cache import JournalCache, copy_check, known_in, machine_folder
from runner.journal.object_lease import ObjectLease, holder_of, store_checks
from runner.journal.object_log import JOURNAL, ObjectLog, Snapshot, snapshot_from
from runner.journal.partitions import FOLDER, LARGEST_FORMAT, Format, divided, lineage_of, part_name, read_format
from runner.journal.state_store import MOST_PENDING, EventLog, StoreCheck
from runner.lib.atomic_files import open_file
from runner.lib.parallel import map_in_threads

FORMAT_NAME, FORMAT = "format.json", 1
CHECKPOINT_NAMES = frozenset({LATEST, *FILES})
INBOX, ASIDE = "p/0000/inbox", "p/0000/lost/inbox"
_LARGEST_ENTRY = 1024 * 1024
_NONCE_BYTES = 33  # a line's end and 32 hexadecimal digits, at an entry's end
_IN_MEMORY = 8 * 1024 * 1024
_SENT_AT_ONCE = 8  # files
_ASKED_AT_ONCE = 16  # partitions


class AwayError(StateError):
    """The store cannot be reached (exit 5); nothing was begun, and running again is all there is to do."""

    exit_code = ExitCode.UNFINISHED


class ObjectBlobs(Struct, frozen=True):
    """Files as objects of the same names.

    `ahead` are those that are on their way already, each for one reader; a `snapshot` remembers what its readers open.
    """

    bucket: Bucket
    ahead: dict[str, "Future[IO[bytes]]"] = {}
    snapshot: Snapshot | None = None

    def put(self, name: str, pieces: Iterable[bytes]) -> str:
        """Store a file whole or not at all; its digest is that of the bytes which were sent."""
        return self.put_all([(name, pieces)])[name]

    def put_all(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> dict[str, str]:
        """Store several files; the next one is made while others are on their way."""
        digests, sent = dict[str, str](), list[Future[None]]()
        with ExitStack() as spools, ThreadPoolExecutor(_SENT_AT_ONCE) as pool:
            for name, pieces in files:
                file, sha256 = (
                    spools.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)),
                    hashlib.sha256(),
                )
                for piece in pieces:
                    file.write(piece)
                    sha256.update(piece)
                digests[name] = sha256.hexdigest()
                sent.append(pool.submit(self._send, name, file))
            for done in sent:
                done.result()
        return digests

    def _send(self, name: str, file: IO[bytes]) -> None:
        size = file.tell()
        file.seek(0)
        self.bucket.put(name, file.read() if size <= _IN_MEMORY else file)

    def keep(self, name: str, file: Path) -> None:
        """Store a file of the work folder."""
        with open_file(file) as stream:
            self.bucket.put(name, stream)

    def open(self, name: str) -> BinaryIO:
        """Fetch a file, which is on this machine's disk only while it is open."""
        coming = self.ahead.pop(name, None)
        if self.snapshot is None or name not in CHECKPOINT_NAMES:
            return cast("BinaryIO", self.bucket.open(name) if coming is None else coming.result())
        if name not in self.snapshot.files:
            with self.bucket.open(name) as file:
                self.snapshot.files[name] = file.read()
        return BytesIO(self.snapshot.files[name])

    def holds(self, name: str) -> bool:
        """Return whether there is such an object."""
        return self.bucket.exists(name)

    def names(self, folder: str, after: str = "") -> Iterator[str]:
        """Yield the names of the files below a folder that follow a name."""
        yield from (item.name for item in self.bucket.list(folder, after))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.bucket.delete(name)

    def shown(self, name: str) -> str:
        """Return the object's address."""
        return f"{self.bucket.address.place}/{name}"


class ObjectInbox(Struct, frozen=True):
    """Entries as objects, each with a nonce at its end, so that its poster knows his own."""

    bucket: Bucket

    def post(self, name: str, content: bytes) -> None:
        """Make an entry; of several that make it, one succeeds."""
        if not self.bucket.create(f"{INBOX}/{name}", b"%s\n%s" % (content, secrets.token_hex(16).encode())):
            raise FileExistsError(name)

    def pending(self) -> tuple[str, ...]:
        """Return the entries' names in their order."""
        return tuple(item.name.removeprefix(f"{INBOX}/") for item in self.bucket.list(INBOX))[:MOST_PENDING]

    def read(self, name: str, limit: int) -> bytes:
        """Return an entry's content without its nonce."""
        content = self.bucket.get(f"{INBOX}/{name}", limit=_LARGEST_ENTRY)
        return content[:-_NONCE_BYTES][:limit]

    def remove(self, name: str) -> None:
        """Remove an entry."""
        with suppress(FileNotFoundError):
            self.bucket.delete(f"{INBOX}/{name}")

    def set_aside(self, name: str) -> str:
        """Move what is not an entry out of the inbox."""
        target = f"{ASIDE}/{secrets.token_hex(3)}-{name}"
        self.bucket.rename(f"{INBOX}/{name}", target)
        return f"{self.bucket.address.place}/{target}"


class ObjectStore:
    """A prefix of a bucket as a state."""

    folder = None

    def __init__(self, address: str) -> None:
        self.address = address
        self.bucket_address = read_bucket_address(address, parameters={"lease"})
        self.life = read_life(dict(self.bucket_address.extra).get("lease", ""))
        self._ahead = dict[str, Future[IO[bytes]]]()
        self._snapshot: Snapshot | None = None
        self._coming: Future[Snapshot] | None = None  # of the journal, asked for before the state was held

    @cached_property
    def bucket(self) -> Bucket:
        """Return the objects below the prefix."""
        return Bucket(self.bucket_address)

    @cached_property
    def _machine(self) -> Path:
        """Return this machine's folder for the state: its copy of the journal, and what runs work with."""
        return machine_folder(f"{self.bucket_address.place} {self.bucket_address.endpoint or ''}")

    @property
    def work(self) -> StateFolder:
        """Return a folder of this machine."""
        return StateFolder(self._machine / "work")

    @property
    def blobs(self) -> ObjectBlobs:
        """Return the files below the prefix."""
        return ObjectBlobs(self.bucket, self._ahead, self._snapshot)

    @property
    def inbox(self) -> ObjectInbox:
        """Return the entries below the prefix."""
        return ObjectInbox(self.bucket)

    def _read_format(self) -> tuple[Format, bytes] | None:
        """Return what `format.json` says, and its bytes; None without the file."""
        try:
            content = self.bucket.get(FORMAT_NAME, limit=LARGEST_FORMAT)
        except FileNotFoundError as error:
            if error.strerror != NO_OBJECT:
                raise self._reworded(error) from None
            return None
        except OSError as error:
            raise self._reworded(error) from None
        return read_format(content, FORMAT, f"{self._shown}/{FORMAT_NAME}"), content

    @cached_property
    def format(self) -> tuple[Format, bytes]:
        """Return what `format.json` says, and its bytes.

        Raises:
            StateError: there is none, or this machine knows another state at the address.
        """
        found, known = self._read_format(), known_in(self._machine)
        if known is not None and known.events and (found is None or found[0].lineage != known.lineage):
            what = "is gone" if found is None else "was replaced by another state"
            raise StateError(
                f"The state {self._shown} {what}: this machine has read {known.events} events of it before.",
                hint="Restore its objects. Where another state was begun there on purpose, remove "
                f"{quote(str(self._machine))}.",
            )
        if found is None:
            raise StateError(
                f"There is no state at {self._shown}.",
                hint=f"Check the address. To begin one there: `retrain state init {quote(self.address)}`.",
            )
        return found

    @property
    def partitions(self) -> int:
        """Return what `format.json` says."""
        return self.format[0].partitions

    @property
    def number(self) -> int | None:
        """Return what `format.json` says."""
        return self.format[0].number

    def part(self, number: int) -> str:
        """Return the address of a prefix below this one."""
        place, mark, parameters = self.address.partition("?")
        return f"{place.rstrip('/')}/{FOLDER}/{part_name(number)}{mark}{parameters}"

    @property
    def lineage(self) -> str:
        """Return what `format.json` says."""
        found = self._read_format()
        return "" if found is None else found[0].lineage

    def divide(self, partitions: int) -> None:
        """Make `format.json`."""
        parts = map_in_threads(lambda number: ObjectStore(self.part(number)).lineage, range(partitions), _ASKED_AT_ONCE)
        self.begin_with(lineage_of(parts), partitions)

    @property
    def _own_format(self) -> tuple[Format, bytes]:
        """Return what `format.json` says; raises a StateError where the journals are in partitions."""
        if self.partitions > 1:
            raise divided(self._shown, self.partitions, quote(self.part(0)))
        return self.format

    def require_journal(self) -> None:
        """Raise a StateError where no state was begun here, or one with partitions."""
        self._own_format  # noqa: B018 -- it is read now

    def is_begun(self) -> bool:
        """Return whether `format.json` is there."""
        return self._read_format() is not None

    def arriving(self) -> "ObjectStore":
        """Return the same prefix, whose journal is read and written before `format.json` makes a state of it."""
        return _Arriving(self.address)

    def arrive(self, number: int | None = None) -> None:
        """Make a state of the prefix."""
        self.begin_with(secrets.token_hex(16), number=number)

    def begin(self, number: int | None = None) -> None:
        """Begin a new state.

        Raises:
            StateError: there is one, the prefix holds something else, or the store cannot keep a state.
        """
        if self._read_format() is not None:
            raise StateError(f"There is a state at {self._shown} already.", hint="Use it, or name another prefix.")
        try:
            if self.bucket.list(JOURNAL):
                raise StateError(
                    f"A migration to {self._shown} was interrupted.",
                    hint="Run the same migration again; it continues.",
                )
        except OSError as error:
            raise self._reworded(error) from None
        self.arrive(number)

    def begin_with(self, lineage: str, partitions: int = 1, number: int | None = None) -> None:
        """Make `format.json`, and make sure that the store keeps its promises; it is removed where not."""
        said = Format(format=FORMAT, lineage=lineage, partitions=partitions, number=number)
        content = msgspec.json.encode(said) + b"\n"
        try:
            if not self.bucket.create(FORMAT_NAME, content):
                raise StateError(f"Somebody else has just begun a state at {self._shown}.", hint="Use it as it is.")
            self.__dict__.pop("format", None)
            try:
                self._require_fit(content)
            except StateError:
                self.bucket.delete(FORMAT_NAME)
                raise
        except OSError as error:
            raise self._reworded(error) from None

    def _require_fit(self, content: bytes) -> None:
        """Raise a StateError where the store overwrites what it must not, or shows the state to everybody."""
        probes = (lambda: self.bucket.is_refused_twice(FORMAT_NAME, content), self.is_public)
        try:
            refused, public = map_in_threads(lambda probe: probe(), probes, len(probes))
        except OSError as error:
            raise self._reworded(error) from None
        if not refused:
            raise StateError(
                f"The store of {self._shown} overwrites objects although it is asked not to, so two runs could both "
                "believe that they have written.",
                hint="Use a store that honours `If-None-Match: *`, a folder, or another version of this store.",
            )
        if public:
            raise StateError(
                f"The state {self._shown} can be read by everybody, without credentials.",
                hint="Take away public access from the bucket; reports and results are nobody else's.",
            )

    def is_public(self) -> bool | None:
        """Return whether `format.json` can be read without credentials; None if that is unknown."""
        try:
            Bucket(self.bucket_address, signed=False).get(FORMAT_NAME, limit=LARGEST_FORMAT)
        except DoubtfulError:
            return None
        except OSError:
            return False
        return True

    def open_log(self, *, afresh: bool = False) -> ObjectLog:
        """Open the journal for writing."""
        return self._log(afresh=afresh)

    def read_log(self, *, afresh: bool = False) -> ObjectLog | None:
        """Open the journal for reading; with `afresh` this machine's copy and packs are not used."""
        log = self._log(afresh=afresh)
        return log if log.has_events() else None

    def _log(self, *, afresh: bool) -> ObjectLog:
        found, _ = self._own_format
        if afresh:
            return ObjectLog(self.bucket, None, self._reworded)
        cache, snapshot = JournalCache(self._machine, found.lineage), self._snapshot
        coming, self._coming = self._coming, None
        if snapshot is None and coming is not None:
            with suppress(OSError):  # then the log asks itself
                snapshot = coming.result()
        return ObjectLog(self.bucket, cache, self._reworded, snapshot)

    def lost_here(self, log: EventLog) -> str | None:
        """Compare the journal with this machine's copy."""
        return JournalCache(self._machine, self.format[0].lineage).beyond(log)

    def set_copy_aside(self) -> None:
        """Rename this machine's copy."""
        JournalCache(self._machine, self.format[0].lineage).set_aside()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Show the journal and its checkpoint as they are at the first read, without asking for them again."""
        self._snapshot = Snapshot()
        try:
            yield
        finally:
            self._snapshot = None

    @contextmanager
    def lease(self, run_id: str, *, timeout: float) -> Iterator[ObjectLease]:
        """Hold the lease, once the store has shown meanwhile that it keeps its promises."""
        found, content = self._own_format
        known = JournalCache(self._machine, found.lineage).known.commit

        def look_ahead() -> None:
            """Ask for the journal's end, which nobody writes to: who could do so would have been seen."""
            self._coming = pool.submit(snapshot_from, self.bucket, known)

        with ThreadPoolExecutor(3) as pool:
            fit = pool.submit(self._require_fit, content)
            self._ahead[LATEST] = pool.submit(self.bucket.open, LATEST)  # what is written later is only newer
            lease = ObjectLease(self.bucket, run_id, self.life, look_ahead)
            try:
                with leased(lease, timeout=timeout, reword=self._reworded):
                    fit.result()
                    yield lease
            finally:
                self._ahead.clear()
                self._coming = None

    def checks(self) -> tuple[StoreCheck, ...]:
        """Return which of the promises that a state rests on hold."""
        content = self.format[1]
        probes = (lambda: self.bucket.is_refused_twice(FORMAT_NAME, content), self.is_public)
        try:
            refused, public = map_in_threads(lambda probe: probe(), probes, len(probes))
            commits, _ = self.bucket.first_page(JOURNAL)
            head = self.bucket.head(commits[0].name if commits else FORMAT_NAME)
        except OSError as error:
            raise self._reworded(error) from None
        found = store_checks(self.bucket_address, refused=bool(refused), public=public, head=head)
        return (*found, copy_check(self._machine))

    def holder(self) -> Held | None:
        """Return who holds the lease."""
        try:
            return holder_of(self.bucket, self.life)
        except OSError as error:
            raise self._reworded(error) from None

    @property
    def _shown(self) -> str:
        return self.bucket_address.place

    def _reworded(self, error: OSError) -> StateError:
        """Return the error of the state that a refusal of the store is."""
        if isinstance(error, DoubtfulError):
            return AwayError(
                f"The state {self._shown} cannot be reached: {error.strerror}.",
                hint="Nothing was started. Check the network and the address, then run the command again.",
            )
        return StateError(
            f"The state {self._shown} cannot be used: {error.strerror or type(error).__name__}.",
            hint="Check the address and the credentials; "
            f"`retrain state doctor --state {quote(self.address)}` says more.",
        )


class _Arriving(ObjectStore):
    """A prefix that becomes a state."""

    def require_journal(self) -> None:
        """It is none yet."""

    def _log(self, *, afresh: bool) -> ObjectLog:  # noqa: ARG002 -- there is no copy of it
        return ObjectLog(self.bucket, None, self._reworded)
